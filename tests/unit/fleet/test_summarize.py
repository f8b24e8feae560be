"""A plan joined with the results of its shards: nothing is taken for good that is not proved to be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.fleet import report_document, summarize
from s3c_actions.fleet.plan import Plan
from s3c_actions.fleet.report_document import FleetReport, ReportedImage
from s3c_actions.fleet.shard_results import ShardResult
from s3c_actions.report.document import ErrorEntry, ImageResult
from tests.support import fleets, outcomes
from tests.support.hostile import TEXTS

ONE_IMAGE = fleets.plan(1, working=1, shards=1, unplanned=0)
PATCHED = replace(ONE_IMAGE, images=(fleets.planned(1, 1),))


def join(plan: Plan, results: list[ShardResult], **changes: Any) -> summarize.Joined:
    return summarize.join(plan, results, **{"now": outcomes.NOW, **changes})


def result_of(plan: Plan) -> ShardResult:
    image = plan.images[0]
    number = int(image.reference.name[-4:])
    return ShardResult(source="result.json", document=fleets.document(fleets.looked_at(image, number)))


def changed(result: ShardResult, change: Callable[[ImageResult], ImageResult], **document: Any) -> ShardResult:
    entry = change(result.document.images[0])
    return replace(result, document=replace(result.document, images=(entry,), **document))


def only(report: FleetReport) -> ReportedImage:
    assert len(report.images) == 1
    return report.images[0]


def test_every_image_of_the_plan_is_in_the_report_once() -> None:
    plan = fleets.plan(60, working=40, shards=4)
    report = join(plan, fleets.results(plan, without=(3,))).report
    names = [image.image for image in report.images]
    planned = [entry.image for entries in (plan.images, plan.current, plan.unplanned) for entry in entries]
    assert sorted(names) == sorted(planned)
    assert report.figures.images == 60
    assert report.figures.states["missing"] == len(plan.shard(3))
    assert report.exit_code == 3


def test_a_fleet_without_an_image_has_a_report() -> None:
    report = join(replace(PATCHED, images=(), current=(), unplanned=()), []).report
    assert (report.exit_code, report.images, report.figures.images) == (0, (), 0)
    assert "no image" in summarize.describe(report)


def test_what_is_missing_is_a_failure_in_the_result_too() -> None:
    plan = fleets.plan(12, working=10, shards=2)
    joined = join(plan, fleets.results(plan, without=(2,)))
    entries = {entry.image: entry for entry in joined.entries}
    for image in plan.shard(2):
        error = entries[image.image].error
        assert error is not None
        assert (entries[image.image].verdict, error.exit_code) == ("failed", 3)
    assert entries[plan.unplanned[0].image].error is not None
    assert not {image.image for image in plan.current} & entries.keys()


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        ({}, "The fleet has no image"),
        ({"passed": 1, "current": 2}, "All 3 images are in order"),
        ({"passed": 1, "failed": 1}, "1 of 2 images needs a decision: 1 failed"),
        ({"missing": 2, "refused": 1}, "3 of 3 images need a decision: 2 without a result, 1 refused"),
    ],
)
def test_the_verdict_in_a_sentence(states: Any, sentence: str) -> None:
    report = fleets.report(4, working=1, shards=1)
    assert summarize.describe(replace(report, figures=replace(report.figures, states=states))) == sentence


@TEXTS
def test_whatever_a_result_says_the_report_can_be_written_and_read_again(text: str) -> None:
    def spoil(entry: ImageResult) -> ImageResult:
        finding = replace(entry.remaining[0], id=text, package=text, fixed_version=text, url=text)
        sign = entry.sign and replace(
            entry.sign, expires=text, certificate=replace(entry.sign.certificate, subject=text, not_after="")
        )
        scan = entry.rescan and replace(entry.rescan, created=text)
        return replace(entry, remaining=(finding,), sign=sign, rescan=scan)

    error = ErrorEntry(what=text, cause=text, remedy=text, image=text, field=None, original=text, exit_code=3)
    for result in (
        changed(result_of(PATCHED), spoil),
        changed(result_of(PATCHED), lambda entry: replace(entry, verdict="failed", error=error)),
        replace(result_of(PATCHED), document=replace(result_of(PATCHED).document, images=(), error=error)),
    ):
        report = join(PATCHED, [result]).report
        assert report_document.parse(report_document.render(report), name="", field="") == report


def test_numbers_of_a_result_stay_within_those_of_a_report() -> None:
    def spoil(entry: ImageResult) -> ImageResult:
        assert entry.findings is not None
        assert entry.patch is not None
        old = replace(entry.patch.fixed[0], published="0001-01-01T00:00:00Z")
        patch = replace(entry.patch, fixed=(old,))
        return replace(entry, findings=replace(entry.findings, critical=10**17), patch=patch)

    report = join(PATCHED, [changed(result_of(PATCHED), spoil)]).report
    assert report_document.parse(report_document.render(report), name="", field="") == report


def test_a_report_of_before_the_facts_is_read() -> None:
    document = json.loads(report_document.render(join(PATCHED, [result_of(PATCHED)]).report))
    for finding in document["findings"]:
        del finding["exploited-since"], finding["epss"]
    del document["figures"]["exploited"]
    assert report_document.parse(json.dumps(document).encode(), name="x", field="y").figures.exploited is None
