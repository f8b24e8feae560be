"""Words for numbers and digests, as people read them."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """The noun alone, in the form that goes with a number: `package`, `packages`."""
    return noun if count == 1 else f"{noun}s"


def counted(count: int, noun: str) -> str:
    """`1 package`, `8 packages`, `1,200 packages`."""
    return f"{count:,} {plural(count, noun)}"


def short_digest(digest: str) -> str:
    """`sha256:8db819c8739f…`: enough to tell digests apart; what is no longer than that stays whole."""
    return f"{digest[:19]}…" if len(digest) > 20 else digest
