"""Inputs about findings: reports to write, baselines to compare with, and what is refused. Scan shares them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from s3c_actions.core import pasted_content
from s3c_actions.options.command import Command
from s3c_actions.options.common import OFFLINE, OutputOptions, path
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.exploitation import ExploitationOptions
from s3c_actions.options.parse import boolean, choice, choices, integer, text
from s3c_actions.options.programs import ProgramsMirror, TrivyProgram
from s3c_actions.report import format_registry

SEVERITIES = ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")


def _severity(value: str) -> str | None:
    """Parse a severity's name; None for `none`."""
    word = choice("none", *SEVERITIES)(value)
    return None if word == "none" else word


def _category(value: str) -> str:
    """Parse an analysis category that GitHub accepts."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}", value.strip()):
        raise ValueError("a category: letters, digits and . _ : / + -, 200 at most")
    return value.strip()


def _dockerfile(value: str) -> Path:
    """Parse a path that is valid in a SARIF location: relative, and inside the repository."""
    dockerfile = path(value)
    if dockerfile.is_absolute() or ".." in dockerfile.parts:
        raise ValueError("a path relative to the repository's root")
    return dockerfile


class FormatOptions(Group):
    """The reports to write."""

    format = Input(
        name="format",
        basic=("scan", "report", "patch", "trace"),
        metavar="FORMAT,…",
        short="f",
        help="Reports to write, from one scan.",
        parse=choices(*format_registry.names()),
        default="json,sarif,html,table",
        choices=format_registry.names(),
        many=True,
        example="sarif,html,csv",
    )


STANDARD_OUTPUT = Path("-")
"""The path that means standard output."""


def _path_or_stream(value: str) -> Path:
    """Parse a path; `-` stands for standard output."""
    return STANDARD_OUTPUT if value.strip() == "-" else path(value)


class ReportFileOptions(FormatOptions):
    """One report at a path of the caller's choice.

    Attributes:
        without_format: the format whose report it is when `format` is not given.
    """

    without_format: ClassVar[str] = "table"
    output: Input[Path | None] = Input(
        name="output",
        basic=("scan", "report"),
        metavar="FILE",
        short="o",
        help="A file for one report besides those in `output-dir`: the first that `format` names, or without `format` "
        "the table. `-` is standard output. For one image only.",
        parse=_path_or_stream,
        absent=None,
        example="trivy-results.sarif",
    )


class PolicyOptions(Group):
    """The policy."""

    policy: Input[Path | None] = Input(
        name="policy",
        basic=("scan", "report", "patch", "chain", "attach", "trace", "deploy", "policy", "gate", "refresh"),
        help="The policy, `s3c-policy.yaml`: which findings, packages and licences are refused, and what is excepted "
        "until when. A file's path, or the YAML itself. It takes the place of `fail-on` and `fixable-only`, and the "
        "cluster decides by the same file.",
        parse=path,
        takes=(pasted_content.POLICY,),
        absent=None,
        example="s3c-policy.yaml",
    )


class ThresholdOptions(PolicyOptions):
    """The threshold of the gate."""

    fail_on = Input(
        name="fail-on",
        basic=("scan", "report", "patch", "chain", "attach", "refresh"),
        metavar="SEVERITY",
        help="Lowest severity that closes the gate, or `none`. The reports stay complete whatever the gate says.",
        parse=_severity,
        default="none",
        choices=("none", *SEVERITIES),
        example="HIGH",
    )
    fixable_only = Input(
        name="fixable-only",
        basic=("scan", "report", "patch"),
        help="Findings without a fix do not close the gate.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )


class ExitCodeOptions(Group):
    """The exit code of a closed gate."""

    exit_code = Input(
        name="exit-code",
        help="Exit code when the gate is closed. With `0` the verdict is reported and the step succeeds.",
        parse=integer(0, 1),
        default="1",
        absent=1,
        choices=("0", "1"),
    )


class BaselineNameOptions(Group):
    """The name of a baseline."""

    baseline_name = Input(
        name="baseline-name",
        metavar="NAME",
        help="What the baseline is called in comment and summary. Without it, the branch that the pull request goes "
        "to, else the baseline itself.",
        parse=text,
        absent="",
        example="main",
    )


class CodeScanningOptions(Group):
    """The location where code scanning shows findings."""

    dockerfile = Input(
        name="dockerfile",
        help="The image's Dockerfile, relative to the repository's root: where code scanning shows the findings. "
        "Without it, `Dockerfile` is taken when there is one.",
        parse=_dockerfile,
        absent=None,
        example="app/Dockerfile",
    )
    sarif_category = Input(
        name="sarif-category",
        metavar="CATEGORY",
        help="Category of the SARIF file in code scanning. Without it, one for each image repository and platform, so "
        "that two images never close each other's alerts.",
        parse=_category,
        absent="",
        example="s3c/voting-app",
    )


class UnscannedOptions(Group):
    """The verdict on an image that could not be checked."""

    unscanned = Input(
        name="unscanned",
        help="What an image means whose packages could not be checked (unknown or dead distribution, package database "
        "removed) when `fail-on` is set: `fail` closes the gate, `warn` only warns.",
        parse=choice("fail", "warn"),
        default="fail",
        choices=("fail", "warn"),
    )


class ReportInputs(
    ReportFileOptions,
    ThresholdOptions,
    ExitCodeOptions,
    BaselineNameOptions,
    CodeScanningOptions,
    UnscannedOptions,
    ExploitationOptions,
    TrivyProgram,
    OutputOptions,
):
    """The inputs of `report`."""

    offline = OFFLINE

    report = Input(
        name="report",
        basic=("report", "patch", "attach"),
        help="Trivy's JSON report (`trivy image --format json`, schema version 2).",
        parse=path,
        required=True,
        positional=True,
        example="trivy.json",
    )
    baseline = Input(
        name="baseline",
        basic=("scan", "report"),
        metavar="FILE",
        help="What to compare with: Trivy's JSON report of an earlier scan, or the `result.json` of an earlier run.",
        parse=path,
        absent=None,
        example="main/trivy.json",
    )
    order = (
        report,
        FormatOptions.format,
        ReportFileOptions.output,
        OutputOptions.output_dir,
        ThresholdOptions.fail_on,
        ThresholdOptions.fixable_only,
        PolicyOptions.policy,
        ExitCodeOptions.exit_code,
        baseline,
        BaselineNameOptions.baseline_name,
        CodeScanningOptions.dockerfile,
        CodeScanningOptions.sarif_category,
        UnscannedOptions.unscanned,
        *ExploitationOptions.own(),
        offline,
        *TrivyProgram.own(),
        ProgramsMirror.programs_mirror,
    )


COMMAND = Command(
    name="report",
    help="Renders an existing JSON report of Trivy in every form, compares it with an earlier one and gates it, with "
    "no scan.",
    options=ReportInputs,
    implementation="s3c_actions.commands.report:run",
    submits=True,
    examples=(
        "s3c report trivy.json --format sarif,html,csv --output-dir reports",
        "s3c report trivy.json --baseline main/trivy.json --fail-on HIGH --fixable-only",
    ),
)
