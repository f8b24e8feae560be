"""Environment variables that look like inputs and are none: a misspelt one would open a gate in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from s3c_actions.core import folders, secret_handover
from s3c_actions.core.errors import InputError
from s3c_actions.core.suggest import closest
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.declare import Input, variable

PREFIX = "S3C_"
OF_THE_MACHINE = (
    folders.CACHE_VARIABLE,
    folders.STATE_VARIABLE,
    secret_handover.HANDOVER_VARIABLE,
    "S3C_PYTHON",  # actions/setup.sh
    "S3C_HOLDS",  # actions/cache.sh
    "S3C_ACTION_PROGRAMS_MIRROR",  # actions/run.sh
)
"""Variables that are no inputs, and mean something all the same."""


def reject_unknown(environment: Mapping[str, str], own: Iterable[Input[Any]], *, in_action: bool) -> None:
    """Raise InputError for a variable that is an input of no command. Those of other commands may be there.

    Args:
        environment: of the process; an empty variable counts as not given.
        own: the inputs that the running command and its shell have, looked at first: most runs need no others.
        in_action: whether an action runs the command, whose users give inputs, not variables.
    """
    given = {name for name, text in environment.items() if _normalize(name).startswith(PREFIX) and text}
    given -= {*OF_THE_MACHINE, *_variables(own)}
    if not given:
        return
    known = _variables([*own, *(option for name in COMMANDS for option in _every_input(name))])
    for name in sorted(given - known.keys()):
        if not name.startswith(PREFIX) and _normalize(name) not in known:
            continue  # somebody's own, such as a shell's variable in small letters
        near = closest(_normalize(name), (*known, *OF_THE_MACHINE))
        written = f"`{known[near]}` under `with:`" if in_action and near in known else near
        raise InputError(
            name if name.isidentifier() else "environment",
            "no command has an input of this variable.",
            remedy=(f"Did you mean {written}? " if near else "")
            + "Correct it, or unset it: what begins with S3C_ is an input of s3c, and a misspelt one has no effect.",
        )


def _normalize(name: str) -> str:
    """Return a name as those of inputs are written: `S3C_FAIL_ON` for `s3c_fail_on` and `s3c-fail-on`."""
    return name.upper().replace("-", "_").replace(".", "_")


def _every_input(name: str) -> tuple[Input[Any], ...]:
    command = load(name)
    return (*command.inputs, *command.other_inputs, *command.removed_inputs())


def _variables(inputs: Iterable[Input[Any]]) -> dict[str, str]:
    return {variable(name): name for option in inputs for name in option.names}
