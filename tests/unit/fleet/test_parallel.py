"""Many calls at once, with a limit for each registry."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.fleet.parallel import MAX_UNREACHABLE, Shared, run_bounded
from s3c_actions.registry.connection import RegistryUnreachable


def test_results_come_in_the_order_of_the_items_and_errors_are_results() -> None:
    def work(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        if number % 10 == 3:
            raise InputError("image", f"{number} is not there.")
        return number * 2

    outcome = run_bounded(range(50), lambda number: f"r{number % 3}", work)
    assert [value for value in outcome if isinstance(value, int)] == [n * 2 for n in range(50) if n % 10 != 3]
    shared = Shared.of(outcome)
    assert sorted(shared.errors) == [3, 13, 23, 33, 43]
    assert shared.results[4] == 8


def test_no_registry_gets_more_than_its_share_and_none_waits_for_another() -> None:
    running: Counter[str] = Counter()
    highest: Counter[str] = Counter()
    both = threading.Event()
    lock = threading.Lock()

    def work(item: tuple[str, int]) -> None:
        with lock:
            running[item[0]] += 1
            highest[item[0]] = max(highest[item[0]], running[item[0]])
            if all(running[name] for name in ("a", "b")):
                both.set()
        both.wait(10)
        time.sleep(0.002)
        with lock:
            running[item[0]] -= 1

    items = [("a", number) for number in range(40)] + [("b", number) for number in range(5)]
    run_bounded(items, lambda item: item[0], work, per_registry=3, at_once=6)
    assert both.is_set()
    assert highest == {"a": 3, "b": 3}


def test_a_registry_that_does_not_answer_is_asked_a_few_times() -> None:
    asked: Counter[str] = Counter()

    def work(item: tuple[str, int]) -> str:
        asked[item[0]] += 1
        if item[0] == "dead":
            raise RegistryUnreachable("dead: it refused the connection.")
        return item[0]

    items = [("dead", number) for number in range(500)] + [("alive", number) for number in range(20)]
    outcome = Shared.of(run_bounded(items, lambda item: item[0], work, per_registry=2))
    assert asked["dead"] <= MAX_UNREACHABLE + 2
    assert len(outcome.errors) == 500
    assert len(outcome.results) == 20


def test_one_that_answers_now_and_then_is_asked_for_all() -> None:
    def work(number: int) -> int:
        if number % 2:
            raise RegistryUnreachable("it was cut off.")
        return number

    outcome = Shared.of(run_bounded(range(40), lambda _: "r", work, per_registry=1))
    assert len(outcome.results) == 20


def test_a_bug_ends_all_of_it() -> None:
    def work(number: int) -> None:
        raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError):
        run_bounded(range(100), lambda _: "r", work)


def test_nothing_gives_nothing() -> None:
    assert run_bounded([], str, str) == []
