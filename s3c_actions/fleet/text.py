"""A fleet's report as text: on a terminal, as GitHub's job summary, and as the issue on what waits for a decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from markupsafe import Markup

from s3c_actions.core.text import counted
from s3c_actions.fleet.report_document import (
    ExpiringException,
    FleetReport,
    OwnerFigures,
    ReportedFinding,
    ReportedImage,
)
from s3c_actions.fleet.summarize import describe
from s3c_actions.fleet.view import (
    SHOWN,
    STATES,
    Cause,
    causes,
    describe_attacks,
    describe_losing,
    losing,
    reasons,
    short_name,
    time_left,
)
from s3c_actions.report.render import escape, markdown
from s3c_actions.report.render.markdown import MAX_ROWS, Table, mark_safe, table_head

SUMMARY_BYTES = 1_000_000
"""GitHub shows 1 MiB of a step's summary."""
ISSUE_BYTES = 60_000
MAX_CAUSES = 20
MAX_FINDINGS = 10
MAX_REASONS = 3
TEMPLATE = "fleet.md.j2"

_Row = TypeVar("_Row")


def render_summary(report: FleetReport, *, run_url: str = "", budget: int = SUMMARY_BYTES) -> str:
    """Render the report in GitHub's Markdown: the verdict, reasons, owners, and tables that are cut to fit.

    Args:
        report: on the fleet.
        run_url: of the run that writes it; empty without one.
        budget: maximum bytes of UTF-8.
    """
    waiting = [image for image in report.images if image.needs_attention]
    patched = [image for image in report.images if image.state == "patched"]
    fixable = [finding for finding in report.findings if finding.fixed_version]
    severities = [f">{name.title()}" for name in SHOWN]
    tables = [
        _table("Images that need a decision", waiting, _waiting_row, ("Image", "Owner", "State", "Why")),
        _table(
            "What the policy will refuse",
            [image for image, _ in losing(report)],
            _losing_row,
            ("From", "Image", "Owner", "Why"),
        ),
        _table("Patched in this run", patched, _patched_row, ("Image", "Owner", ">Fixed", "Deploy")),
        _table("Owners", report.owners, _owner_row, ("Owner", ">Images", ">To decide", *severities, ">Ending")),
        _table(
            "Worst findings with a fix",
            fixable[:MAX_FINDINGS],
            _finding_row,
            ("Severity", "Id", "Package", "Fixed in", ">Images"),
        ),
        _table(
            "Exceptions that end soon",
            report.exceptions,
            lambda exception: _exception_row(exception, time_left(exception, report)),
            ("Until", "Finding", "Accepted by", ">Images"),
        ),
    ]
    shown = [table for table in tables if table.count]
    figures = report.figures
    every_cause = causes(report.images)
    values: dict[str, Any] = {
        "good": not figures.attention,
        "sentence": describe(report),
        "states": ", ".join(
            f"{figures.states[state]:,} {STATES[state][2]}" for state in STATES if figures.states.get(state)
        ),
        "fixable": ", ".join(
            f"{figures.fixable[name]:,} {name.lower()}" for name in SHOWN if figures.fixable.get(name)
        ),
        "fixed": f"{counted(figures.fixed, 'finding')} fixed" if figures.fixed else "",
        "days": "" if figures.days_to_fix is None else f"{figures.days_to_fix:,.0f}",
        "losing": describe_losing(report),
        "before": _changes(report),
        "causes": [_cause_line(cause) for cause in every_cause[:MAX_CAUSES]],
        "omitted": max(0, len(every_cause) - MAX_CAUSES),
        "tables": shown,
        "notes": report.notes,
        "run_url": mark_safe(escape.url(run_url)),
    }
    return markdown.render(TEMPLATE, values, shown, budget)


def render_terminal(report: FleetReport) -> str:
    """Render a line on the whole, one for each reason to decide something, and one on what is left."""
    figures = report.figures
    lines = [f"{'✘' if figures.attention else '✔'} {describe(report)}"]
    every_cause = causes(report.images)
    for cause in every_cause[:MAX_CAUSES]:
        lines += [
            f"  {len(cause.images):>6,} {cause.state[2]}: {escape.line(cause.reason)}",
            f"         {', '.join(cause.examples)}{' …' if cause.more else ''}",
        ]
    if len(every_cause) > MAX_CAUSES:
        lines.append(f"         and {len(every_cause) - MAX_CAUSES:,} other reasons")
    states = [f"{figures.states[state]:,} {STATES[state][2]}" for state in STATES if figures.states.get(state)]
    left = [f"{figures.fixable[name]:,} {name.lower()}" for name in SHOWN if figures.fixable.get(name)]
    lines.append(f"  {', '.join(states)}; left with a fix: {', '.join(left) or 'nothing'}")
    if coming := describe_losing(report):
        lines.append(f"  {coming}")
    if report.exceptions:
        lines.append(f"  {counted(len(report.exceptions), 'exception')} end soon or have ended")
    lines += [f"  ⚠ {escape.line(note)}" for note in report.notes]
    return "".join(f"{line}\n" for line in lines)


