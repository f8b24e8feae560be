"""Inputs that a command took before, and the command that takes them now."""

from __future__ import annotations

from typing import Any

from s3c_actions.options.command import Removed
from s3c_actions.options.declare import Input
from s3c_actions.options.evidence import EvidenceOptions
from s3c_actions.options.sign import SIGNING_INPUTS

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
