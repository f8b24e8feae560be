"""Jobs: never more at once than allowed, results in order, and an end for all of them."""

import os
import signal
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3c_actions.core import concurrency
from s3c_actions.core.concurrency import Cancelled, Limit, Limits, check_cancelled, default_jobs, for_each
from s3c_actions.core.errors import OutsideError


class Gauge:
    """How many are within at once, at most."""

    def __init__(self):
        self._lock, self.now, self.most = threading.Lock(), 0, 0

    def __enter__(self):
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_error):
        with self._lock:
            self.now -= 1


@given(count=st.integers(0, 20), jobs=st.integers(1, 8))
def test_results_are_in_the_order_of_the_items_and_no_more_go_on_than_jobs(count, jobs):
    gauge = Gauge()

    def do(item):
        with gauge:
            time.sleep(0.0005 * (item % 3))
            return item * 2

    assert for_each(range(count), do, jobs=jobs) == [2 * item for item in range(count)]
    assert gauge.most <= jobs


def test_jobs_go_on_at_the_same_time():
    meeting = threading.Barrier(3, timeout=20)
    assert len(for_each(range(3), lambda _item: meeting.wait(), jobs=3)) == 3


def test_one_job_works_in_the_thread_that_asks():
    here = threading.current_thread()
    assert for_each("ab", lambda _item: threading.current_thread(), jobs=1) == [here, here]
    assert for_each("a", lambda _item: threading.current_thread(), jobs=4) == [here]


def test_a_resource_is_used_by_no_more_than_its_limit():
    gauge, limit = Gauge(), Limit(2)

    def do(_item):
        with limit, gauge:
            time.sleep(0.002)

    for_each(range(20), do, jobs=8)
    assert gauge.most == 2
    with Limit(), Limit():
        pass


def test_a_limit_is_free_again_after_an_error():
    limit = Limit(1)
    for _ in range(3):
        with pytest.raises(OutsideError), limit:
            raise OutsideError("x")


def test_the_error_of_the_first_item_is_raised_and_nothing_else_begun():
    begun = []

    def do(item):
        begun.append(item)
        if item < 2:
            meeting.wait()
            raise ZeroDivisionError(item)

    meeting = threading.Barrier(2, timeout=20)
    with pytest.raises(ZeroDivisionError, match="0"):
        for_each(range(50), do, jobs=2)
    assert sorted(begun) == [0, 1]


def test_an_interruption_ends_the_jobs(monkeypatch):
    ended, begun = [], []
    monkeypatch.setattr(concurrency, "ON_CANCEL", [lambda: ended.append("programs")])
    running = threading.Barrier(3, timeout=20)

    def do(item):
        begun.append(item)
        running.wait()
        while True:
            time.sleep(0.005)
            check_cancelled()

    def interrupt():
        running.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            for_each(range(10), do, jobs=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(begun) == [0, 1]
    assert ended == ["programs"]
    check_cancelled()  # of no concern to this thread


def test_a_job_that_hangs_keeps_no_interrupted_run_from_ending(monkeypatch):
    monkeypatch.setattr(concurrency, "LAST_WORDS", 0.05)
    forever, running = threading.Event(), threading.Event()

    def do(_item):
        running.set()
        forever.wait(60)

    def interrupt():
        running.wait(20)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            for_each(range(2), do, jobs=2)
    finally:
        signal.signal(signal.SIGINT, before)
        forever.set()


def test_jobs_of_a_cancelled_job_are_cancelled_too(monkeypatch):
    monkeypatch.setattr(concurrency, "LAST_WORDS", 5)
    running, ended = threading.Barrier(3, timeout=20), []

    def inner(_item):
        running.wait()
        try:
            while True:
                check_cancelled()
                time.sleep(0.01)
        finally:
            ended.append(True)

    def outer(item):
        if item:
            for_each(range(2), inner, jobs=2)
        else:
            running.wait()
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            for_each(range(2), outer, jobs=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == [True, True]


def test_a_cancelled_job_still_removes_what_it_made():
    stop = threading.Event()
    stop.set()
    token = concurrency._STOP.set(stop)
    try:
        with pytest.raises(Cancelled):
            check_cancelled()
        with concurrency.finishing():
            check_cancelled()
        with pytest.raises(Cancelled):
            check_cancelled()
    finally:
        concurrency._STOP.reset(token)


def test_cancelled_is_caught_by_nothing_that_catches_errors():
    assert not issubclass(Cancelled, Exception)


def test_by_default_there_is_a_job_for_each_processor_and_four_at_most(monkeypatch):
    if sys.platform == "linux":
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))
        assert default_jobs() == 4
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
        assert default_jobs() == 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert default_jobs() == 1
    assert not Limits().concurrent
    assert Limits(jobs=2).concurrent
