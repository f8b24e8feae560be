"""Inputs removed from a command, and the command that has them now."""

from __future__ import annotations

from s3c_actions.options.command import Removed
from s3c_actions.options.evidence import EvidenceOptions

SIGNING = Removed(
    asking=EvidenceOptions.own(),
    others="s3c_actions.options.sign:SIGNING_INPUTS",
    remedy="Attach with `s3c sign --attach true --results FOLDER`, which signs what passes and attaches the reports in "
    "the folder that this step wrote, or with `s3c attach`.",
)
"""The inputs with which a command signed what it attached."""
