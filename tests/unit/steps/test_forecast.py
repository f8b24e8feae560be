"""The ends of signatures that a forecast counts with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from s3c_actions.core.reference import Reference
from s3c_actions.policy import model
from s3c_actions.steps import forecast
from s3c_actions.steps.judge import PolicyJudge
from tests.support import evidence as made

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_the_last_end_of_each_digest_counts_and_a_time_stamp_has_none(monkeypatch):
    report, sbom = made.document(None, number=1), made.document(None, number=2)
    content = made.sarif(made.run(NOW, sbom=sbom.digest))
    report = made.document(content, number=1)
    ends = {
        made.SUBJECT: {"one": NOW + timedelta(days=1), "two": NOW + timedelta(days=9)},
        report.digest: {"one": NOW + timedelta(days=2)},
        sbom.digest: {"one": None, "two": NOW},
    }
    monkeypatch.setattr(
        "s3c_actions.evidence.signatures.find_ends", lambda _registry, reference: ends[reference.digest]
    )
    policy = model.parse("version: 1\nsbom: {required: true}")
    judge = PolicyJudge(policy=policy, registry=None, notation=None, homes=(), now=NOW)  # type: ignore[arg-type]
    found = made.beside((report,), (sbom,))
    reference = Reference.parse(found.reference)
    assert forecast.signature_ends(judge, reference, found) == {
        made.SUBJECT: NOW + timedelta(days=9),
        report.digest: NOW + timedelta(days=2),
    }
    changes = forecast.changes(judge, reference, found, NOW + timedelta(days=8))
    assert [one.code for change in changes for one in change.objections] == ["ended-signature", "stale-report"]
