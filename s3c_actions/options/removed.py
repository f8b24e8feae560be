"""Inputs that a command took before, and the command that takes them now."""

from __future__ import annotations

from typing import Any

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.options.declare import Input
from s3c_actions.options.evidence import EvidenceOptions
from s3c_actions.options.sign import SIGNING_INPUTS


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs that a command took before.

    Attributes:
        inputs: all of them: as flags they are rejected.
        asking: those of them that ask for something that would otherwise not be done without a word. They are rejected
            as variables and inputs of an action too; the others may be there for another command of the same job.
        remedy: what to do instead.
    """

    inputs: tuple[Input[Any], ...]
    asking: tuple[Input[Any], ...]
    remedy: str

    def error(self, one: Input[Any], command: str) -> InputError:
        """The error of one that is given."""
        return InputError(one.name, f"it is not an input of `s3c {command}` any more.", remedy=self.remedy)


_REMEDY = (
    "Attach with `s3c sign --attach true --results FOLDER`, which signs what passes and attaches the reports in the "
    "folder that this step wrote, or with `s3c attach`."
)


def signing(taken: tuple[Input[Any], ...]) -> Removed:
    """What a command took to sign what it attached.

    Args:
        taken: the inputs that the command takes all the same.
    """
    names = {one.name for one in taken}
    return Removed(
        inputs=tuple(one for one in (*EvidenceOptions.own(), *SIGNING_INPUTS) if one.name not in names),
        asking=EvidenceOptions.own(),
        remedy=_REMEDY,
    )
