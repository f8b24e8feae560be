"""A scan in the sentence that its step ends with."""

from __future__ import annotations

from s3c_actions.core.text import plural
from s3c_actions.findings.headline import (
    describe_exploited,
    describe_findings,
    describe_hidden,
    describe_limits,
    list_counts,
    tally,
)
from s3c_actions.findings.model import ScanReport, count_by_severity
from s3c_actions.result.model import ScanResult


def summarize(result: ScanResult) -> str:
    """Summarize a scan: `35 fixable (22 high, 13 medium) in 8 packages, 4 without a fix`.

    Args:
        result: of the scan; what its reports show is counted.
    """
    report = result.shown
    numbers = tally(report)
    if (result.blind or result.overridden) and not numbers.total:
        return "not checked"
    if numbers.clean:
        text = "no findings"
    elif not numbers.total:
        text = describe_findings(numbers)
    else:
        note = describe_hidden(numbers)
        exploited = describe_exploited(numbers)
        text = (f"{exploited}, " if exploited else "") + _describe_fixes(report) + (f"; {note}" if note else "")
    return ", ".join(part for part in (text, describe_limits(result.scope)) if part)


def _describe_fixes(report: ScanReport) -> str:
    """Describe how many of the findings shown have a fix; there is at least one."""
    fixable = report.fixable
    rest = len(report.findings) - len(fixable)
    if not fixable:
        return f"{rest} without a fix"
    packages = len({finding.package for finding in fixable if finding.package})
    where = f" in {packages} {plural(packages, 'package')}" if packages else ""
    counts = list_counts(count_by_severity(fixable))
    return f"{len(fixable)} fixable ({counts}){where}" + (f", {rest} without a fix" if rest else "")
