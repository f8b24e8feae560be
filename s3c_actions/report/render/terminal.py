"""Escape untrusted text for a terminal and a log, and colour what people look for in it."""

from __future__ import annotations

import re

from s3c_actions.core.patterns import late_pattern
from s3c_actions.core.text import short_digest
from s3c_actions.report.render import escape

MAX_CHARACTERS = 2000
_ANSI = late_pattern(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]|\x9b[0-?]*[ -/]*[@-~]"
)


def plain_line(text: str, longest: int = MAX_CHARACTERS) -> str:
    """Return one line of visible text: no escape sequences, blanks for line ends and tabs, `�` for other controls.

    Args:
        text: untrusted.
        longest: maximum length in characters; a longer text is cut, with `…`.
    """
    return escape.line(_ANSI.sub("", text[: longest * 4]), longest - 1)


def image_title(image: str, reference: str, *, tag: str = "", full: bool = False) -> str:
    """Return an image's name with its tag and a short digest: `voting-app:1.4.0 @ sha256:33955bb0f1e2…`.

    Args:
        image: as it was asked for, or the path of an archive; untrusted.
        reference: pinned.
        tag: instead of the one in `image`, such as that of the patched image.
        full: with registry and repository.
    """
    name = image.partition("@")[0].rstrip("/") or image
    if not full:
        name = name.rpartition("/")[2]
    if tag:
        head, slash, last = name.rpartition("/")
        name = f"{head}{slash}{last.partition(':')[0]}:{tag}"
    _, at, digest = reference.rpartition("@")
    return f"{plain_line(name, 200)} @ {plain_line(short_digest(digest), 100)}" if at else plain_line(name, 200)


_RED, _GREEN, _YELLOW, _DIM = "31", "32", "33", "2"
_SEVERITIES = {"critical": "1;31", "high": _RED, "medium": _YELLOW, "low": "34", "unknown": _DIM}
_SEVERITY = "|".join(_SEVERITIES)
_MARKS = {"✔": _GREEN, "✘": _RED, "⚠": _YELLOW}
NEUTRAL_MARK = "●"
"""In the colour of the first severity in its line."""

_HIGHLIGHTED = late_pattern(
    rf"(?P<mark>^\s*[{''.join(_MARKS)}])|(?P<neutral>^{NEUTRAL_MARK})"
    r"|(?P<command>^s3c [a-z]+:)|(?P<warning>^warning:.*)"
    rf"|(?P<count>\b\d[\d,]* (?:{_SEVERITY})\b)|(?P<word>^ *(?:{_SEVERITY.upper()})\b)"
)


def highlight(text: str) -> str:
    """Colour the marks, severities and error prefixes of a line for a terminal.

    Args:
        text: one line without escape sequences, as `plain_line` returns it.
    """
    return _HIGHLIGHTED.sub(lambda match: f"\x1b[{_color(match)}m{match[0]}\x1b[0m", text)


def _color(match: re.Match[str]) -> str:
    """Return the SGR parameters of a part of a line."""
    text = match[0].strip()
    if match["mark"]:
        return _MARKS[text]
    if match["neutral"]:
        severity = re.search(rf"\d ({_SEVERITY})\b", match.string)
        return _SEVERITIES[severity[1]] if severity else _DIM
    if match["count"] or match["word"]:
        return _SEVERITIES[text.rpartition(" ")[2].lower()]
    return _RED if match["command"] else _YELLOW
