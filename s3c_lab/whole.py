"""A whole of pieces that take known times: the share that is done, and the time that is left."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping

_CREEP = 0.9
"""The share of a piece that passes by its time alone, when it does not report how far it is."""
_TRUSTED = 0.1
"""The share of the whole after which its own pace counts more than the expectation."""


class Whole:
    """The pieces of some work, begun and ended by whoever does them, in any order and in several threads.

    Args:
        seconds: expected of each piece. Others may be begun and ended: they count nothing.
        clock: in seconds.
    """

    def __init__(self, seconds: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = dict(seconds), clock
        self._lock = threading.Lock()
        self._started = clock()
        self._begun: dict[str, float] = {}
        self._reported: dict[str, float] = {}
        self._done: set[str] = set()
        self._highest = 0.0

    def begin(self, piece: str) -> None:
        """Begin a piece; nothing changes when it is begun already."""
        with self._lock:
            self._begun.setdefault(piece, self._clock())

    def report(self, piece: str, share: float) -> None:
        """Report the share of a piece that is done, from 0 to 1."""
        with self._lock:
            self._reported[piece] = max(0.0, min(share, 1.0))

    def end(self, piece: str, *, done: bool = True) -> None:
        """End a piece; one that is not done may begin again."""
        with self._lock:
            self._begun.pop(piece, None)
            self._reported.pop(piece, None)
            if done:
                self._done.add(piece)

    def share(self) -> float:
        """Return the share of the whole that is done, from 0 to 1; it never falls."""
        with self._lock:
            total = sum(self._seconds.values())
            self._highest = max(self._highest, self._finished() / total if total else 0.0)
            return self._highest

    def elapsed(self) -> float:
        """Return the seconds since the beginning."""
        return self._clock() - self._started

    def left(self) -> float:
        """Return the seconds that the rest takes, at the pace so far once there is one."""
        share, elapsed, total = self.share(), self.elapsed(), sum(self._seconds.values())
        rest = total * (1 - share)
        return rest if share < _TRUSTED else rest * elapsed / (total * share)

    def running(self) -> tuple[str, ...]:
        """Return the pieces that are begun, the latest last."""
        with self._lock:
            return tuple(self._begun)

    def _finished(self) -> float:
        return sum(seconds * self._share_of(piece, seconds) for piece, seconds in self._seconds.items())

    def _share_of(self, piece: str, seconds: float) -> float:
        if piece in self._done:
            return 1.0
        if piece in self._reported:
            return self._reported[piece]
        if piece not in self._begun or not seconds:
            return 0.0
        return _CREEP * (1 - math.exp((self._begun[piece] - self._clock()) / seconds))
