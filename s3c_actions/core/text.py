"""Words for numbers and digests, as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MAX_NAMED = 5
"""Number of findings, packages or licences named in one sentence."""


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


def first_names(items: Iterable[str]) -> str:
    """The first few of some names, and the number of the others: `a, b, c, d, e and 3 more`."""
    listed = list(items)
    rest = len(listed) - MAX_NAMED
    return ", ".join(listed[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")
