"""Untrusted text on a terminal and in a log."""

from __future__ import annotations

import re

from s3c_actions.report.render import escape

MAX_CHARACTERS = 2000
_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]|\x9b[0-?]*[ -/]*[@-~]"
)


def plain_line(text: str, longest: int = MAX_CHARACTERS) -> str:
    """One line of visible text: escape sequences dropped, blanks for line ends and tabs, `�` for other controls.

    Args:
        text: untrusted.
        longest: in characters; what is over it is cut, with `…`.
    """
    return escape.line(_ANSI.sub("", text[: longest * 4]), longest - 1)
