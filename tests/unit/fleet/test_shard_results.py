"""Which results count for a plan: of its time, of its images, the newest of each."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support import fleets
from tests.unit.fleet.test_reported_images import FAULTS
from tests.unit.fleet.test_summarize import ONE_IMAGE, PATCHED, changed, join, only, result_of


def test_a_result_from_before_the_plan_counts_for_nothing() -> None:
    result = result_of(PATCHED)
    old = replace(result, document=replace(result.document, created="2026-11-23T06:00:00Z"))
    report = join(PATCHED, [old]).report
    assert only(report).state == "missing"
    assert report.notes == ("1 result is older than the plan and left out: result.json.",)
    near = replace(result, document=replace(result.document, created="2026-11-23T06:25:00Z"))
    assert only(join(PATCHED, [near]).report).state == "patched"


def test_a_result_of_days_to_come_counts_for_nothing() -> None:
    """It would stay the newest, whatever later runs find."""
    result = result_of(PATCHED)
    later = replace(result, source="later.json", document=replace(result.document, created="2027-01-01T00:00:00Z"))
    assert only(join(PATCHED, [later]).report).state == "missing"
    refused = changed(result, lambda entry: replace(entry, verdict="failed"))
    report = join(PATCHED, [later, refused]).report
    assert only(report).state == "failed"
    assert report.notes == ("1 result is dated in time to come and left out: later.json.",)


@pytest.mark.parametrize("created", ["", "yesterday", "2026-11-23T07:00:00"])
def test_a_result_of_no_known_time_counts_for_nothing(created: str) -> None:
    result = result_of(PATCHED)
    assert only(join(PATCHED, [replace(result, document=replace(result.document, created=created))]).report).state == (
        "missing"
    )


def test_the_newest_result_of_an_image_counts_in_whatever_order_they_come() -> None:
    failed = changed(result_of(PATCHED), FAULTS["failed without a reason"], created="2026-11-23T06:58:00Z")
    passed = replace(result_of(PATCHED))
    passed = replace(passed, document=replace(passed.document, created="2026-11-23T08:59:00+02:00"))
    for results in ([failed, passed], [passed, failed]):
        assert only(join(PATCHED, results).report).state == "patched"


def test_an_image_of_another_plan_is_noted_and_left_out() -> None:
    other = replace(ONE_IMAGE, images=(fleets.planned(4, 1),))
    report = join(PATCHED, [result_of(PATCHED), result_of(other)]).report
    assert only(report).state == "patched"
    assert report.notes == ("1 image in the results is not in the plan.",)


def test_a_run_that_only_patched_says_what_was_fixed_and_not_that_it_passed() -> None:
    whole = result_of(PATCHED)
    signed = changed(whole, lambda entry: replace(entry, scan=entry.rescan, patch=None, rescan=None))
    alone = only(join(PATCHED, [signed]).report)
    assert (alone.state, alone.fixed) == ("passed", 0)
    both = only(join(PATCHED, [signed], patched=[whole]).report)
    assert (both.state, both.fixed) == ("patched", 3)
    assert only(join(PATCHED, [], patched=[whole]).report).state == "missing"
    other = changed(whole, lambda entry: replace(entry, digest=fleets.digest(7)))
    assert only(join(PATCHED, [signed], patched=[other]).report).fixed == 0


def test_a_shard_that_ended_in_an_error_after_its_images_counts() -> None:
    result = result_of(PATCHED)
    failed = replace(result, document=replace(result.document, exit_code=3, verdict="failed"))
    report = join(PATCHED, [failed]).report
    assert (only(report).state, report.exit_code) == ("patched", 3)
    assert report.notes == ("result.json ended with: exit code 3",)
