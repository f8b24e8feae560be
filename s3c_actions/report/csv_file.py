"""CSV (RFC 4180): a row for each finding, suppressed ones at the end with their reason."""

from __future__ import annotations

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
    image = (_field(cell(one)) for one in (report.image, report.digest, report.platform))
    end = f",{','.join(image)}\r\n"
    # Python's csv module looks at each character on its own: three quarters of the time of a large report.
    rows = (",".join(map(_field, _row(finding))) + end for finding in (*report.findings, *report.suppressed))
    return f"{','.join(HEADER)}\r\n{''.join(rows)}".encode()


def _field(text: str) -> str:
    """Quoted as RFC 4180, 2.6 and 2.7, has it; a cell has no line ends, they are blanks by now."""
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def _row(finding: Finding) -> tuple[str, ...]:
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
    )
