"""What starting an original and its patched image beside each other showed."""

from __future__ import annotations

import enum

import msgspec

from s3c_actions.core.errors import Refused
from s3c_actions.core.reference import Reference


class SmokeVerdict(enum.StrEnum):
    """What a start of two images beside each other showed."""

    WORKS = "works"
    DIFFERS = "differs"
    NOT_TRIED = "not tried"


class PlatformSmoke(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of one platform. Every text but the platform may hold what an image wrote.

    Attributes:
        verdict: on the platform.
        reason: why it was not tried, in a clause; empty otherwise.
        differences: what the patched image does otherwise, in clauses.
        checks: what both did alike, in clauses.
        versions: of programs, as both wrote them, where they differ; for information.
        runtime: what ran them; empty when nothing did.
    """

    platform: str
    verdict: SmokeVerdict
    reason: str = ""
    differences: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    runtime: str = ""
    seconds: float = 0.0


class SmokeResult(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of two images, by starting both.

    Attributes:
        original, reference: pinned.
        platforms: each platform that the original or the other image has.
    """

    original: str
    reference: str
    platforms: tuple[PlatformSmoke, ...]
    seconds: float = 0.0

    @property
    def verdict(self) -> SmokeVerdict:
        """Return the worst of the platforms' verdicts; without platforms nothing was tried."""
        verdicts = {platform.verdict for platform in self.platforms}
        for verdict in (SmokeVerdict.DIFFERS, SmokeVerdict.NOT_TRIED, SmokeVerdict.WORKS):
            if verdict in verdicts:
                return verdict
        return SmokeVerdict.NOT_TRIED

    @property
    def sentence(self) -> str:
        """Return verdict and what it rests on, as one sentence."""
        several = len(self.platforms) > 1
        parts = []
        for platform in self.platforms:
            if platform.verdict is self.verdict:
                why = platform.reason or "; ".join(platform.differences) or "; ".join(platform.checks)
                parts.append(f"{platform.platform}: {why}" if several else why)
        return f"{self.verdict}: {'; '.join(parts)}." if any(parts) else f"{self.verdict}."


class ImagePair(msgspec.Struct, frozen=True, kw_only=True):
    """The two images of one platform, each pinned; None for one that does not exist."""

    platform: str
    original: Reference | None
    patched: Reference | None


class SmokeRefused(Refused):
    """A comparison that was required did not end well; `result` is the comparison."""

    def __init__(self, result: SmokeResult) -> None:
        self.result = result
        differs = result.verdict is SmokeVerdict.DIFFERS
        super().__init__(
            f"{result.reference} does not do what the original does."
            if differs
            else f"Whether {result.reference} still works was not tried.",
            cause=result.sentence,
            remedy="Look at what differs; with `smoke` set to `report` it is let pass."
            if differs
            else "Run this where its platform and a container runtime are, and give what the image needs to start: "
            "`smoke-companions`, `smoke-env`, `smoke-writable`. With `smoke` set to `report` it is let pass.",
            image=result.reference,
        )
