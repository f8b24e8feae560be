"""Decide about the changes that a patch is not expected to make."""

from __future__ import annotations

from s3c_actions.core.errors import Refused
from s3c_actions.core.text import counted
from s3c_actions.layers.comparison import ImageComparison

WARN, FAIL, IGNORE = "warn", "fail", "ignore"
CHOICES = (WARN, FAIL, IGNORE)
MAX_SHOWN = 3


def refusal(changes: ImageComparison | None, mode: str, image: str, *, consequence: str = "") -> Refused | None:
    """Return the error of a patched image that differs in more than a patch is expected to; None when it passes.

    Args:
        changes: the patched image compared with the original; None when nothing was patched.
        mode: one of CHOICES.
        image: the patched image, pinned.
        consequence: a sentence on what was not done because of it.
    """
    if mode != FAIL or changes is None or not changes.unexpected:
        return None
    then = f" {consequence}" if consequence else ""
    return Refused(
        describe(changes),
        cause="The patch, or whoever pushed it, changed more than packages; `unexpected-changes` is `fail`.",
        remedy="Look at the changes (`s3c diff` shows all of them). Where they are right, `unexpected-changes: warn` "
        f"accepts them.{then}",
        image=image,
    )


def describe(changes: ImageComparison) -> str:
    """Return a sentence that lists the first of the unexpected changes."""
    unexpected = changes.unexpected
    more = len(unexpected) - MAX_SHOWN
    shown = "; ".join(unexpected[:MAX_SHOWN]) + (f"; and {more:,} more" if more > 0 else "")
    return f"The patch made {counted(len(unexpected), 'unexpected change')}: {shown}."
