"""A file that influences a gate and that a pull request changes."""

from __future__ import annotations

import msgspec

PROPOSED_VERDICTS = ("passed", "refused", "failed")


class GateChange(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """One file that differs from the target branch.

    Attributes:
        kind: as in `scope.SettingsFile`.
        path: as given; untrusted.
        target_sha256, head_sha256: of its content on the target branch and on the head; empty where it does not exist.
        used: `target` or `head`.
        accepted_by: who set the label that makes the head's file count; empty when nobody did.
    """

    kind: str
    path: str
    target_sha256: str
    head_sha256: str
    used: str
    accepted_by: str = ""


class ProposedVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict that a scan would have had with the pull request's own files.

    Attributes:
        verdict: of VERDICTS.
        refused: how many findings would close the gate.
        reason: why it would be closed, or why that cannot be determined; untrusted.
    """

    verdict: str
    refused: int
    reason: str
