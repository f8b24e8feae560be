"""Rules on findings, and on those that a report only counts; tests/contract/test_policy.py compares the cluster's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from s3c_actions.evidence.statement import Statement
from s3c_actions.findings.model import Exploitation, ExploitationData, Finding, FindingKind, ScanReport, Severity
from s3c_actions.policy import model
from s3c_actions.policy.judge import judge_evidence
from s3c_actions.report.formats import sarif
from s3c_actions.report.rendering import Rendering
from tests.support import evidence
from tests.support.outcomes import LOOKED_AT

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LIMIT = 64 * 1024


def objections(findings, policy_text, **stated):
    report = evidence.document(evidence.sarif(evidence.run(NOW - timedelta(hours=1), tuple(findings), **stated)))
    policy = model.parse(f"version: 1\n{policy_text}")
    return {objection.code: objection.text for objection in judge_evidence(policy, evidence.beside((report,)), NOW)}


def days_ago(days):
    return evidence.stamp(NOW - timedelta(days=days))


def test_what_is_exploited_is_denied_at_any_severity_fixable_or_not_excepted_or_not():
    policy = """\
findings: {deny-exploited: true, refuse: [CRITICAL], fixable-only: true}
exceptions: [{id: CVE-2026-1, until: 2027-01-01, why: Not called., who: me}]
"""
    unfixed = evidence.finding("CVE-2026-1", "LOW", fixed="", exploited=True)
    texts = objections([unfixed], policy)
    assert list(texts) == ["exploited-finding"]
    assert "CVE-2026-1 (LOW, libssl3, without a fix, exploited)" in texts["exploited-finding"]
    assert objections([evidence.finding("CVE-2026-1", "LOW")], policy) == {}
    assert list(objections([evidence.finding("CVE-2026-1", "LOW", exploited=None)], policy)) == ["unknown-exploitation"]


def test_a_likelihood_refuses_what_has_a_fix_and_no_exception():
    policy = """\
