"""Inputs of `exception list`."""

from __future__ import annotations

from s3c_actions.options.command import Command
from s3c_actions.options.common import OutputOptions
from s3c_actions.options.exception import ExceptionOptions
from s3c_actions.options.programs import NotationProgram, ProgramsMirror
from s3c_actions.options.registry import REGISTRY_INPUTS, NotationOptions


class ExceptionListInputs(ExceptionOptions, NotationOptions, OutputOptions):
    """The inputs of `exception list`."""

    order = (
        ExceptionOptions.image,
        ExceptionOptions.policy,
        *REGISTRY_INPUTS,
        *NotationProgram.own(),
        ProgramsMirror.programs_mirror,
    )


COMMAND = Command(
    name="exception list",
    help="Lists the break-glass exceptions beside images: by whom, why, for which findings and how long still; of "
    "those that do not count, why.",
    options=ExceptionListInputs,
    implementation="s3c_actions.commands.exception_list:run",
    examples=("s3c exception list registry.example/app@sha256:…",),
)
