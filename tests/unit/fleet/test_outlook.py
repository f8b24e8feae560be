"""What lies ahead of a fleet's images, in its report and in everything that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from s3c_actions.fleet import outlook, page, prometheus, report_document, summarize, text, view
from s3c_actions.fleet.outlook import Outlook, Subject
from s3c_actions.fleet.report_document import FleetReport
from s3c_actions.policy.break_glass import JudgedException
from s3c_actions.policy.forecast import Change
from s3c_actions.policy.objection import Objection
from tests.support import exceptions as granted
from tests.support import fleets, outcomes

PLAN = fleets.plan(12, working=8, shards=1, unplanned=1)
NOW = outcomes.NOW
HOSTILE = "<script>alert(1)</script> | [x](javascript:1) \x1b[31m\u202e"
EXCEPTION = JudgedException(
    digest=granted.digest(1), grant=granted.grant(NOW, "CVE-2026-7", hours=6), granter="oncall", ignored=""
)
REFUSED = Change(at=NOW, objections=(Objection("unsigned", "it is not signed: sign it"),))
LATER = Change(at=NOW + timedelta(days=3), objections=(Objection("finding", f"the grace of {HOSTILE} ends: patch it"),))


def joined(outlooks: Mapping[int, Outlook], *, policy: str = "s3c-policy.yaml") -> tuple[FleetReport, list[Subject]]:
    """The report on PLAN, where the policy says so of the images of these numbers, and what it was asked."""
    asked: list[Subject] = []

    def look(subjects: Sequence[Subject]) -> Mapping[str, Outlook]:
        asked.extend(subjects)
        by_name = {fleets.name(number): outlook for number, outlook in outlooks.items()}
        return {
            subject.image: by_name[name]
            for subject in subjects
            if (name := subject.image.partition("@")[0].rpartition(":")[0]) in by_name
        }

    results = fleets.results(PLAN)
    return summarize.join(PLAN, results, now=NOW, default_policy=policy, look_ahead=look).report, asked


def of(report: FleetReport, number: int) -> report_document.ReportedImage:
    return next(image for image in report.images if image.image.startswith(f"{fleets.name(number)}:"))


def test_the_policy_is_asked_about_what_is_deployed() -> None:
    report, asked = joined({})
    subjects = {subject.image: subject for subject in asked}
    assert len(subjects) == 11, "all but the one that is not planned"
    patched = of(report, 1)
    assert patched.state == "patched"
    assert subjects[patched.image].reference.endswith(fleets.digest(1, patched=True))
    failed = replace(of(report, 2), state="failed", reference="")
    (subject,) = outlook.subjects(PLAN, [failed], "s3c-policy.yaml")
    assert (subject.reference, subject.renewed) == (f"{fleets.name(2)}@{fleets.digest(2)}", False)
    assert subjects[patched.image].renewed
    assert joined({}, policy="")[1] == [], "nobody says which policy"


def test_the_patch_of_a_current_image_is_what_is_deployed() -> None:
    patch = f"{fleets.name(9)}@{fleets.digest(9, patched=True)}"
    current = tuple(replace(image, patch=patch if fleets.name(9) in image.image else "") for image in PLAN.current)
    report = summarize.join(replace(PLAN, current=current), fleets.results(PLAN), now=NOW).report
    assert (of(report, 9).reference, of(report, 9).state) == (patch, "current")
    assert of(report, 10).reference == f"{fleets.name(10)}@{fleets.digest(10)}"


def test_what_is_refused_is_in_every_form_and_changes_no_verdict() -> None:
    report, _ = joined({1: Outlook(changes=(REFUSED, LATER)), 9: Outlook(changes=(LATER,)), 10: Outlook()})
    without, _ = joined({})
    assert (report.exit_code, report.figures.states) == (without.exit_code, without.figures.states)
    assert (report.figures.losing, without.figures.losing) == (2, None)
    losses = of(report, 1).losses
    assert losses is not None
    assert [(loss.now, loss.at[:10]) for loss in losses] == [(True, "2026-11-23"), (False, "2026-11-26")]
    assert (of(report, 10).losses, of(report, 2).losses) == ((), None)
    sentence = "2 images are refused at the next start: 1 now, 1 from 2026-11-26 on"
    for shown in (text.render_terminal(report), text.render_summary(report), page.render(report).decode()):
        assert sentence in shown
        assert "<script>alert" not in shown
        assert "\x1b" not in shown
    assert "What the policy will refuse" in text.render_issue(report)
    assert "What the policy will refuse" not in text.render_issue(without)
    families = text_string_to_metric_families(prometheus.render(report).decode())
    figures = {family.name: [(sample.labels, sample.value) for sample in family.samples] for family in families}
    assert figures["s3c_fleet_losing_images"] == [({"from": "now"}, 1.0), ({"from": "later"}, 1.0)]
    assert figures["s3c_fleet_next_loss_timestamp_seconds"] == [({}, (NOW + timedelta(days=3)).timestamp())]
    assert "s3c_fleet_losing_images" not in prometheus.render(without).decode(), "0 would be a figure"
    assert report_document.parse(report_document.render(report), name="", field="earlier-report") == report


def test_a_fleet_in_order_that_loses_images_keeps_its_issue_open() -> None:
    report, _ = joined({9: Outlook(changes=(LATER,))})
    orderly = replace(report, figures=replace(report.figures, states={"current": 1}), exceptions=())
    assert text.has_issue(orderly)
    assert text.issue_title(orderly) == "Fleet: 1 image is refused at the next start"
    assert not text.has_issue(replace(orderly, images=()))


def test_an_image_that_could_not_be_asked_about_is_not_known_and_is_reported() -> None:
    report, _ = joined({1: Outlook(problem="registry.example did not answer."), 9: Outlook(changes=(LATER,))})
    assert of(report, 1).losses is None
    assert report.notes[-1] == ("What the policy will refuse is not known of 1 image: registry.example did not answer.")


@pytest.mark.parametrize("number", [outlook.MAX_REASONS, outlook.MAX_REASONS + 2])
def test_much_is_cut(number: int) -> None:
    objections = tuple(Objection("finding", f"reason {place} {'x' * 2000}") for place in range(number))
    report, _ = joined({1: Outlook(changes=(Change(at=NOW, objections=objections),) * 50)})
    losses = of(report, 1).losses
    assert losses is not None
    assert len(losses) == outlook.MAX_LOSSES
    assert len(losses[0].reasons) == min(number, outlook.MAX_REASONS + 1)
    assert ("2 more objections" in losses[0].reasons) == (number > outlook.MAX_REASONS)
    report_document.parse(report_document.render(report), name="", field="earlier-report")


def test_exceptions_that_the_report_judged_are_shown_with_the_time_that_is_left() -> None:
    ignored = replace(EXCEPTION, digest=granted.digest(2), ignored="it was revoked")
    report, _ = joined({9: Outlook(exceptions=(EXCEPTION, ignored)), 10: Outlook()})
    (exception,) = report.exceptions
    assert (exception.images, exception.who) == (1, "Ada of platform")
    assert view.time_left(exception, report) == "5 h 59 min left"
    assert of(report, 9).expiring == (0,)
    for shown in (text.render_issue(report), page.render(report).decode()):
        assert "5 h 59 min left" in shown
    assert view.time_left(replace(exception, ends=""), report) == ""
    assert view.time_left(replace(exception, ends="soon"), report) == ""
