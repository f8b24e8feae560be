"""The ends of signatures that a forecast counts with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from s3c_actions.core.reference import Reference
from s3c_actions.policy import model
from s3c_actions.steps import forecast
from s3c_actions.steps.judge import PolicyJudge
from tests.support import evidence

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_the_last_end_of_each_digest_counts_and_a_time_stamp_has_none(monkeypatch):
    report, sbom = evidence.document(None, number=1), evidence.document(None, number=2)
    content = evidence.sarif(evidence.run(NOW, sbom=sbom.digest))
    report = evidence.document(content, number=1)
    ends = {
        evidence.SUBJECT: {"one": NOW + timedelta(days=1), "two": NOW + timedelta(days=9)},
        report.digest: {"one": NOW + timedelta(days=2)},
        sbom.digest: {"one": None, "two": NOW},
    }
    monkeypatch.setattr(
        "s3c_actions.evidence.signatures.find_ends", lambda _registry, reference: ends[reference.digest]
    )
    policy = model.parse("version: 1\nsbom: {required: true}")
    judge = PolicyJudge(policy=policy, registry=None, notation=None, homes=(), now=NOW)  # type: ignore[arg-type]
    attached = evidence.beside((report,), (sbom,))
    reference = Reference.parse(attached.reference)
    assert forecast.signature_ends(judge, reference, attached) == {
        evidence.SUBJECT: NOW + timedelta(days=9),
        report.digest: NOW + timedelta(days=2),
    }
    changes = forecast.changes(judge, reference, attached, NOW + timedelta(days=8))
    assert [objection.code for change in changes for objection in change.objections] == [
        "ended-signature",
        "stale-report",
    ]
