"""The worst findings of an image as rows for a terminal and a log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from s3c_actions.findings.model import Finding, FindingKind, ScanReport
from s3c_actions.report.formats.text_table import display_width, fit_column
from s3c_actions.report.render.escape import line

MAX_PACKAGE = 28
MIN_TITLE = 16


def finding_rows(report: ScanReport, *, width: int, most: int, more: Path | None) -> list[str]:
    """Return a row for each of the worst findings: severity, package, versions, id and title, aligned.

    Versions and ids are never cut; the title is, or is left out on a narrow terminal.

    Args:
        report: with the findings shown, the most severe first.
        width: in columns.
        most: the maximum number of rows.
        more: the file that has all findings, named when there are more than that.
    """
    shown = report.findings[:most]
    if not shown:
        return []
    cells = [_cells(finding) for finding in shown]
    widths = [max(display_width(row[column]) for row in cells) for column in range(4)]
    room = width - sum(widths) - 2 * (len(widths) + 1)
    rows = []
    for row in cells:
        fixed = [fit_column(text, columns) for text, columns in zip(row, widths, strict=False)]
        title = fit_column(row[4], room) if room >= MIN_TITLE else ""
        rows.append(f"  {'  '.join([*fixed, title])}".rstrip())
    left = len(report.findings) - len(shown)
    if left:
        rows.append(f"  {left:,} more{f': {line(str(more), 1000)}' if more is not None else ''}")
    return rows


def _cells(finding: Finding) -> Sequence[str]:
    """Return severity, package or file, versions, id and title as lines of printable text."""
    package = line(finding.package or finding.place, MAX_PACKAGE)
    if finding.kind is not FindingKind.VULNERABILITY:
        position = f"line {finding.line}" if finding.line else ""
        return finding.severity.name, package, position, line(finding.id, 60), line(finding.title, 200)
    fixed = line(finding.fixed, 80) or line(finding.status.replace("_", " "), 30) or "no fix"
    versions = f"{line(finding.installed, 80)} → {fixed if fixed != 'affected' else 'no fix yet'}"
    return finding.severity.name, package, versions, line(finding.id, 60), line(finding.title, 200)
