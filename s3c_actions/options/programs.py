"""Inputs on where programs come from."""

from __future__ import annotations

import re
from pathlib import Path

from s3c_actions.options.command import Command
from s3c_actions.options.common import path
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.parse import choice, choices, text

PROGRAM_NAMES = ("trivy", "copa", "notation", "buildkitd", "helm", "runc")


def _url(value: str) -> str:
    """Parse a base URL, and return it without the slash at its end."""
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value.strip()):
        raise ValueError("an http or https URL")
    return value.strip().rstrip("/")


def sha256_text(value: str) -> str:
    """Parse a SHA-256 in hexadecimal, and return it in lower case."""
    digits = value.strip().lower().removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("a SHA-256: 64 hexadecimal digits")
    return digits


def _inputs(name: str, version: str) -> tuple[Input[Path], Input[str], Input[str]]:
    """Declare path, version and checksum of a program."""
    return (
        Input(
            name=f"{name}-path",
            help=f"Path of {name} to use, of the pinned version. Without it: {name} on PATH when it has the pinned "
            "version, else one that s3c installs into its cache.",
            parse=path,
            example=f"/usr/local/bin/{name}",
        ),
        Input(
            name=f"{name}-version",
            metavar="VERSION",
            help=f"Another version of {name} than the pinned one; needs `{name}-checksum`.",
            parse=text,
            absent="",
            example=version,
        ),
        Input(
            name=f"{name}-checksum",
            help=f"SHA-256 of the release archive of `{name}-version` for this platform, or of the file at "
            f"`{name}-path`.",
            parse=sha256_text,
            absent="",
            example="0f3c…",
        ),
    )


class ProgramsMirror(Group):
    """The source of release archives."""

    programs_mirror = Input(
        name="programs-mirror",
        help="Base URL to download releases from, in place of GitHub's and Helm's hosts: a mirror with the same "
        "paths. The checksums stay the pinned ones.",
        parse=_url,
        absent="",
        example="https://mirror.example/github",
        of_runner=True,
    )


class TrivyProgram(ProgramsMirror):
    """The trivy to run."""

    trivy_path, trivy_version, trivy_checksum = _inputs("trivy", "0.74.0")


class CopaProgram(ProgramsMirror):
    """The copa to run."""

    copa_path, copa_version, copa_checksum = _inputs("copa", "0.14.2")


class NotationProgram(ProgramsMirror):
    """The notation to run."""

    notation_path, notation_version, notation_checksum = _inputs("notation", "1.3.2")


class BuildkitdProgram(ProgramsMirror):
    """The buildkitd to run."""

    buildkitd_path, buildkitd_version, buildkitd_checksum = _inputs("buildkitd", "0.34.2")


class HelmProgram(ProgramsMirror):
    """The helm to run."""

    helm_path, helm_version, helm_checksum = _inputs("helm", "3.22.0")


class EveryProgram(TrivyProgram, CopaProgram, NotationProgram, BuildkitdProgram, HelmProgram):
    """Every program."""


class ProgramsInputs(EveryProgram):
    """The inputs of `programs`."""

    subcommand = Input(
        name="subcommand",
        basic=("programs",),
        metavar="TASK",
        help="What to do.",
        parse=choice("list", "install", "where"),
        choices=("list", "install", "where"),
        default="list",
        positional=True,
    )
    program: Input[tuple[str, ...]] = Input(
        name="program",
        basic=("programs",),
        metavar="PROGRAM,…",
        help="Programs to do it with. Without any: all for `list` and `where`, trivy, copa and notation for `install`.",
        parse=choices(*PROGRAM_NAMES),
        absent=(),
        choices=PROGRAM_NAMES,
        positional=True,
        many=True,
    )
    order = (
        subcommand,
        program,
        *TrivyProgram.own(),
        *CopaProgram.own(),
        *NotationProgram.own(),
        *BuildkitdProgram.own(),
        *HelmProgram.own(),
        ProgramsMirror.programs_mirror,
    )


COMMAND = Command(
    name="programs",
    help="List the programs that do the work, install them, or tell where they are.",
    options=ProgramsInputs,
    implementation="s3c_actions.commands.programs:run",
    examples=(
        "s3c programs list",
        "s3c programs install trivy notation",
        "s3c programs where --json",
        "s3c programs install trivy --trivy-version 0.75.0 --trivy-checksum SHA256",
    ),
)
