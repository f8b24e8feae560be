"""Findings that did not fit into a report are counted by what a rule could refuse of them."""

from __future__ import annotations

from s3c_actions.evidence.rest import describe_rest
from s3c_actions.findings.model import Exploitation, Finding, FindingKind, Severity


def finding(number, severity=Severity.HIGH, kind=FindingKind.VULNERABILITY, **facts):
    return Finding(kind=kind, id=f"CVE-2026-{number}", severity=severity, package="p", **facts)


def test_each_severity_with_a_fix_and_without_has_a_group_of_its_own():
    rest = describe_rest(
        [
            finding(1, fixed="2", exploitation=Exploitation(known_exploited=False, since="", epss=0.02)),
            finding(2, fixed="2", exploitation=Exploitation(known_exploited=True, since="2026-01-01", epss=0.9)),
            finding(3, exploitation=Exploitation(known_exploited=False, since="", epss=None)),
            finding(4, Severity.CRITICAL, FindingKind.SECRET),
        ],
        {"CVE-2026-3"},
    )
    assert rest == [
        {"severity": "CRITICAL", "fixable": True, "count": 1, "exploited": 0, "denied": 0, "epss": ""},
        {"severity": "HIGH", "fixable": True, "count": 2, "exploited": 1, "denied": 0, "epss": "0.90000"},
        {"severity": "HIGH", "fixable": False, "count": 1, "exploited": 0, "denied": 1, "epss": ""},
    ]
    assert describe_rest([], set()) == []


def test_what_is_not_known_counts_as_the_worst():
    (group,) = describe_rest([finding(1)], set())
    assert (group["exploited"], group["epss"]) == (1, "1.00000")
