"""CSV (RFC 4180): a row for each finding, suppressed findings at the end with their reason.

The last rows name the severities that are not shown, so that a file without findings does not look like a clean image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from s3c_actions.core.text import counted
from s3c_actions.findings.model import Finding, ScanReport, Severity
from s3c_actions.report.render.escape import FORMULA_STARTS, MAX_CELL, cell, is_visible

if TYPE_CHECKING:
    from s3c_actions.report.rendering import Rendering

HEADER = (
    *("severity", "kind", "id", "package", "installed", "fixed", "status", "type", "target", "line", "title"),
    *("score", "url", "purl", "suppressed", "image", "digest", "platform", "exploited_since", "epss"),
    *("exploited_due", "ransomware", "origin"),
)
_LATER = 5
"""Columns after those of the image; rows on what is not shown leave them empty."""
_OF_FINDINGS = HEADER[: -3 - _LATER]

HIDDEN = "not shown"
"""The kind of a row about findings that are not among the rows."""

_FORMULA_CELL = re.compile(f",[{re.escape(''.join(sorted(FORMULA_STARTS)))}]")


def render(report: ScanReport, rendering: Rendering) -> bytes:
    """Render a report; nothing is omitted, and a spreadsheet interprets no cell as a formula."""
    of_image = f",{_joined((report.image, report.digest, report.platform))},"
    # Python's csv module checks each character separately: three quarters of the time of a large report.
    rows = (
        f"{_joined(_row(finding))}{of_image}{_exploitation(finding)},{_origin(finding)}\r\n"
        for finding in (*report.findings, *report.suppressed)
    )
    notes = (f"{_joined(_hidden_row(*note))}{of_image}{',' * (_LATER - 1)}\r\n" for note in _hidden(report))
    return f"{','.join(HEADER)}\r\n{''.join(rows)}{''.join(notes)}".encode()


def _hidden(report: ScanReport) -> Iterator[tuple[Severity, str]]:
    """Yield the severities that are not shown, or not all of them, each with a note."""
    for severity in report.counts:
        filtered = report.hidden.filtered.get(severity, 0)
        unfixed = report.hidden.unfixed.get(severity, 0)
        if filtered:
            yield severity, f"{counted(filtered, 'finding')} not shown"
        if unfixed:
            yield severity, f"{counted(unfixed, 'finding')} without a fix not shown"
        if severity in report.hidden.uncounted and severity is not Severity.UNKNOWN:
            yield severity, "whether there are any is not known"


def _hidden_row(severity: Severity, note: str) -> tuple[str, ...]:
    """Return the cells of a note: in the columns of severity, kind and title."""
    filled = {"severity": severity.name, "kind": HIDDEN, "title": note}
    return tuple(filled.get(name, "") for name in _OF_FINDINGS)


def _joined(texts: tuple[str, ...]) -> str:
    """Join cells to a line, each escaped; most rows need no escape, which one check of the whole line shows."""
    joined = ",".join(texts)
    if (
        joined.count(",") == len(texts) - 1
        and len(joined) < MAX_CELL
        and is_visible(joined)
        and '"' not in joined
        and not _FORMULA_CELL.search(f",{joined}")
    ):
        return joined
    return ",".join(_quote_field(cell(text)) for text in texts)


def _quote_field(text: str) -> str:
    """Quote a cell by RFC 4180, 2.6 and 2.7; its line ends are already blanks."""
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def _exploitation(finding: Finding) -> str:
    """Return four cells: since when it is listed as exploited, EPSS from 0 to 1, due by when, use for ransomware."""
    known = finding.exploitation
    if known is None:
        return ",,,"
    estimate = "" if known.epss is None else f"{known.epss:.5f}"
    return f"{known.since},{estimate},{known.due},{'known' if known.ransomware else ''}"


def _origin(finding: Finding) -> str:
    """Return the last cell: whether it came with the base image or is the image's own; empty where nobody compared."""
    return {True: "base", False: "own", None: ""}[finding.from_base]


def _row(finding: Finding) -> tuple[str, ...]:
    """Return the cells, unescaped."""
    return (
        finding.severity.name,
        finding.kind,
        finding.id,
        finding.package,
        finding.installed,
        finding.fixed,
        finding.status,
        finding.package_type,
        finding.place,
        str(finding.line) if finding.line else "",
        finding.title,
        f"{finding.score:.1f}" if finding.score is not None else "",
        finding.url,
        finding.purl,
        finding.suppressed,
    )
