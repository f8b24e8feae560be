"""The hidden line that identifies our comments: their key, their content, and the run that wrote them.

    <!-- s3c-comment key=0123456789abcdef says=… text=… run=123 -->

`key` names workflow, job and image: two jobs never write the same comment. `says` is the hash of the content that does
not depend on the run, `text` that of everything below the line: when it differs, somebody edited the comment.
"""

from __future__ import annotations

import hashlib
import json

import msgspec

from s3c_actions.core.patterns import late_pattern

_LINE = late_pattern(
    r"<!-- s3c-comment key=([0-9a-f]{16}) says=([0-9a-f]{16}) text=([0-9a-f]{16}) run=([0-9]{1,20}) -->"
)
CHARACTERS = 160
"""Maximum length of the line."""


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of the line; `run` is 0 outside GitHub Actions."""

    key: str
    says: str
    text: str
    run: int

    def __str__(self) -> str:
        return f"<!-- s3c-comment key={self.key} says={self.says} text={self.text} run={self.run} -->"


def comment_key(*parts: str) -> str:
    """Return the key for the combination of the parts."""
    return text_hash(json.dumps(parts))


def text_hash(text: str) -> str:
    """Return a short hash of a text, independent of white space: GitHub may change line ends."""
    return hashlib.sha256("\n".join(text.split()).encode(errors="backslashreplace")).hexdigest()[:16]


def add_marker(body: str, *, key: str, says: str, run: int) -> str:
    """Return the body with its line above."""
    return f"{Marker(key=key, says=text_hash(says), text=text_hash(body), run=run)}\n{body}"


def read(comment: str) -> tuple[Marker, str] | None:
    """Return the marker of a comment and the text below it; None when it has none. The author is not checked."""
    line, _, body = comment.partition("\n")
    match = _LINE.fullmatch(line.strip())
    if not match:
        return None
    return Marker(key=match[1], says=match[2], text=match[3], run=int(match[4])), body


def retire_marker(comment: str) -> str:
    """Return the comment with a line that no run finds again."""
    _, _, body = comment.partition("\n")
    return f"<!-- s3c-comment retired -->\n{body}"
