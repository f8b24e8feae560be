"""CSV (RFC 4180): a row for each finding, suppressed ones at the end with their reason."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from s3c_actions.report.escape import cell
from s3c_actions.report.model import Finding, ScanReport

if TYPE_CHECKING:
    from s3c_actions.report.formats import Rendering

HEADER = (
    *("severity", "kind", "id", "package", "installed", "fixed", "status", "type", "target", "line", "title"),
    *("score", "url", "purl", "suppressed", "image", "digest", "platform"),
)


def render(report: ScanReport, rendering: Rendering) -> bytes:
    """Render a report; nothing is left out, and no cell is a formula to a spreadsheet."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    image = (cell(report.image), cell(report.digest), cell(report.platform))
    writer.writerows(_row(finding, image) for finding in report.findings)
    writer.writerows(_row(finding, image) for finding in report.suppressed)
    return out.getvalue().encode()


def _row(finding: Finding, image: tuple[str, str, str]) -> tuple[str, ...]:
    return (
        finding.severity.name,
        finding.kind,
        cell(finding.id),
        cell(finding.package),
        cell(finding.installed),
        cell(finding.fixed),
        cell(finding.status),
        cell(finding.package_type),
        cell(finding.path or finding.target),
        str(finding.line) if finding.line else "",
        cell(finding.title),
        f"{finding.score:.1f}" if finding.score is not None else "",
        cell(finding.url),
        cell(finding.purl),
        cell(finding.suppressed),
        *image,
    )
