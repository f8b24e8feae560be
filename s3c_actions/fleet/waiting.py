"""Wait for what another worker leaves in the registry."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST, LONGEST = 1.0, 30.0
"""Seconds between two looks: at first, and in the end."""


def wait_for(look: Callable[[], T | None], seconds: float) -> T | None:
    """Look again and again, less and less often, until something is there.

    Args:
        look: returns None while it is not.
        seconds: to wait at most; it is looked for once at least.

    Returns:
        What was seen; None when the time is over.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST
    while True:
        seen = look()
        left = deadline - time.monotonic()
        if seen is not None or left <= 0:
            return seen
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST)
