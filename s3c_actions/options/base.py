"""Inputs of `base`."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.options.base_image import BaseImageOptions, CandidateOptions
from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, JobOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.programs import ProgramsMirror
from s3c_actions.options.report import ExitCodeOptions
from s3c_actions.options.scan import SCAN_INPUTS, SCOPE_INPUTS, ScanningOptions


class BaseInputs(ScanningOptions, CandidateOptions, ExitCodeOptions, JobOptions, ImageOptions):
    """The inputs of `base`."""

    base_image: Input[tuple[str, ...]] = replace(
        BaseImageOptions.base_image,
        basic=("base",),
        help="Images that count as a base: references (`python:3.12-slim`), or patterns (`docker.io/library/*`) for "
        "what annotations, the build's provenance or the Dockerfile name. By default whatever they name, in any "
        "registry.",
        default="*",
        absent=("*",),
    )
    candidates = replace(CandidateOptions.candidates, basic=("base",))
    order = (
        ImageOptions.image,
        base_image,
        candidates,
        *SCOPE_INPUTS,
        *(option for option in SCAN_INPUTS if option is not BaseImageOptions.base_image),
        ProgramsMirror.programs_mirror,
        *JobOptions.own(),
    )


COMMAND = Command(
    name="base",
    help="Finds the base of images, counts its findings apart, and scans other tags of the base: which would remove "
    "how many findings, how old and how large it is.",
    options=BaseInputs,
    implementation="s3c_actions.commands.base:run",
    examples=(
        "s3c base registry.example/voting-app:1.4.0",
        "s3c base registry.example/voting-app:1.4.0 --base-image python:3.12-slim-bookworm --candidates 10 --json",
    ),
)
