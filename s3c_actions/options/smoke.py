"""Inputs of `smoke`, and of the same comparison after a patch."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from s3c_actions.options.command import Command
from s3c_actions.options.common import OutputOptions
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.parse import choice, integer, lines, some_time, text
from s3c_actions.options.programs import ProgramsMirror
from s3c_actions.options.registry import RegistryOptions
from s3c_actions.programs.containers.container import CAPABILITIES

MODES = ("off", "report", "required")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*=[^\0]*", re.DOTALL)


def command_line(value: str) -> tuple[str, ...]:
    """Parse a command as a shell would split it; no shell runs it."""
    try:
        words = tuple(shlex.split(value))
    except ValueError as error:
        raise ValueError("a command: a quote in it has no end") from error
    if not words:
        raise ValueError("a command")
    return words


def port(value: str) -> int | None:
    """Parse a TCP port."""
    return integer(1, 65535)(value)


def companions(value: str) -> Mapping[str, str]:
    """Parse lines of `NAME=IMAGE`."""
    listed: dict[str, str] = {}
    for row in lines(value):
        name, _, image = (part.strip() for part in row.partition("="))
        if not _HOST.fullmatch(name) or not image or name in listed:
            raise ValueError("lines of NAME=IMAGE, each name once, in lower case")
        listed[name] = image
    return listed


def variables(value: str) -> tuple[str, ...]:
    """Parse lines of `NAME=value`."""
    listed = lines(value)
    if not all(_VARIABLE.fullmatch(row) for row in listed):
        raise ValueError("lines of NAME=value")
    return listed


def folders(value: str) -> tuple[str, ...]:
    """Parse absolute paths in an image."""
    listed = tuple(dict.fromkeys(lines(value)))
    if not all(row.startswith("/") and row.strip("/") and ".." not in row.split("/") for row in listed):
        raise ValueError("absolute paths in the image, without `..`")
    return listed


def capabilities(value: str) -> tuple[str, ...]:
    """Parse names of capabilities, with or without `CAP_`."""
    listed = tuple(
        word.strip().upper().removeprefix("CAP_") for word in value.replace("\n", ",").split(",") if word.strip()
    )
    if not set(listed) <= set(CAPABILITIES):
        raise ValueError(f"made of {', '.join(CAPABILITIES)}")
    return tuple(dict.fromkeys(listed))


class SmokeOptions(Group):
    """Whether, and how, original and patched image are started beside each other."""

    smoke: Input[str] = Input(
        name="smoke",
        basic=("patch",),
        metavar="MODE",
        help="Start original and patched image beside each other, isolated, before the patch gets its tag: `report` "
        "tells whether it `works` or `differs`, or was `not tried`; `required` refuses all but `works`.",
        parse=choice(*MODES),
        default="off",
        absent="off",
        choices=MODES,
        example="required",
    )
    smoke_command: Input[tuple[str, ...]] = Input(
        name="smoke-command",
        metavar="COMMAND",
        help="With `smoke`: what has to succeed in both, once they are up, beside the image's own health check; split "
        "as a shell does, and run without one. In place of an image's program that ends by itself.",
        parse=command_line,
        absent=(),
        example="pg_isready --quiet",
    )
    smoke_port: Input[int | None] = Input(
        name="smoke-port",
        metavar="PORT",
        help="With `smoke`: TCP port on which both have to listen.",
        parse=port,
        example="8080",
    )
    smoke_timeout: Input[float] = Input(
        name="smoke-timeout",
        metavar="DURATION",
        help="With `smoke`: how long an image has to come up and do all of that.",
        parse=some_time,
        default="60s",
        absent=60.0,
    )
    smoke_companions: Input[Mapping[str, str]] = Input(
        name="smoke-companions",
        metavar="NAME=IMAGE",
        help="With `smoke`: images that run beside each of both, started first in this order, and the name under which "
        "each is reached. There is no other network.",
        parse=companions,
        absent={},
        many=True,
        example="voting-db=registry.example/voting-db:15.0",
    )
    smoke_env: Input[tuple[str, ...]] = Input(
        name="smoke-env",
        metavar="NAME=TEXT",
        help="With `smoke`: environment of the images and their companions.",
        parse=variables,
        absent=(),
        many=True,
        variables=True,
        example="POSTGRES_PASSWORD=smoke",
    )
    smoke_writable: Input[tuple[str, ...]] = Input(
        name="smoke-writable",
        metavar="PATH",
        help="With `smoke`: folders in the images that are writable, and hold no files, besides /tmp, /run, "
        "/var/tmp and their volumes. All else is read-only.",
        parse=folders,
        absent=(),
        many=True,
        example="/var/cache/nginx",
    )
    smoke_capabilities: Input[tuple[str, ...]] = Input(
        name="smoke-capabilities",
        metavar="NAME,…",
        help="With `smoke`: capabilities that the images keep, which have none by default; those an entry point needs "
        "that begins as root and gives its rights up.",
        parse=capabilities,
        absent=(),
        many=True,
        choices=CAPABILITIES,
        example="CHOWN,SETGID,SETUID",
    )


SMOKE_INPUTS: tuple[Input[Any], ...] = SmokeOptions.own()
"""In README order."""


class SmokeInputs(SmokeOptions, RegistryOptions, ProgramsMirror, OutputOptions):
    """The inputs of `smoke`."""

    original: Input[str] = Input(
        name="original",
        basic=("smoke",),
        metavar="IMAGE",
        help="The image that works.",
        parse=text,
        absent="",
        required=True,
        positional=True,
        example="registry.example/app:1.4",
    )
    compared: Input[str] = Input(
        name="compared",
        basic=("smoke",),
        metavar="IMAGE",
        help="The image that is to do the same.",
        parse=text,
        absent="",
        required=True,
        positional=True,
        example="registry.example/app:1.4-patched-1",
    )
    smoke = replace(
        SmokeOptions.smoke,
        basic=("smoke",),
        help="`required` ends with exit code 1 unless the images do the same; `report` only reports it.",
        choices=MODES[1:],
        parse=choice(*MODES[1:]),
        default="required",
        absent="required",
        example="report",
    )
    order = (
        original,
        compared,
        smoke,
        *SMOKE_INPUTS[1:],
        *RegistryOptions.inputs(),
        ProgramsMirror.programs_mirror,
        OutputOptions.output_dir,
    )


COMMAND = Command(
    name="smoke",
    help="Starts two images beside each other, isolated and for a short time, and compares what they do: whether they "
    "stay up, their health checks, ports, exit codes, configuration, and libraries that are missing.",
    options=SmokeInputs,
    implementation="s3c_actions.commands.smoke:run",
    examples=(
        "s3c smoke registry.example/app:1.4 registry.example/app:1.4-patched-1",
        "s3c smoke registry.example/app:1.4 registry.example/app:1.5 --smoke-command 'app --version' --smoke report",
        "s3c smoke localhost:5000/voting-app:1.4.0 localhost:5000/voting-app:1.4.0-patched-1 "
        "--smoke-companions voting-db=localhost:5000/voting-db:15.0 --smoke-env VOTING_DB_PASSWORD=smoke",
    ),
)
