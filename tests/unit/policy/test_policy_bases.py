"""Whose findings a policy refuses: all, or the image's own; tests/contract/test_policy.py compares the cluster's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.evidence.statement import Statement
from s3c_actions.findings.model import Finding, FindingKind, Severity
from s3c_actions.policy.finding_rules import FindingRules
from s3c_actions.policy.judge import judge_evidence
from s3c_actions.policy.model import Policy, parse
from tests.support import evidence

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
BASES = ("docker.io/library/*",)
OWN = Policy(version=1, findings=FindingRules(scope="own", bases=BASES, deny=("CVE-2024-9",)))
ALL = Policy(version=1)


def refusals(policy: Policy, *findings: Any, **stated: Any) -> list[str]:
    given = {"refuse": ["CRITICAL", "HIGH"], "deny": ["CVE-2024-9"], "fixable-only": False, "packages": []}
    run = evidence.run(
        NOW - timedelta(hours=1), findings, policy={**given, "licenses": [], "bases": [*BASES], **stated}
    )
    return [
        objection.code
        for objection in judge_evidence(policy, evidence.beside(reports=(evidence.document(evidence.sarif(run)),)), NOW)
    ]


def test_a_finding_of_the_base_passes_where_its_own_are_asked_for() -> None:
    inherited = evidence.finding("CVE-2024-1", base=True)
    assert refusals(OWN, inherited) == []
    assert refusals(ALL, inherited) == ["finding"]
    assert refusals(OWN, inherited, evidence.finding("CVE-2024-2")) == ["finding"]


@pytest.mark.parametrize("claim", [False, None, "true", 1, [True]])
def test_what_does_not_say_that_it_is_the_bases_is_its_own(claim: Any) -> None:
    assert refusals(OWN, evidence.finding("CVE-2024-1", base=claim)) == ["finding"]


def test_what_is_denied_by_name_is_refused_in_the_base_too() -> None:
    assert refusals(OWN, evidence.finding("CVE-2024-9", base=True)) == ["denied-finding"]


def test_a_report_that_leaves_the_bases_findings_out_is_laxer_than_a_policy_for_all() -> None:
    assert refusals(ALL, scope="own") == ["laxer-report"]
    assert refusals(OWN, scope="own") == []
    assert refusals(OWN, scope="all") == []


@pytest.mark.parametrize("bases", [["*"], ["docker.io/library/*", "evil.example/*"], [7]])
def test_other_bases_than_the_policys_make_a_report_laxer(bases: list[Any]) -> None:
    assert refusals(OWN, bases=bases) == ["laxer-report"]
    assert refusals(ALL, bases=bases) == []


def test_a_report_of_an_s3c_that_knew_no_bases_counts_everything() -> None:
    assert refusals(OWN, evidence.finding("CVE-2024-1"), bases=None) == ["finding"]
    assert refusals(OWN, bases=None) == []


@pytest.mark.parametrize(
    ("findings", "message"),
    [
        ("{scope: own}", "scope is own, and bases is missing"),
        ("{scope: own, bases: ['*']}", "is of any registry"),
        ("{scope: own, bases: [debian, '*/base']}", r"findings.bases\[1\]: '\*/base' is of any registry"),
        ("{scope: mine, bases: [debian]}", "scope"),
        ("{bases: [https://x/y]}", r"findings.bases\[0\]"),
        ("{bases: [debian, 'a b*']}", r"findings.bases\[1\]"),
        ("{bases: ['*@sha256:0']}", r"findings.bases\[0\]"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_an_error(findings: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(f"version: 1\nfindings: {findings}\n")


def test_the_gate_in_ci_and_the_statement_say_the_same() -> None:
    gate = OWN.gate(NOW)
    inherited = Finding(kind=FindingKind.VULNERABILITY, id="CVE-2024-1", severity=Severity.HIGH, from_base=True)
    own = replace(inherited, from_base=False)
    assert gate.refused((inherited, own, replace(own, from_base=None))) == (own, replace(own, from_base=None))
    stated = Statement(subject="", gate=gate, blind="", policy="")
    assert (stated.finding(inherited)["base"], stated.finding(inherited)["verdict"]) == (True, "accepted")
    assert "base" not in stated.finding(own)
    assert stated._policy()["scope"] == "own"
    assert stated._policy()["bases"] == [*BASES]
