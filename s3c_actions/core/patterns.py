"""Regular expressions that are compiled when they are first used.

Compiling one takes 0.1 to 0.6 ms, and a command imports modules with far more of them than it uses.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _LatePattern:
    def __init__(self, expression: str | bytes, flags: int) -> None:
        self._source: Any = (expression, flags)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by tools that look at objects, such as `copy`
            raise AttributeError(name)
        value = getattr(re.compile(*self._source), name)
        setattr(self, name, value)  # the next time it is found without this method
        return value


def late_pattern(expression: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return a pattern, compiled when one of its methods is first used.

    Args:
        expression: of the pattern, text or bytes.
        flags: as `re.compile` takes them.

    Returns:
        What has the methods and attributes of `re.Pattern`. The functions of `re` do not take it.
    """
    return cast("re.Pattern[AnyStr]", _LatePattern(expression, flags))
