"""A file that has a say in a gate, and that a pull request changes."""

from __future__ import annotations

import msgspec

PROPOSED_VERDICTS = ("passed", "refused", "failed")


class GateChange(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """One file that is another on the target branch.

    Attributes:
        kind: as in `scope.SettingsFile`.
        path: as people name it; untrusted.
        target_sha256, head_sha256: of its content there and here; empty where it is not there.
        used: `target` or `head`.
        accepted_by: who set the label that lets the head's count; empty when nobody did.
    """

    kind: str
    path: str
    target_sha256: str
    head_sha256: str
    used: str
    accepted_by: str = ""


class ProposedVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a scan would have come to with the pull request's own files.

    Attributes:
        verdict: of VERDICTS.
        refused: how many findings would close the gate.
        reason: why it would be closed, or why that cannot be said; untrusted.
    """

    verdict: str
    refused: int
    reason: str
