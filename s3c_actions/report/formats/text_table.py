"""Plain text for terminals and logs: no colours, no Markdown, no line longer than a terminal's."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from s3c_actions.core.text import counted
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, count_by_severity
from s3c_actions.report.render.escape import line

if TYPE_CHECKING:
    from s3c_actions.report.formats import Rendering

WIDTH = 120

_HEADINGS = {
    FindingKind.VULNERABILITY: ("Vulnerabilities", ("SEVERITY", "ID", "PACKAGE", "INSTALLED", "FIXED IN", "TITLE")),
    FindingKind.SECRET: ("Secrets", ("SEVERITY", "RULE", "FILE", "LINE", "TITLE")),
    FindingKind.MISCONFIGURATION: ("Misconfigurations", ("SEVERITY", "CHECK", "FILE", "LINE", "TITLE")),
    FindingKind.LICENSE: ("Licences", ("SEVERITY", "LICENCE", "PACKAGE", "CATEGORY", "FILE")),
}
# The widest a column gets; the last one takes what is left of the line.
_WIDEST = (8, 24, 28, 20, 24)


def render(report: ScanReport, rendering: Rendering) -> bytes:
    """Render a report, 120 columns wide; long cells are cut, findings are not."""
    facts = [report.digest, report.platform, report.os]
    out = [
        cut_line(report.image),
        cut_line("  ".join(line(fact, 80) for fact in facts if fact)),
        "",
        summary_line(report),
        "",
    ]
    if report.os_end_of_life:
        out += [
            f"{fit_column(line(report.os), 50).rstrip()} is past its end of life: "
            "its distributor mends nothing any more.",
            "",
        ]
    if rendering.difference is not None:
        change = rendering.difference
        out += [
            f"Compared with the baseline: {len(change.new):,} new, {len(change.fixed):,} fixed, "
            f"{len(change.left):,} left.",
            "",
        ]
    for kind, (heading, columns) in _HEADINGS.items():
        found = [finding for finding in report.findings if finding.kind is kind]
        if found:
            out += [f"{heading} ({len(found):,})", *_table(columns, (_row(finding) for finding in found)), ""]
    if report.suppressed:
        rows = ((one.severity.name, one.id, one.package or one.target, one.suppressed) for one in report.suppressed)
        out += [f"Set aside ({len(report.suppressed):,})", *_table(("SEVERITY", "ID", "WHERE", "REASON"), rows), ""]
    return "\n".join(out).encode()


def summary_line(report: ScanReport) -> str:
    """`35 findings: 22 high, 13 medium; 35 have a fix`, in one line."""
    total = len(report.findings)
    if not total:
        return "Nothing found."
    counts = ", ".join(
        f"{n:,} {severity.name.lower()}" for severity, n in count_by_severity(report.findings).items() if n
    )
    fixable = len(report.fixable)
    return f"{counted(total, 'finding')}: {counts}; {fixable:,} can be fixed."


def _row(finding: Finding) -> tuple[str, ...]:
    """The cells of a finding, which `_table` escapes."""
    severity = finding.severity.name
    if finding.kind is FindingKind.VULNERABILITY:
        fixed = line(finding.fixed) or (finding.status.replace("_", " ") if finding.status.isascii() else "") or "-"
        return (severity, finding.id, finding.package, finding.installed, fixed, finding.title)
    if finding.kind is FindingKind.LICENSE:
        return (severity, finding.id, finding.package, finding.category, finding.target)
    where = str(finding.line) if finding.line else "-"
    return (severity, finding.id, finding.target, where, finding.title)


def _table(columns: Sequence[str], rows: Iterable[tuple[str, ...]]) -> list[str]:
    fitted, left = [], WIDTH
    for number, column in enumerate(zip(columns, *rows, strict=True)):
        # Each text once: in thousands of rows most of them repeat.
        lines = {text: line(text) for text in set(column)}
        last = number == len(columns) - 1
        width = left if last else min(_WIDEST[number], max(map(_columns, lines.values())))
        cells = {text: fit_column(one, width) for text, one in lines.items()}
        fitted.append([cells[text] for text in column])
        left -= width + 2
    return ["  ".join(row).rstrip() for row in zip(*fitted, strict=True)]


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(_of(one) for one in text)


def _of(one: str) -> int:
    if unicodedata.combining(one) or unicodedata.category(one) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1


def cut_line(text: str) -> str:
    """One line of printable text, no wider than WIDTH columns."""
    return fit_column(line(text), WIDTH).rstrip()


def fit_column(text: str, width: int) -> str:
    """The text in so many columns of a terminal: filled up, or cut with `…`."""
    taken = _columns(text)
    if taken <= width:
        return text + " " * (width - taken)
    if text.isascii():
        return f"{text[: width - 1]}…"
    kept, used = [], 0
    for one in text:
        if used + _of(one) > width - 1:
            break
        kept.append(one)
        used += _of(one)
    return "".join(kept) + "…" + " " * (width - 1 - used)
