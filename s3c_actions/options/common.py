"""Inputs that several commands take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from s3c_actions.core import pasted_content
from s3c_actions.core.errors import InputError
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.parse import boolean, items, lines, places, some_time


def path(value: str) -> Path:
    """Parse a path and expand `~`; content pasted in place of a path is rejected, and so is the `-` of a stream."""
    if value.strip() == "-":
        raise ValueError("a path: standard input and output are not used here; a file of that name is ./-")
    return Path(path_text(value)).expanduser()


def paths(value: str) -> tuple[Path, ...]:
    """Parse paths, one a line."""
    return tuple(path(line) for line in path_lines(value))


def path_text(value: str) -> str:
    """Check as `path` does and return the text unchanged, for values that may be something else than a path."""
    if "\0" in value:
        raise ValueError("a path: it holds a NUL byte")
    kind = pasted_content.recognize_in_path(value)
    if kind:
        raise pasted_content.PastedContent(kind)
    return value


def path_items(value: str) -> tuple[str, ...]:
    """Parse paths, or what may be given in place of one, separated by commas or lines."""
    return tuple(path_text(item) for item in items(_reject_structured(value)))


def path_lines(value: str) -> tuple[str, ...]:
    """Parse paths, or what may be given in place of one, one a line."""
    return tuple(path_text(line) for line in lines(_reject_structured(value)))


def _reject_structured(value: str) -> str:
    """Return the value, unless it is JSON, YAML or PEM as a whole: its parts alone could pass as paths."""
    kind = pasted_content.recognize(value) or pasted_content.describe_structure(value)
    if kind:
        raise pasted_content.PastedContent(kind)
    return value


def no_task_error(command: str, task: Input[str]) -> InputError:
    """Return the error of a command that is given neither one of its tasks nor anything to do it with."""
    tasks = ", ".join(f"`s3c {command} {name}`" for name in task.choices)
    return InputError(task.name, "none is given.", remedy=f"Choose from {tasks}; `s3c help {command}` explains them.")


def _platform(value: str) -> str:
    """Parse `os/architecture[/variant]`."""
    if not re.fullmatch(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?", value.strip()):
        raise ValueError("a platform such as linux/amd64 or linux/arm/v7")
    return value.strip()


CACHE = Input(
    name="cache",
    help="Keep release archives and vulnerability data in the cache of GitHub Actions, also when the gate is closed. "
    "With a key or a way into a cluster nothing is kept or restored, whatever this says.",
    parse=boolean,
    default="true",
    absent=True,
)

OFFLINE = Input(
    name="offline",
    help="Download nothing and ask nobody: databases and checks are those of Trivy's cache, and lists of what is "
    "exploited those of s3c's.",
    parse=boolean,
    default="false",
    absent=False,
    switch=True,
    aliases={"offline-scan": "Trivy", "skip-db-update": "Trivy"},
)

KEEP_TRACE = Input(
    name="keep-trace",
    help="Keep the page of each image's story as an artifact of the run.",
    parse=boolean,
    default="true",
    absent=True,
)


class ImageOptions(Group):
    """The images that a command works on."""

    image: Input[tuple[str, ...]] = Input(
        name="image",
        basic=(
            "base",
            "scan",
            "patch",
            "chain",
            "sign",
            "attach",
            "verify",
            "trust",
            "trace",
            "deploy",
            "policy",
            "gate",
            "propose",
            "refresh",
        ),
        metavar="IMAGE,…",
        help="Images, as `registry/repository:tag` or `registry/repository@sha256:…`; several by commas or lines. "
        "A tag is resolved once, and everything after works on the digest.",
        parse=places,
        absent=(),
        example="localhost:5000/voting-app:1.4.0",
        aliases={"image-ref": "trivy-action", "images": "k8s-deploy", "target-artifact-reference": "notation-action"},
        required=True,
        positional=True,
        many=True,
    )


class OutputOptions(Group):
    """The output folder."""

    output_dir = Input(
        name="output-dir",
        basic=(
            "scan",
            "report",
            "patch",
            "chain",
            "sign",
            "attach",
            "verify",
            "trust",
            "trace",
            "deploy",
            "policy",
            "gate",
            "mirror",
            "refresh",
        ),
        metavar="DIR",
        help="Folder for everything written: reports, `summary.md`, `result.json`. Made when it is not there.",
        parse=path,
        default="s3c-out",
    )


class PlatformOptions(Group):
    """The platform of an image."""

    platform = Input(
        name="platform",
        metavar="PLATFORM",
        help="Platform of a multi-platform image, as `os/architecture[/variant]`.",
        parse=_platform,
        absent="",
        example="linux/amd64",
    )


class TimeoutOptions(Group):
    """The time limit of programs."""

    timeout = Input(
        name="timeout",
        help="Time limit of each outside program.",
        parse=some_time,
        default="10m",
        absent=600.0,
        example="15m",
    )


LIMITED = ("scans", "patches", "pushes", "signatures")
"""Resources of which `limits` says how many images use them at once."""
MAX_JOBS = 64


def _jobs(value: str) -> int:
    """Parse a number of jobs."""
    if not re.fullmatch(r"[0-9]{1,3}", value.strip()) or not 1 <= int(value) <= MAX_JOBS:
        raise ValueError(f"a number from 1 to {MAX_JOBS}")
    return int(value)


def _limits(value: str) -> Mapping[str, int]:
    """Parse `NAME=NUMBER` of LIMITED."""
    limits = {}
    for item in items(value):
        name, _, number = item.partition("=")
        if name.strip() not in LIMITED:
            raise ValueError(f"NAME=NUMBER,… of {', '.join(LIMITED)}")
        limits[name.strip()] = _jobs(number)
    return limits


class JobOptions(Group):
    """How many images are processed at once."""

    jobs = Input(
        name="jobs",
        metavar="NUMBER",
        help="Images that are processed at once. 1: one after another. Without it, one for each processor, at most 4.",
        parse=_jobs,
        absent=0,
        example="8",
    )
    limits: Input[Mapping[str, int]] = Input(
        name="limits",
        metavar="NAME=NUMBER,…",
        help="How many of the images processed at once use one resource: `scans` (a processor each; without it, as "
        "many as there are), `patches` (BuildKit), `pushes` of evidence (the registry), `signatures` (the vault).",
        parse=_limits,
        absent={},
        example="patches=2,signatures=4",
        many=True,
    )


class EverywhereOptions(Group):
    """The inputs of every command."""

    quiet = Input(
        name="quiet",
        short="q",
        help="Show warnings and errors only, and print the resulting references, one a line.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    json = Input(
        name="json",
        help="Print the result as JSON on standard output, as in `result.json`, and everything else on standard error.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    verbose = Input(
        name="verbose",
        short="v",
        help="Show the programs run and what they say.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    debug = Input(
        name="debug",
        help="As verbose, and every error with its traceback.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )


class AnnotationOptions(Group):
    """Whether the shell annotates the files of a pull request."""

    annotations = Input(
        name="annotations",
        help="Annotate the pull request's files with what closed the gate, and what is critical or high and has a "
        "fix: at most 5 errors and 5 warnings, at the Dockerfile's line where it is known.",
        parse=boolean,
        default="true",
        absent=True,
    )


class SubmitOptions(Group):
    """Whether the packages of an image are submitted to GitHub's dependency graph."""

    submit_dependencies = Input(
        name="submit-dependencies",
        help="Submit the packages of the images to GitHub's dependency graph, as the format `github` lists them, one "
        "snapshot for each image. Needs the permission `contents: write`. When GitHub does not take them, that is "
        "told, and the verdict stays what it is.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )


class UploadOptions(Group):
    """Whether a step of a workflow uploads to code scanning."""

    upload_sarif = Input(
        name="upload-sarif",
        help="Upload the findings to code scanning, one category for each image. Needs the permission "
        "`security-events: write`.",
        parse=boolean,
        default="false",
        absent=False,
    )
