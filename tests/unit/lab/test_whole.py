"""The share of a whole that is done, from what its pieces report and from time."""

import pytest

from s3c_lab.whole import Whole


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_pieces_count_by_their_expected_time(clock):
    whole = Whole({"small": 1, "large": 3}, clock)
    assert whole.share() == 0
    whole.end("large")
    assert whole.share() == 0.75
    whole.end("small")
    assert whole.share() == 1
    assert whole.left() == 0


def test_a_piece_that_reports_nothing_passes_by_its_time_and_is_never_done_before_its_end(clock):
    whole = Whole({"one": 60}, clock)
    whole.begin("one")
    before = 0.0
    for _ in range(100):
        clock.now += 30
        assert before < whole.share() < 0.901 or whole.share() == pytest.approx(0.9)
        before = whole.share()


def test_a_report_counts_instead_of_the_time(clock):
    whole = Whole({"one": 60}, clock)
    whole.begin("one")
    whole.report("one", 0.5)
    clock.now += 6000
    assert whole.share() == 0.5


def test_the_share_never_falls(clock):
    whole = Whole({"one": 60}, clock)
    whole.begin("one")
    whole.report("one", 0.5)
    assert whole.share() == 0.5
    whole.report("one", 0.1)
    whole.end("one", done=False)
    assert whole.share() == 0.5


def test_what_failed_may_begin_again_and_ends_once(clock):
    whole = Whole({"one": 60, "two": 60}, clock)
    whole.begin("one")
    whole.end("one", done=False)
    assert whole.running() == ()
    whole.begin("one")
    assert whole.running() == ("one",)
    for _ in range(2):
        whole.end("one")
    assert whole.share() == 0.5


def test_the_rest_is_estimated_at_the_pace_so_far(clock):
    whole = Whole({"one": 60, "two": 60}, clock)
    assert whole.left() == 120
    clock.now += 240  # four times as slow as expected
    whole.end("one")
    assert whole.left() == pytest.approx(240)


@pytest.mark.parametrize("seconds", [{}, {"one": 0}])
def test_a_whole_of_nothing_and_pieces_that_nobody_expected(clock, seconds):
    whole = Whole(seconds, clock)
    whole.begin("other")
    whole.report("other", 0.5)
    whole.end("other")
    assert whole.share() == 0
    assert whole.left() == 0
