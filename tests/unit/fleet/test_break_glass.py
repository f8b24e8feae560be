"""Break-glass exceptions in a fleet's report: those that count, of the images that rely on them, until they end."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from s3c_actions.fleet import summarize, text
from s3c_actions.fleet.shard_results import ShardResult
from s3c_actions.report.document import ExceptionEntry, JudgementEntry
from tests.support import fleets, outcomes

PLAN = replace(fleets.plan(1, working=1, shards=1, unplanned=0), images=(fleets.planned(1, 1),))
RESULT = ShardResult(source="result.json", document=fleets.document(fleets.looked_at(PLAN.images[0], 1)))
REFERENCE = f"{fleets.name(1)}@{fleets.digest(1, patched=True)}"
END = (outcomes.NOW + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
GRANTED = ExceptionEntry(
    digest=f"sha256:{1:064x}",
    findings=("CVE-2024-1",),
    who="Ada of platform",
    why="checkout is down, INC-7",
    created=END,
    until=END,
    granter="oncall",
    ignored="",
)


def listed(*exceptions: ExceptionEntry, created: str = "2026-11-24T00:00:00Z", command: str = "policy") -> ShardResult:
    """What `policy check` or `exception list` says of the image."""
    judgement = JudgementEntry(
        reference=REFERENCE, policy="", admitted=True, refusals=(), forecast=(), exceptions=exceptions, seconds=0.0
    )
    entry = replace(RESULT.document.images[0], image=REFERENCE, reference=REFERENCE, judgement=judgement)
    document = replace(RESULT.document, command=command, created=created, images=(entry,))
    return ShardResult(source=f"{command}/result.json", document=document)


def test_one_that_counts_is_in_report_summary_and_issue_and_of_the_image() -> None:
    report = summarize.join(PLAN, [RESULT, listed(GRANTED)], now=outcomes.NOW).report
    assert [(exception.id, exception.who, exception.why, exception.images) for exception in report.exceptions] == [
        (f"CVE-2024-1 (break-glass until {END})", "Ada of platform", "checkout is down, INC-7", 1)
    ]
    (image,) = report.images
    assert (image.state, image.expiring) == ("patched", (0,))
    assert text.has_issue(report)
    assert f"break-glass until {END}" in text.render_issue(report)
    assert "1 exception end" in text.render_terminal(report)


def test_what_has_ended_does_not_count_or_is_no_longer_listed_is_not_there() -> None:
    over = replace(GRANTED, until=outcomes.NOW.strftime("%Y-%m-%dT%H:%M:%SZ"))
    for exceptions in ((over,), (replace(GRANTED, ignored="it was revoked"),), (replace(GRANTED, until="soon"),), ()):
        report = summarize.join(PLAN, [RESULT, listed(*exceptions)], now=outcomes.NOW).report
        assert report.exceptions == ()
    older = listed(GRANTED, created="2026-11-23T00:00:00Z", command="exception list")
    assert summarize.join(PLAN, [listed(), older, RESULT], now=outcomes.NOW).report.exceptions == ()


def test_such_a_result_takes_the_place_of_no_shard() -> None:
    for command in ("exception grant", "exception list", "exception revoke"):
        report = summarize.join(PLAN, [listed(GRANTED, command=command)], now=outcomes.NOW).report
        assert [image.state for image in report.images] == ["missing"]
