"""A plan joined with the results of its shards: nothing is taken for good that is not proved to be."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.fleet import page, prometheus, report_document, summarize
from s3c_actions.fleet import text as fleet_text
from s3c_actions.fleet.plan import Plan
from s3c_actions.fleet.report_document import FleetReport, ReportedImage
from s3c_actions.fleet.summarize import ShardResult
from s3c_actions.report.document import AdmissionEntry, ErrorEntry, ImageResult
from s3c_actions.result.model import Outcome
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


def test_a_patched_image_has_its_findings_signature_and_time_to_fix() -> None:
    image = only(join(PATCHED, [result_of(PATCHED)]).report)
    assert image.state == "patched"
    assert image.reference == f"{fleets.name(1)}@{fleets.digest(1, patched=True)}"
    assert (image.fixed, image.scanned) == (3, "2026-11-23T06:00:00Z")
    assert image.signature is not None
    assert image.signature.signer == "CN=fleet.example"
    assert image.days_to_fix is not None
    assert round(image.days_to_fix) == 315  # since 12 January


def test_the_admission_is_that_of_what_is_deployed() -> None:
    result = result_of(PATCHED)
    image = only(join(PATCHED, [result]).report)
    assert image.admission == "admitted"
    denied = AdmissionEntry(
        image="app",
        reference=image.reference,
        verdict="denied",
        places=(),
        reason="",
        remedy="",
        trace="",
        constraint="",
    )
    entry = replace(result.document.images[0], image=image.reference, admission=denied)
    later = replace(result.document, command="deploy", created="2026-11-24T00:00:00Z", images=(entry,))
    asked = ShardResult(source="deploy/result.json", document=later)
    assert only(join(PATCHED, [asked, result]).report).admission == "denied"


FAULTS: dict[str, Callable[[ImageResult], ImageResult]] = {
    "no scan": lambda entry: replace(entry, scan=None, rescan=None),
    "no digest": lambda entry: replace(entry, reference="registry.example/app:1"),
    "no reference": lambda entry: replace(entry, reference="../../etc/passwd"),
    "another repository": lambda entry: replace(entry, reference=f"evil.example/app@{fleets.digest(7)}"),
    "failed without a reason": lambda entry: replace(entry, verdict="failed"),
    "passed with an error": lambda entry: replace(
        entry,
        error=ErrorEntry(what="x.", cause="", remedy="", image="", field=None, original="", exit_code=4),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_result_that_contradicts_itself_is_a_failure(fault: str) -> None:
    joined = join(PATCHED, [changed(result_of(PATCHED), FAULTS[fault])])
    image = only(joined.report)
    assert image.state == "failed"
    assert image.exit_code >= 3
    assert image.reason
    assert joined.report.exit_code == image.exit_code
    entry = joined.entries[0]
    assert entry.error is not None
    assert (entry.verdict, entry.error.exit_code) == ("failed", image.exit_code)


def test_a_target_of_the_plan_is_no_other_repository() -> None:
    plan = replace(PATCHED, images=(replace(PATCHED.images[0], target="mirror.example/app"),))
    moved = f"mirror.example/app@{fleets.digest(7)}"
    result = changed(result_of(plan), lambda entry: replace(entry, reference=moved))
    assert only(join(plan, [result]).report).state == "patched"


def test_a_refusal_is_no_failure() -> None:
    plan = replace(ONE_IMAGE, images=(fleets.planned(19, 1),))
    image = only(join(plan, [result_of(plan)]).report)
    assert (image.state, image.exit_code, image.remedy) == ("refused", 1, "Build the image on a newer base.")


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


def test_a_fleet_without_an_image_has_a_report() -> None:
    report = join(replace(PATCHED, images=(), current=(), unplanned=()), []).report
    assert (report.exit_code, report.images, report.figures.images) == (0, (), 0)
    assert "no image" in summarize.describe(report)


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


def test_the_error_that_ended_a_shard_explains_what_is_missing() -> None:
    ended = result_of(PATCHED).document
    error = ErrorEntry(
        what="The database could not be downloaded.",
        cause="",
        remedy="Try later.",
        image="",
        field=None,
        original="",
        exit_code=4,
    )
    result = ShardResult(source="", document=replace(ended, images=(), error=error), shard=1)
    image = only(join(PATCHED, [result]).report)
    assert image.state == "missing"
    assert image.reason.endswith("A shard ended with: The database could not be downloaded.")
    assert (image.remedy, image.exit_code) == ("Try later.", 4)
    elsewhere = replace(result, shard=2)
    assert only(join(PATCHED, [elsewhere]).report).reason == "It has no result: shard 1 did not end."


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


def test_findings_are_counted_once_for_an_image_and_listed_with_or_without_a_fix_by_severity() -> None:
    plan = fleets.plan(60, working=60, shards=4, unplanned=0)
    report = join(plan, fleets.results(plan)).report
    for place, finding in enumerate(report.findings):
        assert finding.images == sum(place in image.findings for image in report.images)
        assert finding.images
    order = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]
    ranks = [(order.index(finding.severity), -finding.images) for finding in report.findings]
    assert ranks == sorted(ranks)


def test_a_finding_is_known_since_the_first_report_that_has_it() -> None:
    plan = fleets.plan(20, working=20, shards=2, unplanned=0)
    first = join(plan, fleets.results(plan)).report
    later = join(plan, fleets.results(plan), now=outcomes.NOW + timedelta(days=9), earlier=first).report
    assert {finding.since for finding in later.findings} == {"2026-11-23T07:00:00+00:00"}


def test_the_trend_goes_on_and_a_second_report_on_a_plan_replaces_the_first() -> None:
    plans = [replace(fleets.plan(8, working=4, shards=1), created=f"2026-11-{day}T06:00:00Z") for day in (20, 21, 22)]
    report = None
    for day, plan in enumerate(plans):
        for _ in range(2):
            now = outcomes.NOW - timedelta(days=3 - day)
            report = join(plan, [], now=now, earlier=report).report
    assert report is not None
    assert [point.created[:10] for point in (*report.trend, report.figures)] == [
        "2026-11-20", "2026-11-21", "2026-11-22"
    ]  # fmt: skip


def test_an_earlier_report_from_the_future_is_no_trend() -> None:
    earlier = join(fleets.plan(8, working=4, shards=1), [], now=outcomes.NOW + timedelta(days=1)).report
    assert join(PATCHED, [], earlier=earlier).report.trend == ()


def test_exceptions_that_end_soon_are_listed_with_the_images_that_rely_on_them() -> None:
    plan = replace(ONE_IMAGE, images=(fleets.planned(0, 1),))
    result = result_of(plan)
    remaining = (
        outcomes.document(Outcome(command="scan", images=(fleets.looked_at(fleets.planned(1, 1), 1),)))
        .images[0]
        .remaining
    )
    pair = {(finding.id, finding.package) for finding in remaining}
    policy = replace(
        fleets.policy(),
        exceptions=tuple(
            replace(fleets.policy().exceptions[0], id=name, package=package, until=until)
            for (name, package), until in zip(
                [*sorted(pair)[:1], ("CVE-2000-0001", "x")],
                [exception.until for exception in fleets.policy().exceptions[:2]],
                strict=True,
            )
        ),
    )
    relying = changed(result, lambda entry: replace(entry, remaining=remaining))
    report = join(plan, [relying], policies={"p.yaml": policy}, default_policy="p.yaml").report
    assert [(exception.until, exception.images) for exception in report.exceptions] == [
        ("2026-11-20", 0),
        ("2026-11-28", 1),
    ]
    assert only(report).expiring == (1,)
    assert only(join(plan, [relying], policies={"p.yaml": policy}).report).expiring == ()


def test_owners_with_most_to_decide_come_first() -> None:
    report = fleets.report(400, working=200, shards=8, without=(2,))
    attention = [owner.attention for owner in report.owners]
    assert attention == sorted(attention, reverse=True)
    assert sum(owner.images for owner in report.owners) == 400


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


def _exploited(entry: ImageResult) -> ImageResult:
    """One of the image's findings is exploited, is of low severity, and has no fix."""
    assert entry.findings is not None
    *others, last = entry.remaining
    known = replace(last, severity="LOW", fixed_version="", exploited_since="2026-11-22", epss=0.5)
    known = replace(known, exploited_due="2026-12-13", ransomware=True)
    return replace(entry, remaining=(*others, known), findings=replace(entry.findings, exploited=1))


