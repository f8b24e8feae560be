"""A pause of a cluster's gate, as `s3c gate pause` writes it into the parameters of the gate's constraint.

The constraint's Rego (manifests/gatekeeper/template.yaml) compares it with the clock by the same rules; a test holds
both to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from s3c_actions.core.patterns import late_pattern

MAX_LENGTH = timedelta(hours=4)
"""The longest pause that counts."""
MAX_REASON = 500
"""Characters of a reason."""
# What Go, and so Rego, takes for white space.
_SPACE = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_TIMESTAMP = late_pattern(r"20\d{2}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


class PauseState(StrEnum):
    """What a pause does at a moment; `void` is one that is malformed or too long, and does nothing."""

    ACTIVE = "active"
    PENDING = "pending"
    ENDED = "ended"
    VOID = "void"


class GatePause(msgspec.Struct, frozen=True, kw_only=True):
    """A pause of one constraint, as it stands there; untrusted text.

    Attributes:
        constraint: its name.
        since, until: RFC 3339, UTC, in whole seconds, if it is well-formed.
        reason: why, for people.
    """

    constraint: str
    since: str
    until: str
    reason: str

    @classmethod
    def of(cls, constraint: Mapping[str, object]) -> GatePause | None:
        """Return the pause of a constraint; None when it has none."""
        pause: object = constraint
        for key in ("spec", "parameters", "pause"):
            pause = pause.get(key) if isinstance(pause, Mapping) else None
        if pause is None:
            return None
        metadata = constraint.get("metadata")
        fields = pause if isinstance(pause, Mapping) else {}
        since, until, reason = (
            value if isinstance(value := fields.get(key), str) else "" for key in ("since", "until", "reason")
        )
        name = str(metadata.get("name")) if isinstance(metadata, Mapping) else ""
        return cls(constraint=name, since=since[:40], until=until[:40], reason=reason[:MAX_REASON])

    def state(self, now: datetime) -> PauseState:
        """Return what the pause does at a moment (with a time zone)."""
        since, until = _moment(self.since), _moment(self.until)
        if since is None or until is None or not self.reason.strip(_SPACE) or not since < until <= since + MAX_LENGTH:
            return PauseState.VOID
        if now < since:
            return PauseState.PENDING
        return PauseState.ACTIVE if now < until else PauseState.ENDED

    def describe(self, now: datetime) -> str:
        """Return the pause at a moment as a sentence."""
        state, reason = self.state(now), " ".join(self.reason.split())
        if state is PauseState.VOID:
            return f"The pause of {self.constraint} is malformed or too long, and has no effect."
        verb = {PauseState.ACTIVE: "is paused", PauseState.PENDING: "will be paused"}.get(state, "was paused")
        return f"The gate ({self.constraint}) {verb} from {self.since} until {self.until}: {reason.rstrip('.')}."


def _moment(text: str) -> datetime | None:
    if not _TIMESTAMP.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
