"""Words for numbers and digests, as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def plural(count: int, noun: str) -> str:
    """The noun alone, in the form that goes with a number: `package`, `packages`."""
    return noun if count == 1 else f"{noun}s"


def counted(count: int, noun: str) -> str:
    """`1 package`, `8 packages`, `1,200 packages`."""
    return f"{count:,} {plural(count, noun)}"


def short_digest(digest: str) -> str:
    """`sha256:8db819c8739f…`: enough to tell digests apart; what is no longer than that stays whole."""
    return f"{digest[:19]}…" if len(digest) > 20 else digest


def join_words(words: Sequence[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {word} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
