"""When the policy will refuse what it admits today."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace

from s3c_actions.policy import model
from s3c_actions.policy.forecast import describe_changes, forecast
from s3c_actions.policy.judge import judge_evidence
from tests.support import evidence

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SCANNED = NOW - timedelta(hours=1)
POLICY = """\
version: 1
findings: {refuse: [CRITICAL, {HIGH: {grace: 14d}}]}
exceptions: [{id: CVE-2026-2, until: 2026-12-20, why: Not called., who: me}]
report: {maximum-age: 30d}
base: {maximum-age: 90d}
"""


def attached():
    findings = (
        evidence.finding("CVE-2026-1", since=evidence.stamp(NOW - timedelta(days=4))),
        evidence.finding("CVE-2026-2", "CRITICAL"),
        evidence.finding("CVE-2026-3", "LOW"),
    )
    run = evidence.run(SCANNED, findings, **{"base-created": evidence.stamp(NOW - timedelta(days=65))})
    return evidence.beside((evidence.document(evidence.sarif(run)),))


def coming(days, ends=None, policy=POLICY):
    changes = forecast(model.parse(policy), attached(), NOW, NOW + timedelta(days=days), ends or {})
    return [(change.at, [objection.code for objection in change.objections]) for change in changes]


def test_every_end_is_named_with_its_moment():
    assert coming(60) == [
        (NOW + timedelta(days=10), ["finding"]),
        (datetime(2026, 12, 21, tzinfo=UTC), ["expired-exception", "finding"]),
        (NOW + timedelta(days=25), ["old-base"]),
        (SCANNED + timedelta(days=30), ["stale-report"]),
    ]
    assert coming(9.99) == []
    assert coming(10) == [(NOW + timedelta(days=10), ["finding"])]


def test_a_signature_that_ends_is_named_with_the_image_or_document_it_is_of():
    report = attached().reports[0].digest
    ends = {evidence.SUBJECT: NOW + timedelta(days=3), report: NOW + timedelta(days=4)}
    changes = forecast(model.parse(POLICY), attached(), NOW, NOW + timedelta(days=5), ends)
    assert [text.partition(": ")[2] for text in describe_changes(changes)] == [
        "the signature of the image ends: sign again, with a certificate that is valid for longer",
        f"the signature of its report ({report[:19]}) ends: sign again, with a certificate that is valid for longer",
    ]
    assert describe_changes(changes)[0].startswith("2026-12-02 12:00 UTC: ")


@pytest.mark.parametrize("days", [1, 10, 22, 25.1, 31])
def test_the_forecast_is_what_the_judge_says_then(days):
    """Whatever is forecast up to a moment, the judge has against the image at that moment, and the other way round."""
    policy, then = model.parse(POLICY), NOW + timedelta(days=days)
    foreseen = {
        objection.code for change in forecast(policy, attached(), NOW, then, {}) for objection in change.objections
    }
    assert foreseen == {objection.code for objection in judge_evidence(policy, attached(), then)}


def test_reports_that_cannot_be_read_have_no_future():
    broken = replace(attached(), reports=(evidence.document(b"{}"),))
    assert forecast(model.parse(POLICY), broken, NOW, NOW + timedelta(days=60), {}) == ()


def test_an_exception_without_a_practical_end_is_none_for_the_calendar():
    assert model.exception_end(date.max) > NOW
    text = POLICY.replace("2026-12-20", "9999-12-31")
    assert [codes for _, codes in coming(60, policy=text)] == [["finding"], ["old-base"], ["stale-report"]]
