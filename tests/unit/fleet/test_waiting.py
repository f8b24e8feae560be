"""Waiting for another worker, with a clock of the test's own."""

import time

import pytest

from s3c_actions.fleet import waiting


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def test_what_is_there_is_not_waited_for(clock: Clock) -> None:
    assert waiting.wait_for(lambda: "plan", 0) == "plan"
    assert clock.pauses == []


def test_it_is_looked_for_until_it_is_there_and_less_and_less_often(clock: Clock) -> None:
    assert waiting.wait_for(lambda: "plan" if clock.now >= 300 else None, 600) == "plan"
    assert clock.now < 330 + waiting.LONGEST
    assert clock.pauses == sorted(clock.pauses)
    assert max(clock.pauses) == waiting.LONGEST


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 0.5, 90.0])
def test_the_time_is_kept_and_the_last_look_is_at_its_end(clock: Clock, seconds: float) -> None:
    seen: list[float] = []
    assert waiting.wait_for(lambda: seen.append(clock.now), seconds) is None
    assert clock.now == pytest.approx(max(seconds, 0))
    assert seen[-1] == pytest.approx(max(seconds, 0))
