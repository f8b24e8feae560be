"""Checks are independent of each other, and each ends in time."""

import threading
import time

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.steps import doctor
from s3c_actions.steps.doctor import Check, Status, failed, not_configured, passed


def check(name, look):
    return Check(name=name, look=look)


def raising(error):
    def look():
        raise error

    return look


def test_results_stand_in_the_order_of_the_checks():
    results = doctor.run(
        [
            check("a", lambda: passed("x")),
            check("b", lambda: failed("y", "do z")),
            check("c", lambda: not_configured("w")),
        ],
        10,
    )
    assert [(result.name, result.status, result.text, result.remedy) for result in results] == [
        ("a", Status.PASSED, "x", ""),
        ("b", Status.FAILED, "y", "do z"),
        ("c", Status.NOT_CONFIGURED, "w", ""),
    ]


def test_an_error_is_the_result_of_its_check_alone():
    error = OutsideError("It did not answer.", cause="It is down.", remedy="Start it.", original="secret words")
    results = doctor.run([check("a", raising(error)), check("b", lambda: passed("x"))], 10)
    assert [(result.status, result.text, result.remedy) for result in results] == [
        (Status.FAILED, "It did not answer. It is down.", "Start it."),
        (Status.PASSED, "x", ""),
    ]


def test_a_bug_in_a_check_shows_its_kind_and_nothing_of_its_text():
    (result,) = doctor.run([check("a", raising(RuntimeError("hunter2")))], 10)
    assert (result.status, result.text) == (Status.FAILED, "could not be checked: RuntimeError")


@pytest.mark.slow
def test_one_that_hangs_is_cut_and_the_others_are_shown():
    never = threading.Event()
    started = time.monotonic()
    try:
        results = doctor.run([check("a", lambda: never.wait() and passed("late")), check("b", lambda: passed("x"))], 1)
    finally:
        never.set()
    assert time.monotonic() - started < 30
    assert [(result.status, result.text) for result in results] == [
        (Status.FAILED, "no result within 1 s"),
        (Status.PASSED, "x"),
    ]


@pytest.mark.parametrize("finding", [failed("x", "y"), not_configured("x")])
def test_a_finding_that_did_not_pass_is_none_that_passed(finding):
    assert finding.status is not Status.PASSED