def test_what_is_exploited_comes_first_and_is_counted() -> None:
    joined = join(PATCHED, [changed(result_of(PATCHED), _exploited)]).report
    first = joined.findings[0]
    assert (first.exploited_since, first.epss, first.severity) == ("2026-11-22", 0.5, "LOW")
    assert not any(finding.exploited_since for finding in joined.findings[1:])
    assert joined.figures.exploited == 1
    assert "s3c_fleet_exploited_findings 1" in prometheus.render(joined).decode()
    assert (first.exploited_due, first.ransomware) == ("2026-12-13", True)
    assert "**exploited** (2026-11-22, due 2026-12-13, ransomware)" in fleet_text.render_summary(
        replace(joined, findings=(replace(first, fixed_version="2"),))
    )
    source = page.render(replace(joined, findings=(replace(first, fixed_version="2"),))).decode()
    assert "<b>1</b><span>Exploited today</span>" in source
    assert 'title="listed by CISA on 2026-11-22">exploited</span><small>2026-11-22, due' in source
    again = report_document.parse(report_document.render(joined), name="x", field="y")
    assert again.findings[0] == first


def test_where_nobody_looked_it_is_not_known_what_is_exploited() -> None:
    joined = join(PATCHED, [result_of(PATCHED)]).report
    assert joined.figures.exploited is None
    assert "exploited" not in prometheus.render(joined).decode()
    assert "Exploited today" not in page.render(joined).decode()


def test_a_report_of_before_the_facts_is_read() -> None:
    document = json.loads(report_document.render(join(PATCHED, [result_of(PATCHED)]).report))
    for finding in document["findings"]:
        del finding["exploited-since"], finding["epss"]
    del document["figures"]["exploited"]
    assert report_document.parse(json.dumps(document).encode(), name="x", field="y").figures.exploited is None
