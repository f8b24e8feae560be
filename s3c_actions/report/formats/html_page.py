"""A self-contained page: it loads nothing, runs only its own script, and shows the worst findings without it.

Rows are data that the script adds to the page as text nodes, so that 30,000 of them stay fast; the most severe are in
a static table for readers without scripts.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core.text import short_digest
from s3c_actions.findings.headline import (
    NO_GATE,
    describe_findings,
    describe_hidden,
    describe_limits,
    format_count,
    tally,
)
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity, count_by_severity
from s3c_actions.report.formats.sentences import describe_demand, format_share
from s3c_actions.report.render import escape, page

if TYPE_CHECKING:
    from s3c_actions.report.rendering import Rendering

STATIC_ROWS = 100
LONGEST_VERSION = 48
"""Characters of a version that is never broken between two lines."""
_TEMPLATE = "report.html.j2"

_KINDS = {
    FindingKind.VULNERABILITY: "vulnerability",
    FindingKind.SECRET: "secret",
    FindingKind.MISCONFIGURATION: "misconfiguration",
    FindingKind.LICENSE: "licence",
}


class _Column(msgspec.Struct, frozen=True):
    """A column of the table.

    Attributes:
        place: of its value in a row's data.
        name: of its value in a static row.
        style: class of its cells.
        labelled: whether a cell needs the column's title where each finding is a card.
    """

    place: int
    name: str
    title: str
    style: str
    labelled: bool = False


_COLUMNS = (
    _Column(0, "severity", "Severity", "severity"),
    _Column(13, "since", "Exploited", "exploited"),
    _Column(14, "epss", "EPSS", "score", labelled=True),
    _Column(2, "id", "Id", "id"),
    _Column(4, "package", "Package or file", "package"),
    _Column(5, "installed", "Installed", "version", labelled=True),
    _Column(6, "fixed", "Fixed in", "version", labelled=True),
    _Column(9, "score", "CVSS", "score", labelled=True),
    _Column(8, "title", "What it is", "title"),
)
_ALWAYS = {"severity", "id", "package", "title"}


def render(report: ScanReport, rendering: Rendering) -> bytes:
    """Render a report; nothing is omitted.

    Args:
        report: every finding.
        rendering: with the gate's verdict; its difference marks what is new.
    """
    new = set(rendering.difference.new) if rendering.difference else set()
    rows = [_row(finding, bool(new) and finding in new) for finding in report.findings]
    suppressed_rows = [_row(finding, False) for finding in report.suppressed]
    numbers = tally(report)
    data = msgspec.json.encode({"rows": rows, "aside": suppressed_rows}).decode()
    script, script_hash = _script()
    text = (
        page.page_environment()
        .get_template(_TEMPLATE)
        .render(
            report={
                "title": escape.line(rendering.title or _shorten_digest(report.image)),
                "facts": [(name, escape.line(value)) for name, value in _facts(report) if value],
                "total": len(report.findings),
                "headline": "; ".join(
                    part for part in (describe_findings(numbers), describe_limits(rendering.scope)) if part
                ),
                "partial": bool(describe_hidden(numbers) or describe_limits(rendering.scope)),
                "clean": numbers.clean,
                "counted": numbers.counted,
                "worst": numbers.worst.name.lower() if numbers.worst is not None else "unknown",
                "suppressed": len(report.suppressed),
                "own": len(report.own) if report.base_image is not None else None,
                "end_of_life": report.os_end_of_life,
                "os": escape.line(report.os),
            },
            links=rendering.links,
            columns=_columns([*rows, *suppressed_rows]),
            longest=LONGEST_VERSION,
            tiles=_tiles(report),
            exploited=_exploited_tile(report),
            difference=rendering.difference,
            judged=rendering.judged,
            closed=escape.line(rendering.closed),
            no_gate=NO_GATE,
            static=[_static_row(row) for row in rows[:STATIC_ROWS]],
            data=data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
            script=script,
            policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src '{script_hash}'; "
            "base-uri 'none'; form-action 'none'",
        )
    )
    return text.encode()


def prepare() -> None:
    """Load ahead of time what `render` caches."""
    for name in (_TEMPLATE, "page.css", "related.html.j2"):
        page.page_environment().get_template(name)
    _script()


def _tiles(report: ScanReport) -> list[dict[str, Any]]:
    """Return the values of the tile of each severity; of a severity that is not shown it has no number."""
    fixable = count_by_severity(report.fixable)
    hidden = report.hidden
    tiles = []
    for severity, number in report.counts.items():
        others = hidden.filtered.get(severity, 0) + hidden.unfixed.get(severity, 0)
        if severity is Severity.UNKNOWN and not number and not others:
            continue
        if number:
            note = f"{fixable[severity]:,} can be fixed" + (f", {others:,} not shown" if others else "")
        elif number == 0:
            note = "none"
        elif others:
            note = f"{others:,} not shown"
        else:
            note = "not known" if severity in hidden.uncounted else "not shown"
        tiles.append(
            {
                "name": severity.name.lower(),
                "title": severity.title,
                "count": number or 0,
                "number": format_count(number),
                "note": note,
            }
        )
    return tiles


def _exploited_tile(report: ScanReport) -> dict[str, Any] | None:
    """Return the values of the tile of what is exploited; None where it was not looked up."""
    number = report.total_exploited
    if number is None or report.exploitation_data is None:
        return None
    hidden = report.hidden.exploited
    note = f"{hidden:,} not shown" if hidden else f"by CISA's list of {report.exploitation_data.kev_released[:10]}"
    return {"count": number - hidden, "number": format_count(number), "note": note}


def _columns(rows: list[list[Any]]) -> list[_Column]:
    """Return the columns that have a value in some row, and those that identify a finding."""
    return [
        column
        for column in _COLUMNS
        if column.name in _ALWAYS or any(row[column.place] not in {"", None} for row in rows)
    ]


def _shorten_digest(image: str) -> str:
    """Return an image's name with a short digest; the whole digest is among the page's facts."""
    name, at, digest = image.rpartition("@")
    return f"{name}@{short_digest(digest)}" if at else image


def _facts(report: ScanReport) -> tuple[tuple[str, str], ...]:
    return (
        ("digest", report.digest),
        ("platform", report.platform),
        ("system", report.os),
        ("base", report.base_image.name if report.base_image is not None else ""),
        ("scanned", report.created[:19].replace("T", " ")),
        ("scanner", f"Trivy {report.scanner_version}" if report.scanner_version else ""),
        ("database of", report.database[:10]),
        *_exploitation_facts(report),
    )


def _exploitation_facts(report: ScanReport) -> tuple[tuple[str, str], ...]:
    data = report.exploitation_data
    return () if data is None else (("KEV of", data.kev_released[:10]), ("EPSS of", data.epss_date))


def _row(finding: Finding, new: bool) -> list[Any]:
    """Return the values that the script reads.

    Severity, kind, id, link, package, installed, fixed, place, title, score, new, reason, fixable, exploited since,
    EPSS, own, what CISA says besides.
    """
    known = finding.exploitation
    place = finding.place
    text = finding.title
    if finding.kind is not FindingKind.VULNERABILITY:
        text = ": ".join(part for part in (finding.title, finding.remedy or finding.description) if part)
        place = f"{place}:{finding.line}" if finding.line else place
    fixed = finding.fixed or (finding.status.replace("_", " ") if finding.kind is FindingKind.VULNERABILITY else "")
    return [
        int(finding.severity),
        _KINDS[finding.kind],
        escape.line(finding.id, 200),
        escape.url(finding.url),
        escape.line(finding.package, 200),
        escape.line(finding.installed, 100),
        escape.line(fixed, 100),
        "" if finding.os_package else escape.line(place, 200),
        escape.line(text, 300),
        finding.score,
        int(new),
        escape.line(finding.suppressed, 300),
        int(finding.fixable),
        known.since if known is not None else "",
        known.epss if known is not None else None,
        int(not finding.from_base),
        ", ".join(describe_demand(known)) if known is not None else "",
    ]


def _static_row(row: list[Any]) -> dict[str, Any]:
    names = ("severity", "kind", "id", "url", "package", "installed", "fixed", "place", "title", "score", "new")
    return dict(zip(names, row, strict=False)) | {
        "word": Severity(row[0]).title,
        "class": Severity(row[0]).name.lower(),
        "since": row[13],
        "demand": row[16],
        "likelihood": "" if row[14] is None else format_share(row[14]),
    }


@cache
def _script() -> tuple[str, str]:
    """Return the page's script and its hash for the content security policy, which allows no other."""
    source = page.template_source("report.js")
    return source, page.csp_hash(source)