def issue_title(report: FleetReport) -> str:
    """Return the issue's title."""
    figures = report.figures
    if figures.attention:
        return f"Fleet: {figures.attention:,} of {counted(figures.images, 'image')} need a decision"
    if images := losing(report):
        return f"Fleet: {counted(len(images), 'image')} {'is' if len(images) == 1 else 'are'} refused at the next start"
    return f"Fleet: {counted(len(report.exceptions), 'exception')} end soon"


def render_issue(report: FleetReport, *, run_url: str = "") -> str:
    """Render the issue: as the summary, within an issue's limit, without what differs in every run.

    Args:
        report: on the fleet.
        run_url: of the run that writes it; empty without one.
    """
    ending = "This issue is kept up to date by every run, and closed when nothing is left.\n"
    return render_summary(report, run_url=run_url, budget=ISSUE_BYTES - len(ending)) + "\n" + ending


def has_issue(report: FleetReport) -> bool:
    """Return whether a person has something to decide."""
    return bool(report.figures.attention or report.exceptions or losing(report))


def prepare() -> None:
    """Load ahead of time what `render_summary` caches."""
    markdown.markdown_environment().get_template(TEMPLATE)


def _table(title: str, rows: Sequence[_Row], row: Callable[[_Row], str], columns: Sequence[str]) -> Table:
    return Table(
        title=title,
        head=table_head(*columns),
        rows=[row(entry) for entry in rows[:MAX_ROWS]],
        count=len(rows),
        opened=title == "Owners",
    )


def _waiting_row(image: ReportedImage) -> str:
    return _cells(
        escape.code(short_name(image)),
        escape.markdown(image.owner, 100),
        STATES[image.state][2],
        escape.markdown(image.reason),
    )


def _losing_row(image: ReportedImage) -> str:
    listed = reasons(image)
    more = f"<br/>and {len(listed) - MAX_REASONS:,} more" if len(listed) > MAX_REASONS else ""
    return _cells(
        listed[0][0],
        escape.code(short_name(image)),
        escape.markdown(image.owner, 100),
        "<br/>".join(f"{moment}: {escape.markdown(reason)}" for moment, reason in listed[:MAX_REASONS]) + more,
    )


def _patched_row(image: ReportedImage) -> str:
    return _cells(
        escape.code(short_name(image)),
        escape.markdown(image.owner, 100),
        f"{image.fixed:,}",
        escape.code(image.reference, 300),
    )


def _owner_row(owner: OwnerFigures) -> str:
    numbers = (owner.images, owner.attention, *(owner.fixable.get(name, 0) for name in SHOWN), owner.expiring)
    return _cells(escape.markdown(owner.owner, 100) or "nobody named", *(f"{number:,}" for number in numbers))


def _finding_row(finding: ReportedFinding) -> str:
    attacks = describe_attacks(finding)
    return _cells(
        finding.severity.title(),
        escape.markdown_link(finding.id, finding.url)
        + (f"<br/>**exploited** ({escape.markdown(attacks, 60)})" if attacks else ""),
        escape.code(finding.package),
        escape.code(finding.fixed_version),
        f"{finding.images:,}",
    )


def _exception_row(exception: ExpiringException, left: str) -> str:
    place = f" in {escape.code(exception.package)}" if exception.package else ""
    return _cells(
        f"{exception.until} ({left})" if left else exception.until,
        f"{escape.code(exception.id)}{place}: {escape.markdown(exception.why)}",
        escape.markdown(exception.who, 100),
        f"{exception.images:,}",
    )


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cause_line(cause: Cause) -> Markup:
    kind = f"**{len(cause.images):,} {cause.state[2]}**"
    owners = f" ({escape.markdown(', '.join(cause.owners))})" if cause.owners else ""
    remedy = f" **Next:** {escape.markdown(cause.remedy)}" if cause.remedy else ""
    images = ", ".join(escape.code(name) for name in cause.examples)
    more = f" and {cause.more:,} more" if cause.more else ""
    return mark_safe(f"{kind}{owners}: {escape.markdown(cause.reason)}{remedy}<br>{images}{more}")


def _changes(report: FleetReport) -> str:
    """Return what changed since the report before, as a clause; empty without one."""
    if not report.trend:
        return ""
    before, figures = report.trend[-1], report.figures
    severe = [sum(point.fixable.get(name, 0) for name in SHOWN[:2]) for point in (before, figures)]
    return (
        f"of {before.created[:10]}: {before.attention:,} to decide then, {figures.attention:,} now; "
        f"{severe[0]:,} critical and high with a fix then, {severe[1]:,} now"
    )
