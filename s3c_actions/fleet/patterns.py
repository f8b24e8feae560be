"""Regular expressions of `fleet.yaml`, which are matched in linear time."""

from __future__ import annotations

from collections.abc import Callable

import re2


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a regular expression matches anywhere in a text.

    Raises:
        ValueError: it is none of RE2 (https://github.com/google/re2/wiki/Syntax); a clause.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        text = error.args[0] if error.args else ""
        raise ValueError(text.decode(errors="replace") if isinstance(text, bytes) else str(text)) from None
    return lambda text: compiled.search(text) is not None
