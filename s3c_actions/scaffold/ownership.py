"""Tell files that `s3c init` wrote from those that somebody changed or wrote: by a checksum in their last line."""

from __future__ import annotations

import hashlib
import re
from enum import Enum

_MARK = "# Written by `s3c init`, which replaces this file only while it has sha256:"
_LINE = re.compile(re.escape(_MARK) + r"(?P<sum>[0-9a-f]{64})\n?")


class State(Enum):
    """What an existing file is to us."""

    MISSING = "missing"
    CURRENT = "current"
    OWN = "own"
    CHANGED = "changed"
    FOREIGN = "foreign"


def mark(text: str) -> str:
    """Return the text with a line that holds its checksum at the end."""
    return f"{text}{_MARK}{_checksum(text)}\n"


def classify(present: bytes | None, planned: str) -> State:
    """Return what a file is: the planned text, ours as it was written, ours with changes, or somebody else's.

    Args:
        present: the file's content; None when there is no file.
        planned: as `mark` returned it.
    """
    if present is None:
        return State.MISSING
    # Git may have changed the line ends.
    text = present.decode("utf-8", "replace").replace("\r\n", "\n")
    if text == planned:
        return State.CURRENT
    lines = text.splitlines(keepends=True)
    marked = [number for number, line in enumerate(lines) if _LINE.fullmatch(line)]
    if not marked:
        return State.FOREIGN
    match = _LINE.fullmatch(lines[-1])
    untouched = match is not None and len(marked) == 1 and match["sum"] == _checksum("".join(lines[:-1]))
    return State.OWN if untouched else State.CHANGED


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
