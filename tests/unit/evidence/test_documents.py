"""Attached reports are read without trust in what they state."""

from __future__ import annotations

import json
from typing import Any

import pytest

from s3c_actions.evidence import documents
from s3c_actions.trace.model import AttachedFinding


def read(**properties: Any) -> AttachedFinding:
    """Return the one finding of a report."""
    result = {"ruleId": "CVE-2026-1", "properties": {"severity": "HIGH", "package": "openssl", **properties}}
    report = {"runs": [{"tool": {"driver": {"name": "s3c", "rules": []}}, "results": [result]}]}
    (finding,) = documents.read_sarif(json.dumps(report).encode()).findings
    return finding


@pytest.mark.parametrize(
    ("stated", "read_as"),
    [
        ("0.97000", 0.97),
        (0.5, 0.5),
        (1, 1.0),
        ("0.97", None),
        ("1.00001", None),
        (True, None),
        (-1, None),
        (10**400, None),
        (-(10**400), None),
        (float("inf"), None),
    ],
)
def test_an_estimate_is_a_number_from_0_to_1(stated: object, read_as: float | None) -> None:
    assert read(epss=stated).epss == read_as


def test_when_it_is_due_is_shown_of_what_is_exploited_alone() -> None:
    finding = read(exploitedSince="2021-12-10", exploitedDue="2021-12-24", knownRansomware=True)
    assert (finding.exploited_since, finding.exploited_due, finding.ransomware) == ("2021-12-10", "2021-12-24", True)
    finding = read(exploitedSince="2021-02-30", exploitedDue="2021-12-24", knownRansomware=True)
    assert (finding.exploited_since, finding.exploited_due, finding.ransomware) == ("", "", False)
