"""The collaborators of a trace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core.reference import Reference
from s3c_actions.trace.model import TracedGate, TraceJudgement

if TYPE_CHECKING:
    from s3c_actions.programs.notation.home import NotationHome
    from s3c_actions.registry import Registry
    from s3c_actions.steps.protocols import Verifier


class SignatureChecker(msgspec.Struct, frozen=True, kw_only=True):
    """Verifies signatures with notation, one by one.

    Attributes:
        notation: the program.
        homes: each with a trust store and a trust policy; one that accepts a signature is enough.
        temp: for image layouts, removed after each use.
    """

    notation: Verifier
    homes: tuple[NotationHome, ...]
    temp: Path


class TraceTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of a trace.

    Attributes:
        checker: None when no trust was configured.
        judge: returns a policy's judgement of a pinned reference; when None, only the trust in its signatures counts.
        gate: of the cluster that was named; None when none was.
    """

    registry: Registry
    now: datetime
    checker: SignatureChecker | None = None
    judge: Callable[[Reference], TraceJudgement] | None = None
    gate: TracedGate | None = None
