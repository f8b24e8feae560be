"""The known name that a misspelt one probably means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(given: str, known: Iterable[str]) -> str:
    """Return the known name that is most similar, whatever its case; empty when none is similar."""
    by_lowercase = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(given.lower(), by_lowercase, n=1)
    return by_lowercase[matches[0]] if matches else ""


def did_you_mean(given: str, known: Iterable[str], form: str = "{}") -> str:
    """Return `Did you mean NAME? ` with a blank at its end, to begin a remedy with; empty when nothing is similar.

    Args:
        given: the misspelt name; untrusted, and not shown.
        known: the names that there are.
        form: how the suggested name is written, with `{}` in its place.
    """
    name = closest(given, known)
    return f"Did you mean {form.format(name)}? " if name else ""
