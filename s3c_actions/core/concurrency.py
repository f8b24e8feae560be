"""Work on several things at the same time, with a limit for each resource that the work uses.

Threads, because the work is waiting: for programs, registries and services. They are daemons, so that one that hangs
keeps no process from ending.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import TypeVar

import msgspec

T = TypeVar("T")
R = TypeVar("R")

MOST_JOBS = 4
"""Jobs by default at most: more images at once rarely helps one machine, and more requests at once are refused."""
LAST_WORDS = 15.0
"""Seconds that jobs have to end after an interruption, such as to delete the temporary tag of a patch."""
_LOOK = 0.1


class Cancelled(KeyboardInterrupt):
    """The run was interrupted, and a job of it would have started something. No `except Exception` takes it."""


def default_jobs() -> int:
    """Return how many jobs this machine does at once: one for each processor of this process, at most MOST_JOBS."""
    return min(MOST_JOBS, processors())


def processors() -> int:
    """Return how many processors this process may use; at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Limit:
    """How many jobs use one resource at once: a context to enter around the use.

    Args:
        most: 0 for any number.
    """

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self._free: AbstractContextManager[object] = threading.BoundedSemaphore(most) if most else nullcontext()

    def __enter__(self) -> None:
        self._free.__enter__()

    def __exit__(self, *error: object) -> None:
        self._free.__exit__(None, None, None)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a run goes on at once.

    Attributes:
        jobs: images.
        scans: of Trivy, which uses a processor each.
        patches: builds of BuildKit.
        pushes: documents that are pushed to registries by us.
        signatures: made by the key, which a vault limits.
    """

    jobs: int = 1
    scans: Limit = msgspec.field(default_factory=Limit)
    patches: Limit = msgspec.field(default_factory=Limit)
    pushes: Limit = msgspec.field(default_factory=Limit)
    signatures: Limit = msgspec.field(default_factory=Limit)

    @property
    def concurrent(self) -> bool:
        """Whether several images are processed at once."""
        return self.jobs > 1


_STOP: ContextVar[threading.Event | None] = ContextVar("stop of the jobs that this thread is one of", default=None)
ON_CANCEL: list[Callable[[], None]] = []
"""Called when jobs are cancelled, in the thread that waits for them: ends what they wait for."""


def check_cancelled() -> None:
    """Raise Cancelled in a job that is to begin nothing more; do nothing elsewhere."""
    stop = _STOP.get()
    if stop is not None and stop.is_set():
        raise Cancelled


@contextmanager
def finishing() -> Iterator[None]:
    """Let a job that is cancelled still start what removes something that it has created."""
    token = _STOP.set(None)
    try:
        yield
    finally:
        _STOP.reset(token)


def _wait(ended: queue.SimpleQueue[None], count: int) -> None:
    """Wait until as many jobs have ended.

    A thread that is joined counts as ended when the wait for it is interrupted (python/cpython#89437), and a signal
    that another thread receives wakes this one at its next look only.

    Raises:
        Cancelled: this thread is itself a job, and was cancelled.
    """
    while count:
        check_cancelled()  # a job that has jobs of its own
        with suppress(queue.Empty):
            ended.get(timeout=_LOOK)
            count -= 1


def for_each(items: Sequence[T], do: Callable[[T], R], *, jobs: int = 1) -> list[R]:
    """Call a function for each item, several at once, and return the results in the order of the items.

    Args:
        items: begun in this order.
        do: called in a thread of its own where `jobs` is more than 1, otherwise in this one.
        jobs: how many at once.

    Raises:
        BaseException: what `do` raised, for the first item where it did: no other is begun, and those that go on are
            waited for. An interruption of this thread ends the programs of the jobs, and each job where it would start
            another.
    """
    if jobs <= 1 or len(items) <= 1:
        return [do(item) for item in items]
    results: dict[int, R] = {}
    errors: dict[int, BaseException] = {}
    failed, cancelled = threading.Event(), threading.Event()
    positions: queue.SimpleQueue[int] = queue.SimpleQueue()
    ended: queue.SimpleQueue[None] = queue.SimpleQueue()
    for position in range(len(items)):
        positions.put(position)

    def work() -> None:
        _STOP.set(cancelled)
        with suppress(queue.Empty):
            while not (failed.is_set() or cancelled.is_set()):
                position = positions.get_nowait()
                try:
                    results[position] = do(items[position])
                except BaseException as error:
                    errors[position] = error
                    failed.set()
        ended.put(None)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(jobs, len(items)))]
    try:
        for thread in threads:
            thread.start()
        _wait(ended, len(threads))
    except BaseException:
        cancelled.set()
        for end in ON_CANCEL:
            end()
        ends = time.monotonic() + LAST_WORDS
        while any(thread.is_alive() for thread in threads) and time.monotonic() < ends:
            time.sleep(_LOOK)
        raise
    if errors:
        raise errors[min(errors)]
    return [results[position] for position in range(len(items))]
