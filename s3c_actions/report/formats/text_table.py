"""Plain text for terminals and logs: no colours, no Markdown, no line longer than a terminal's."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from s3c_actions.findings.base_image import describe_origin
from s3c_actions.findings.headline import NO_GATE, describe_findings, describe_limits, tally
from s3c_actions.findings.identity import COLLECTIVE_TARGETS
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, count_by_severity
from s3c_actions.report.formats.sentences import describe_demand, format_epss
from s3c_actions.report.render.escape import line

if TYPE_CHECKING:
    from s3c_actions.findings.scope import Scope
    from s3c_actions.report.rendering import Rendering

WIDTH = 120

_HEADINGS = {
    FindingKind.VULNERABILITY: (
        "Vulnerabilities",
        ("SEVERITY", "ID", "PACKAGE", "INSTALLED", "FIXED IN", "TITLE"),
    ),
    FindingKind.SECRET: ("Secrets", ("SEVERITY", "RULE", "FILE", "LINE", "TITLE")),
    FindingKind.MISCONFIGURATION: ("Misconfigurations", ("SEVERITY", "CHECK", "FILE", "LINE", "TITLE")),
    FindingKind.LICENSE: ("Licences", ("SEVERITY", "LICENCE", "PACKAGE", "CATEGORY", "FILE")),
}
_EXPLOITATION = ("EXPLOITED", "EPSS")
# Maximum widths of the columns; the last column gets the rest of the line.
_MAX_WIDTHS = (8, 24, 28, 20, 24)
_MAX_WIDTHS_EXPLOITATION = (8, 10, 6, 24, 24, 18, 18)


def render(report: ScanReport, rendering: Rendering) -> bytes:
    """Render a report, 120 columns wide; long cells are cut, findings are not."""
    facts = [report.digest, report.platform, report.os]
    lines = [
        cut_line(report.image),
        cut_line("  ".join(line(fact, 80) for fact in facts if fact)),
        "",
        *textwrap.wrap(summary_line(report, rendering.scope), WIDTH),
        *textwrap.wrap(_verdict(report, rendering), WIDTH),
        "",
    ]
    if report.os_end_of_life:
        lines += [
            f"{fit_column(line(report.os), 50).rstrip()} is past its end of life: "
            "its distributor no longer publishes fixes.",
            "",
        ]
    if rendering.difference is not None:
        difference = rendering.difference
        lines += [
            f"Compared with the baseline: {len(difference.new):,} new, {len(difference.fixed):,} fixed, "
            f"{len(difference.left):,} left.",
            "",
        ]
    if report.base_image is not None:
        own, inherited = describe_origin(count_by_severity(report.own), count_by_severity(report.inherited or ()))
        lines += [*textwrap.wrap(f"{own}, {inherited}: {line(report.base_image.name, 300)}", WIDTH), ""]
    for kind, (heading, columns) in _HEADINGS.items():
        for whose, findings in _by_origin(report):
            of_kind = [finding for finding in findings if finding.kind is kind]
            if not of_kind:
                continue
            if kind is FindingKind.VULNERABILITY and report.exploitation_data is not None:
                table = _table((columns[0], *_EXPLOITATION, *columns[1:]), map(_row_with_exploitation, of_kind))
            else:
                table = _table(columns, map(_row, of_kind))
            lines += [f"{heading}{whose} ({len(of_kind):,})", *table, ""]
    if report.suppressed:
        rows = (
            (finding.severity.name, finding.id, finding.package or finding.place, finding.suppressed)
            for finding in report.suppressed
        )
        lines += [f"Set aside ({len(report.suppressed):,})", *_table(("SEVERITY", "ID", "WHERE", "REASON"), rows), ""]
    return "\n".join(lines).encode()


def _by_origin(report: ScanReport) -> list[tuple[str, tuple[Finding, ...]]]:
    """Return the findings by whose they are, each with what is added to a heading."""
    if report.inherited is None:
        return [("", report.findings)]
    return [(" of its own", report.own), (" of its base", report.inherited)]


def summary_line(report: ScanReport, scope: Scope | None) -> str:
    """Return the counts as a sentence, such as "35 findings (22 high, 13 medium), 35 can be fixed".

    Args:
        report: with the findings shown.
        scope: of the scan; None where it is not known.
    """
    text = describe_findings(tally(report))
    if report.findings:
        text += f", {len(report.fixable):,} can be fixed"
    limits = describe_limits(scope)
    return f"{text[:1].upper()}{text[1:]}{f'; {limits}' if limits else ''}."


def _verdict(report: ScanReport, rendering: Rendering) -> str:
    """Return the gate's verdict as a sentence."""
    if rendering.closed:
        return f"The gate is closed: {line(rendering.closed, 1000)}"
    if not rendering.judged:
        return f"{NO_GATE}."
    known = tally(report).counted
    return "The gate is open: nothing closes it." if known else "Nothing that is known closes the gate."