findings: {refuse: [{epss: ">=0.1"}], fixable-only: true}
exceptions: [{id: CVE-2026-9, until: 2027-01-01, why: Not called., who: me}]
"""
    for score, name, fixed, refused in (
        ("0.10000", "CVE-2026-1", "2", True),
        ("0.09999", "CVE-2026-1", "2", False),
        ("1.00000", "CVE-2026-1", "2", True),
        ("", "CVE-2026-1", "2", False),
        ("0.94211", "CVE-2026-1", "", False),
        ("0.94211", "CVE-2026-9", "2", False),
    ):
        texts = objections([evidence.finding(name, "LOW", fixed=fixed, epss=score)], policy)
        assert list(texts) == (["finding"] if refused else []), (score, name, fixed)
    for unreadable in (None, 0.5, "0.5", "2.00000"):
        unjudged = evidence.finding("CVE-2026-1", "LOW", epss=unreadable)
        assert list(objections([unjudged], policy)) == ["unknown-exploitation"]


def test_a_grace_ends_at_its_second_and_is_none_where_its_start_is_not_known():
    policy = "findings: {refuse: [CRITICAL, {HIGH: {grace: 14d}}]}"
    inside = evidence.stamp(NOW - timedelta(days=14) + timedelta(seconds=1))
    assert objections([evidence.finding("CVE-2026-1", since=inside)], policy) == {}
    for since in (days_ago(14), days_ago(400), "", None, "2026-11-28", "1999-01-01T00:00:00Z"):
        assert list(objections([evidence.finding("CVE-2026-1", since=since)], policy)) == ["finding"], since
    assert list(objections([evidence.finding("CVE-2026-1", "CRITICAL", since=days_ago(0))], policy)) == ["finding"]
    texts = objections([evidence.finding("CVE-2026-1", since=days_ago(20))], policy)
    assert "grace counted from 2026-11-09" in texts["finding"]


def group(**changes):
    whole = {"severity": "LOW", "fixable": True, "count": 4800, "exploited": 0, "denied": 0, "epss": "0.00100"}
    return {**whole, **changes}


@pytest.mark.parametrize(
    ("policy", "rest", "refused"),
    [
        ("{refuse: [CRITICAL]}", group(), False),
        ("{refuse: [LOW]}", group(), True),
        ("{refuse: [LOW], fixable-only: true}", group(fixable=False), False),
        ("{refuse: [{LOW: {grace: 14d}}]}", group(), True),
        ('{refuse: [{epss: ">=0.1"}]}', group(), False),
        ('{refuse: [{epss: ">=0.1"}]}', group(epss="0.20000"), True),
        ("{refuse: [], deny-exploited: true}", group(), False),
        ("{refuse: [], deny-exploited: true, fixable-only: true}", group(exploited=1, fixable=False), True),
        ("{refuse: []}", group(exploited=1), False),
        ("{refuse: [], deny: [CVE-1]}", group(denied=1), True),
        ("{refuse: [CRITICAL]}", group(count=4799), True),
        ("{refuse: [CRITICAL]}", group(severity="GRAVE"), True),
        ("{refuse: [CRITICAL]}", group(severity=["LOW"]), True),
        ("{refuse: [CRITICAL]}", group(epss="0.1"), True),
        ("{refuse: [CRITICAL]}", group(exploited=-1), True),
        ("{refuse: [CRITICAL]}", "LOW", True),
        ("{refuse: [CRITICAL]}", None, True),
    ],
)
def test_what_is_only_counted_closes_the_gate_where_a_rule_could_refuse_it(policy, rest, refused):
    stated = {"refuse": ["CRITICAL", "HIGH", "MEDIUM", "LOW"], "fixable-only": False, "packages": [], "licenses": []}
    stated |= {"deny": ["CVE-1"], "exploited": True, "epss": "0.00001"}
    groups = [] if rest is None else [rest]
    texts = objections([], f"findings: {policy}", policy=stated, omitted=4800, rest=groups)
    assert list(texts) == (["finding"] if refused else [])
    assert not refused or texts["finding"].startswith("it has 4800 refused findings: ")


def many(number):
    """Findings of which one in the middle is exploited, and one without a fix."""
    for index in range(number):
        severity = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)[index % 4]
        yield Finding(
            kind=FindingKind.VULNERABILITY,
            id=f"CVE-2026-{10_000 + index}",
            severity=severity,
            package=f"a-package-with-a-name-{index}",
            installed="1.2.3-4",
            fixed="" if index % 5 == 0 else "1.2.3-5",
            title="An attacker who can do something may do something else",
            published="2026-11-01T00:00:00Z",
            exploitation=Exploitation(known_exploited=index == 2503, since="", epss=0.0001 * (index % 100)),
        )


POLICY = 'findings: {deny-exploited: true, refuse: [CRITICAL, {HIGH: {grace: 90d}}, LOW, MEDIUM, {epss: ">=0.5"}]}'


@pytest.mark.slow
def test_five_thousand_findings_fit_the_worst_first_and_every_other_is_counted():
    policy = model.parse(f"version: 1\n{POLICY}")
    created = evidence.stamp(NOW - timedelta(hours=1))
    report = ScanReport(
        image="app",
        digest=evidence.SUBJECT,
        findings=tuple(many(5000)),
        created=created,
        database=created,
        exploitation_data=ExploitationData(kev_released=created, epss_date="2026-11-29"),
    )
    stated = Statement(
        subject=evidence.SUBJECT, gate=policy.gate(NOW), blind="", policy=policy.digest, scope=LOOKED_AT, uncovered=0
    )
    content = sarif.render_evidence([(report, stated)], Rendering())
    assert len(json.dumps(content.decode())) < LIMIT
    (run,) = json.loads(content)["runs"]
    listed, rest = run["results"], run["properties"]["s3c"]["rest"]
    assert listed[0]["properties"]["id"] == "CVE-2026-12503", "the exploited one leads"
    assert len(listed) + sum(group["count"] for group in rest) == 5000
    assert sum(group["exploited"] for group in rest) == 0
    judged = {
        objection.code for objection in judge_evidence(policy, evidence.beside((evidence.document(content),)), NOW)
    }
    assert judged == {"exploited-finding", "finding"}
    # By a policy that nothing of the rest concerns, the same report admits what it does not list.
    clean = model.parse('version: 1\nfindings: {refuse: [{epss: ">=0.5"}]}')
    assert judge_evidence(clean, evidence.beside((evidence.document(content),)), NOW) == ()
