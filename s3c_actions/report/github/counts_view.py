"""Findings by severity: the tables of counts, and the chart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup

from s3c_actions.findings.entry import FindingEntry
from s3c_actions.findings.headline import describe_exploited, describe_hidden, format_count
from s3c_actions.findings.model import Severity
from s3c_actions.report.document import Counts, ImageResult
from s3c_actions.report.render.markdown import mark_safe

RATED_SEVERITIES = ("critical", "high", "medium", "low")


def overview_severities(images: Sequence[ImageResult]) -> list[str]:
    """Return the severities of the table of several images; the last is for unrated findings, if any image has some."""
    unrated = any(counts.unknown for image in images for _, counts in _count_rows(image))
    return [*RATED_SEVERITIES, *(["unknown"] if unrated else [])]


def overview_titles(images: Sequence[ImageResult]) -> list[str]:
    """Return the titles of these columns, which say what an arrow is when some image was patched."""
    note = "<br/><sub>before&nbsp;→&nbsp;after</sub>" if any(len(_count_rows(image)) > 1 for image in images) else ""
    return [mark_safe(f"{severity.capitalize()}{note}") for severity in overview_severities(images)]


def _count_rows(image: ImageResult) -> list[tuple[str, Counts]]:
    """Return the rows of the table of counts: title and counts."""
    patch = image.patch
    if patch is not None and patch.after is not None:
        return [("before", patch.before), ("**after**", image.findings or patch.after)]
    counts = image.findings
    return [("found", counts)] if counts is not None else []


def severity_columns(image: ImageResult) -> list[str]:
    """Return the severities of the table of counts; the last is for unrated findings, if there are any."""
    scans = _count_rows(image)
    unrated = any(counts.unknown or counts.tally.hidden.filtered.get(Severity.UNKNOWN) for _, counts in scans)
    return [*RATED_SEVERITIES, *(["unknown"] if unrated else [])] if scans else []


def counts_table(image: ImageResult) -> list[dict[str, Any]]:
    """Return the rows of the table of counts: name, a number for each of the columns, and a note."""
    rows = []
    for title, counts in _count_rows(image):
        after = title not in {"before", "found"}
        bold = "**" if after else ""
        rows.append(
            {
                "name": mark_safe(title),
                "numbers": [
                    mark_safe(f"{bold}{format_count(counts.of(severity))}{bold}")
                    for severity in severity_columns(image)
                ],
                "note": _note(counts, after=after),
            }
        )
    return rows


def _note(counts: Counts, *, after: bool) -> Markup:
    exploited = describe_exploited(counts.tally)
    text = _numbers_note(counts, after=after)
    return mark_safe("; ".join(part for part in (text, exploited and f"**{exploited}**") if part))


def _numbers_note(counts: Counts, *, after: bool) -> str:
    total, fixable = counts.total, counts.fixable
    hidden = describe_hidden(counts.tally)
    if total is None:
        return hidden
    if not total:
        return "nothing left" if after else "nothing found"
    if not fixable:
        fixes = "none has a fix yet" if total > 1 else "it has no fix yet"
    elif fixable == total:
        fixes = "all have a fix" if total > 1 else "it has a fix"
    else:
        fixes = f"{fixable:,} {'has' if fixable == 1 else 'have'} a fix"
    note = f"{total:,} left, {fixes}" if after else fixes
    return f"{note}; {hidden}" if hidden else note


def severity_change(image: ImageResult, severity: str) -> Markup:
    """Return `22 → **0**`, or a single number when nothing was patched."""
    numbers = [format_count(counts.of(severity)) for _, counts in _count_rows(image)]
    return mark_safe(f"{numbers[0]}&nbsp;→&nbsp;**{numbers[1]}**" if len(numbers) == 2 else "".join(numbers))


_BAR_LENGTH = 40


def severity_chart(image: ImageResult) -> Markup:
    """Render a bar of text for each severity: fixed by the patch, with a fix, without a fix."""
    counts = image.findings
    if counts is None or (not image.remaining and not (image.patch and image.patch.fixed)):
        return mark_safe("")
    fixed = count_by_severity(image.patch.fixed if image.patch is not None else ())
    fixable = count_by_severity(finding for finding in image.remaining if finding.fixable)
    rows = [
        severity
        for severity in (*RATED_SEVERITIES, "unknown")
        if severity != "unknown" or counts.of(severity) or fixed.get(severity)
    ]
    totals = {severity: fixed.get(severity, 0) + (counts.of(severity) or 0) for severity in rows}
    numbers = {
        severity: format_count(total if counts.of(severity) is not None else None) for severity, total in totals.items()
    }
    highest = max(totals.values())
    width = max(map(len, numbers.values()))
    lines = []
    for severity in rows:
        solved = fixed.get(severity, 0), fixable.get(severity, 0)
        parts = (*solved, max(0, totals[severity] - sum(solved)))
        bar = "".join(symbol * _bar_length(part, highest) for symbol, part in zip("░▒█", parts, strict=True))
        lines.append(f"{severity.capitalize():<9}{numbers[severity]:>{width}}  {bar}".rstrip())
    shown_parts = [
        bool(fixed),
        bool(fixable),
        any((counts.of(severity) or 0) - fixable.get(severity, 0) > 0 for severity in rows),
    ]
    legend = zip(("░ fixed", "▒ has a fix", "█ no fix yet"), shown_parts, strict=True)
    return mark_safe("\n".join([*lines, "", "   ".join(text for text, shown in legend if shown)]))


def _bar_length(part: int, highest: int) -> int:
    """Return the length of a part of a bar: at least 1 for a count above 0; the count itself when counts are low."""
    return part if highest <= _BAR_LENGTH else max(round(part * _BAR_LENGTH / highest), int(part > 0))


def count_by_severity(findings: Iterable[FindingEntry]) -> dict[str, int]:
    """Return severity in lower case → number of findings; without those that have none."""
    counts: dict[str, int] = {}
    for finding in findings:
        severity = finding.severity.lower()
        counts[severity] = counts.get(severity, 0) + 1
    return counts
