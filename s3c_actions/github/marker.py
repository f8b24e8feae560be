"""The hidden line that makes a comment ours: whose it is, what it says, and which run wrote it.

    <!-- s3c-comment key=0123456789abcdef says=… text=… run=123 -->

`key` names workflow, job and image: two jobs never write the same comment. `says` is the hash of what the comment says
whatever run it comes from, `text` that of everything below the line: when it no longer agrees, somebody edited it.
"""

from __future__ import annotations

import hashlib
import json
import re

import msgspec

_LINE = re.compile(r"<!-- s3c-comment key=([0-9a-f]{16}) says=([0-9a-f]{16}) text=([0-9a-f]{16}) run=([0-9]{1,20}) -->")
CHARACTERS = 160
"""Room for the line."""


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What the line holds; `run` is 0 outside GitHub Actions."""

    key: str
    says: str
    text: str
    run: int

    def __str__(self) -> str:
        return f"<!-- s3c-comment key={self.key} says={self.says} text={self.text} run={self.run} -->"


def key(*parts: str) -> str:
    """The key of what the parts name together."""
    return digest(json.dumps(parts))


def digest(text: str) -> str:
    """A short hash of a text, however its lines end: GitHub may change that."""
    return hashlib.sha256("\n".join(text.split()).encode(errors="backslashreplace")).hexdigest()[:16]


def marked(body: str, *, key: str, says: str, run: int) -> str:
    """The body with its line above."""
    return f"{Marker(key=key, says=digest(says), text=digest(body), run=run)}\n{body}"


def read(comment: str) -> tuple[Marker, str] | None:
    """The marker of a comment and the text below it; None when it has none. Who wrote it is not looked at."""
    line, _, body = comment.partition("\n")
    found = _LINE.fullmatch(line.strip())
    if not found:
        return None
    return Marker(key=found[1], says=found[2], text=found[3], run=int(found[4])), body


def retired(comment: str) -> str:
    """The comment with a line that no run finds again."""
    _, _, body = comment.partition("\n")
    return f"<!-- s3c-comment retired -->\n{body}"
