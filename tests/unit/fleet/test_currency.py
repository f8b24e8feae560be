"""An image needs nothing only on the strength of young, signed evidence about it that the policy admits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.fleet.currency import Current, judge_currency, presume_signed, with_match
from s3c_actions.fleet.match_rules import Unchanged
from s3c_actions.policy.finding_rules import FindingRules, Grace, RefusedFindings
from s3c_actions.policy.judge import SignerStatus, judge_evidence
from s3c_actions.policy.model import Policy
from tests.support import evidence as samples
from tests.support import exceptions
from tests.support.evidence import OTHER, finding, run

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
POLICY = Policy(version=1)
YOUNG = NOW - timedelta(hours=1)


def judged(*documents: Any, trust: SignerStatus = SignerStatus.ALLOWED, policy: Policy = POLICY) -> Current | str:
    return judge_currency(policy, beside(*documents, trust=trust), NOW, DAY)


def beside(*documents: Any, trust: SignerStatus = SignerStatus.ALLOWED) -> Any:
    reports = tuple(replace(document, digest=f"sha256:{number:064x}") for number, document in enumerate(documents, 1))
    return samples.beside(reports, trust=trust)


def document(*runs: Any, trust: SignerStatus = SignerStatus.ALLOWED) -> Any:
    return samples.document(samples.sarif(*runs), trust)


def test_a_young_signed_report_with_nothing_refused_is_enough() -> None:
    verdict = judged(document(run(YOUNG, (finding("CVE-1", "LOW"),))))
    assert isinstance(verdict, Current)
    assert verdict.created == samples.stamp(YOUNG)
    assert verdict.report == f"sha256:{1:064x}"
    assert verdict.counts == {"CRITICAL": 0, "HIGH": 0, "MEDIUM": 0, "LOW": 1, "UNKNOWN": 0}


def test_what_makes_an_older_report_do_is_named_with_the_day_of_the_database() -> None:
    verdict = judged(document(run(YOUNG)))
    assert isinstance(verdict, Current)
    matched = with_match(verdict, Unchanged(database="2026-11-29T06:00:00Z"))
    assert replace(matched, reason=verdict.reason) == verdict
    assert matched.reason == (
        "its signed report of 2026-11-29T11:00:00Z has nothing to fix, and its SBOM matched against the database of "
        "2026-11-29T06:00:00Z shows nothing new"
    )


def test_what_has_a_grace_is_work_before_the_cluster_refuses_it() -> None:
    graced = Policy(version=1, findings=FindingRules(refuse=(RefusedFindings(high=Grace(grace="14d")),)))
    since = samples.stamp(NOW - timedelta(days=1))
    assert "1 refused finding" in str(judged(document(run(YOUNG, (finding("CVE-1", since=since),))), policy=graced))
    assert isinstance(judged(document(run(YOUNG, (finding("CVE-1", "LOW"),))), policy=graced), Current)


def test_an_exception_that_admits_an_image_for_hours_leaves_its_findings_to_be_fixed() -> None:
    signers = (exceptions.signer("release", "sign", "grant-exceptions"),)
    beside_it = replace(
        beside(document(run(YOUNG, (finding("CVE-2024-1"),)))),
        exceptions=(exceptions.document(exceptions.grant(NOW, "all"), granter="release"),),
    )
    policy = replace(POLICY, signers=signers)
    assert judge_evidence(policy, beside_it, NOW) == ()
    assert str(judge_currency(policy, beside_it, NOW, DAY)).startswith("it has 1 refused finding")


def test_severities_that_the_report_does_not_count_are_not_said_to_be_none() -> None:
    stated = run(YOUNG)["properties"]["s3c"]["policy"] | {"refuse": ["CRITICAL", "HIGH"]}
    verdict = judged(document(run(YOUNG, policy=stated)))
    assert isinstance(verdict, Current)
    assert verdict.counts == {"CRITICAL": 0, "HIGH": 0}


@pytest.mark.parametrize(
    ("documents", "why"),
    [
        ([], "it has no scan report"),
        ([document(run(YOUNG), trust=SignerStatus.UNSIGNED)], "is not signed"),
        ([document(run(YOUNG), trust=SignerStatus.STRANGER)], "is signed by nobody whom the policy allows"),
        ([document(run(NOW - DAY))], "is older than 24 hours"),
        ([document(run(NOW - timedelta(days=6)))], "is older than 24 hours"),
        ([document(run(NOW - timedelta(days=30)))], "older than 7d"),
        ([document(run(NOW + timedelta(hours=1)))], "still to come"),
        ([document(run(YOUNG, subject=OTHER))], "is about another image"),
        ([document(run(YOUNG, omitted=3))], "it has 3 refused findings"),
        ([document(run(YOUNG, blind="nothing could be read"))], "could not look at everything"),
        ([document(run(YOUNG, (finding("CVE-1"),)))], "it has 1 refused finding"),
        ([document(run(YOUNG, (finding("CVE-1", fixed=""),)))], "it has 1 refused finding"),
        ([document(run(YOUNG), run(YOUNG, (finding("CVE-1"),)))], "it has 1 refused finding"),
        ([document(run(YOUNG), run(NOW - DAY))], "is older than 24 hours"),
        ([document(run(YOUNG, scope=samples.scope(scanners=[])))], "looked at less than the policy asks"),
        ([document(run(NOW - timedelta(hours=3))), document(run(YOUNG), trust=SignerStatus.UNSIGNED)], "is not signed"),
        ([document(run(YOUNG)), document(run(YOUNG, (finding("CVE-1"),)))], "it has 1 refused finding"),
        ([replace(document(run(YOUNG)), content=b"{}")], "cannot be read"),
        ([replace(document(run(YOUNG)), content=None)], "cannot be read"),
    ],
)
def test_anything_less_means_work(documents: list[Any], why: str) -> None:
    verdict = judged(*documents)
    assert isinstance(verdict, str)
    assert why in verdict


@pytest.mark.parametrize("trust", [SignerStatus.UNSIGNED, SignerStatus.STRANGER])
def test_the_image_itself_has_to_be_signed(trust: SignerStatus) -> None:
    verdict = judged(document(run(YOUNG)), trust=trust)
    assert isinstance(verdict, str)
    assert "sign" in verdict


def test_what_has_no_fix_passes_where_the_policy_says_so() -> None:
    policy = Policy(version=1, findings=FindingRules(fixable_only=True))
    assert isinstance(judged(document(run(YOUNG, (finding("CVE-1", fixed=""),))), policy=policy), Current)
    assert isinstance(judged(document(run(YOUNG, (finding("CVE-1"),))), policy=policy), str)


def test_to_presume_signatures_never_makes_the_reason_a_signature() -> None:
    unsigned = beside(document(run(NOW - DAY), trust=SignerStatus.UNSIGNED), trust=SignerStatus.UNSIGNED)
    verdict = judge_currency(POLICY, presume_signed(unsigned), NOW, DAY)
    assert isinstance(verdict, str)
    assert "older" in verdict
    young = beside(document(run(YOUNG), trust=SignerStatus.UNSIGNED), trust=SignerStatus.UNSIGNED)
    assert isinstance(judge_currency(POLICY, presume_signed(young), NOW, DAY), Current)
    assert isinstance(judge_currency(POLICY, young, NOW, DAY), str)
