"""Escape untrusted text for a terminal and a log."""

from __future__ import annotations

import re

from s3c_actions.report.render import escape

MAX_CHARACTERS = 2000
_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]|\x9b[0-?]*[ -/]*[@-~]"
)


def plain_line(text: str, longest: int = MAX_CHARACTERS) -> str:
    """Return one line of visible text: no escape sequences, blanks for line ends and tabs, `�` for other controls.

    Args:
        text: untrusted.
        longest: maximum length in characters; a longer text is cut, with `…`.
    """
    return escape.line(_ANSI.sub("", text[: longest * 4]), longest - 1)
