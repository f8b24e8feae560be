"""Do many things at once that each concern one registry, with a limit for each registry and one for all.

A registry that does not answer is asked a few times, not once for every image: the rest get its error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

import msgspec

from s3c_actions.core.errors import S3CError
from s3c_actions.registry.connection import RegistryUnreachable

T = TypeVar("T")
R = TypeVar("R")

PER_REGISTRY = 8
AT_ONCE = 32
MAX_UNREACHABLE = 3
"""Answers that a registry may owe one after another before it is asked no more."""


class _Queue(Generic[T]):
    """What waits for one registry."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, T]] = deque()
        self.running = 0
        self.unreachable = 0


def run_bounded(
    items: Sequence[T],
    registry_of: Callable[[T], str],
    work: Callable[[T], R],
    *,
    per_registry: int = PER_REGISTRY,
    at_once: int = AT_ONCE,
) -> list[R | S3CError]:
    """Call a function for each item in threads, and return results or errors in the order of the items.

    Args:
        items: to work on.
        registry_of: names the registry that an item needs.
        work: is called once for each item; an S3CError that it raises is its result.
        per_registry: limit of calls at a time that need the same registry.
        at_once: limit of calls at a time.
    """
    results: dict[int, R | S3CError] = {}
    queues: dict[str, _Queue[T]] = {}
    for number, item in enumerate(items):
        queues.setdefault(registry_of(item), _Queue()).waiting.append((number, item))
    running: dict[Future[R], tuple[int, _Queue[T]]] = {}
    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="s3c-fleet") as pool:
        try:
            while running or any(queue.waiting for queue in queues.values()):
                for queue in queues.values():
                    while queue.waiting and queue.running < per_registry and len(running) < at_once:
                        number, item = queue.waiting.popleft()
                        queue.running += 1
                        running[pool.submit(work, item)] = (number, queue)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    number, queue = running.pop(future)
                    queue.running -= 1
                    answer: R | S3CError = _result(future, queue)
                    results[number] = answer
                    if queue.unreachable >= MAX_UNREACHABLE:
                        results |= {waiting: answer for waiting, _ in queue.waiting}
                        queue.waiting.clear()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[number] for number in range(len(items))]


def _result(future: Future[R], queue: _Queue[T]) -> R | S3CError:
    try:
        result = future.result()
    except RegistryUnreachable as error:
        queue.unreachable += 1
        return error
    except S3CError as error:
        return error
    queue.unreachable = 0
    return result


class Shared(msgspec.Struct, Generic[R], frozen=True):
    """What `run_bounded` returned, apart: results and errors, each with the place of its item."""

    results: dict[int, R]
    errors: dict[int, S3CError]

    @classmethod
    def of(cls, outcomes: Sequence[R | S3CError]) -> Shared[R]:
        """Take results and errors apart."""
        results = {place: outcome for place, outcome in enumerate(outcomes) if not isinstance(outcome, S3CError)}
        errors = {place: outcome for place, outcome in enumerate(outcomes) if isinstance(outcome, S3CError)}
        return cls(results, errors)
