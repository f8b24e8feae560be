"""Inputs removed from a command, and the command that has them now."""

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


def signing(remaining: tuple[Input[Any], ...]) -> Removed:
    """Return the removed inputs with which a command signed what it attached.

    Args:
        remaining: the inputs that the command still has.
    """
    names = {option.name for option in remaining}
    return Removed(
        inputs=tuple(option for option in (*EvidenceOptions.own(), *SIGNING_INPUTS) if option.name not in names),
        asking=EvidenceOptions.own(),
        remedy=_REMEDY,
    )
