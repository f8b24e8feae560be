"""What all images of a fleet come to together, and in which order it is shown."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from s3c_actions.fleet import page, prometheus, report_document
from s3c_actions.fleet import text as fleet_text
from s3c_actions.report.document import ImageResult
from s3c_actions.result.model import Outcome
from tests.support import fleets, outcomes
from tests.unit.fleet.test_summarize import ONE_IMAGE, PATCHED, changed, join, only, result_of


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