def _row(finding: Finding) -> tuple[str, ...]:
    """Return the cells of a finding, which `_table` escapes."""
    severity = finding.severity.name
    if finding.kind is FindingKind.VULNERABILITY:
        fixed = line(finding.fixed) or (finding.status.replace("_", " ") if finding.status.isascii() else "") or "-"
        place = "" if finding.os_package or finding.place in COLLECTIVE_TARGETS else finding.place
        return (
            severity,
            finding.id,
            finding.package,
            finding.installed,
            fixed,
            ": ".join(filter(None, (place, finding.title))),
        )
    if finding.kind is FindingKind.LICENSE:
        return (severity, finding.id, finding.package, finding.category, finding.place)
    position = str(finding.line) if finding.line else "-"
    return (severity, finding.id, finding.target, position, finding.title)


def _row_with_exploitation(finding: Finding) -> tuple[str, ...]:
    """Return the cells, with the day on which it was listed as exploited and the likelihood that it will be."""
    severity, *others, title = _row(finding)
    known = finding.exploitation
    demand = describe_demand(known) if known is not None else ()
    title = ": ".join(filter(None, (", ".join(demand), title)))
    return (severity, (known.since if known is not None else "") or "-", format_epss(finding) or "-", *others, title)


def _table(columns: Sequence[str], rows: Iterable[tuple[str, ...]]) -> list[str]:
    widths = _MAX_WIDTHS_EXPLOITATION if columns[1:3] == _EXPLOITATION else _MAX_WIDTHS
    fitted_columns, remaining = [], WIDTH
    for number, column in enumerate(zip(columns, *rows, strict=True)):
        # Each text only once: in thousands of rows most texts repeat.
        lines = {text: line(text) for text in set(column)}
        last = number == len(columns) - 1
        width = remaining if last else min(widths[number], max(map(display_width, lines.values())))
        cells = {text: fit_column(line_text, width) for text, line_text in lines.items()}
        fitted_columns.append([cells[text] for text in column])
        remaining -= width + 2
    return ["  ".join(row).rstrip() for row in zip(*fitted_columns, strict=True)]


def display_width(text: str) -> int:
    """Return the width of a text in columns of a terminal."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut_line(text: str) -> str:
    """Return one line of printable text, no wider than WIDTH columns."""
    return fit_column(line(text), WIDTH).rstrip()


def fit_column(text: str, width: int) -> str:
    """Fit a text to a width in columns of a terminal: padded, or cut with `…`."""
    columns = display_width(text)
    if columns <= width:
        return text + " " * (width - columns)
    if text.isascii():
        return f"{text[: width - 1]}…"
    kept, used = [], 0
    for character in text:
        if used + _character_width(character) > width - 1:
            break
        kept.append(character)
        used += _character_width(character)
    return "".join(kept) + "…" + " " * (width - 1 - used)
