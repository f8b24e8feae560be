"""What is shown of a report, and what is then known of the rest."""

from __future__ import annotations

from s3c_actions.findings.model import Severity
from s3c_actions.findings.selection import EVERYTHING, Selection, mark_uncounted, select
from tests.support.outcomes import report, vulnerability

REPORT = report(
    vulnerability(1, Severity.CRITICAL, fixed=""),
    vulnerability(2, Severity.HIGH),
    vulnerability(3, Severity.HIGH, fixed=""),
    vulnerability(4, Severity.LOW),
)


def test_what_is_not_selected_is_counted() -> None:
    shown = select(REPORT, Selection(severities=(Severity.HIGH, Severity.MEDIUM), fixed_only=True))
    assert [finding.id for finding in shown.findings] == ["CVE-2024-0002"]
    assert dict(shown.hidden.filtered) == {Severity.CRITICAL: 1, Severity.LOW: 1, Severity.UNKNOWN: 0}
    assert dict(shown.hidden.unfixed) == {Severity.HIGH: 1}
    assert (shown.hidden.total, shown.hidden.fixable) == (3, 1)
    assert shown.counts == {
        Severity.CRITICAL: None,
        Severity.HIGH: 1,
        Severity.MEDIUM: 0,
        Severity.LOW: None,
        Severity.UNKNOWN: None,
    }


def test_everything_is_the_report_itself() -> None:
    shown = select(REPORT, EVERYTHING)
    assert (shown.findings, shown.hidden.total, shown.total) == (REPORT.findings, 0, 4)


def test_a_given_report_has_no_zero() -> None:
    marked = mark_uncounted(REPORT)
    assert marked.counts[Severity.MEDIUM] is None
    assert marked.counts[Severity.HIGH] == 2
    assert select(marked, Selection(severities=(Severity.MEDIUM,))).total is None
