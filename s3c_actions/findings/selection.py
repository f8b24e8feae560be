"""The findings that are shown: a selection of those of a scan, which never changes what is said of the others."""

from __future__ import annotations

from collections.abc import Set

import msgspec
from msgspec.structs import replace

from s3c_actions.findings.model import (
    Finding,
    FindingKind,
    Hidden,
    ScanReport,
    Severity,
    count_by_severity,
)

ALL_SEVERITIES = tuple(Severity)


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What the inputs `severity` and `ignore-unfixed` ask to see.

    Attributes:
        severities: those that are shown.
        fixed_only: whether vulnerabilities without a fix are left out.
    """

    severities: tuple[Severity, ...] = ALL_SEVERITIES
    fixed_only: bool = False

    def includes(self, finding: Finding) -> bool:
        """Whether a finding is shown."""
        return finding.severity in self.severities and not (
            self.fixed_only and finding.kind is FindingKind.VULNERABILITY and not finding.fixed
        )


EVERYTHING = Selection()


def select(report: ScanReport, selection: Selection) -> ScanReport:
    """Return a report with the selected findings; `hidden` has the numbers of the others.

    Args:
        report: with every finding that is known.
        selection: of the findings to show.
    """
    shown = tuple(finding for finding in report.findings if selection.includes(finding))
    others = [finding for finding in report.findings if not selection.includes(finding)]
    known = report.counts
    numbers = count_by_severity(others)
    hidden = Hidden(
        filtered={
            severity: numbers[severity]
            for severity, number in known.items()
            if severity not in selection.severities and number is not None
        },
        unfixed={
            severity: number for severity, number in numbers.items() if number and severity in selection.severities
        },
        fixable=sum(finding.fixable for finding in others),
        uncounted=report.hidden.uncounted,
        exploited=sum(finding.exploited for finding in others),
    )
    return replace(
        report,
        findings=shown,
        suppressed=tuple(finding for finding in report.suppressed if finding.severity in selection.severities),
        hidden=hidden,
    )


def mark_uncounted(report: ScanReport, counted: Set[Severity] = frozenset()) -> ScanReport:
    """Return a report that somebody gave, with the severities that it does not show to have been looked for.

    Trivy's report has no trace of `--severity`: without a finding of a severity it may have been made without it.

    Args:
        report: with the findings that it lists.
        counted: severities that are known to have been looked for.
    """
    seen = {finding.severity for finding in (*report.findings, *report.suppressed)} | counted
    uncounted = tuple(severity for severity in sorted(Severity, reverse=True) if severity not in seen)
    return replace(report, hidden=replace(report.hidden, uncounted=uncounted))
