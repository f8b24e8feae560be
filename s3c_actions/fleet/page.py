"""Render a fleet's report as one self-contained page: it loads nothing, and runs only its own script.

On top is what a person has to decide: what failed and why, by owner; then what is left to fix. All images are in a
table that the script filters and sorts: it adds rows as text nodes, a few hundred at a time, so thousands stay fast.
Without scripts every image can be read all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from markupsafe import Markup

from s3c_actions.core.text import counted, short_digest
from s3c_actions.fleet.report_document import FleetReport, ReportedImage, TrendPoint
from s3c_actions.fleet.summarize import describe
from s3c_actions.fleet.view import (
    SHOWN,
    STATES,
    age_in_hours,
    causes,
    describe_attacks,
    describe_losing,
    ends_soon,
    losing,
    reasons,
    short_name,
    time_left,
)
from s3c_actions.report.render import escape, page, template_cache

if TYPE_CHECKING:
    import jinja2

TEMPLATE = "fleet.html.j2"
STATIC_ROWS = 100
"""Rows in the table before the script replaces them; the others are for readers without scripts only."""
MAX_CAUSES = 12
MAX_OWNERS = 15
MAX_FINDINGS = 12
MAX_EXCEPTIONS = 30
MAX_LOSING = 15
MAX_REASONS = 5
MAX_POINTS = 90


class _Tile(msgspec.Struct, frozen=True, kw_only=True):
    """A figure on top of the page; a click on one with a `filter` shows its images alone."""

    title: str
    number: str
    note: str
    filter: str = ""
    tone: str = "plain"

    @property
    def none(self) -> bool:
        """Return whether there is nothing to show."""
        return self.number in {"0", "–"}


def render(report: FleetReport) -> bytes:
    """Render a report; every image is in it, lists on top of them are cut, with the number of omitted items."""
    style = page.template_source("page.css") + page.template_source("fleet.css")
    script = page.template_source("fleet.js")
    owners = [figures.owner for figures in report.owners]
    decisions = causes(report.images)
    numbers = {image.image: number for number, cause in enumerate(decisions) for image in cause.images}
    coming = losing(report)
    rows = [_row(image, report, owners, numbers.get(image.image)) for image in report.images]
    data = msgspec.json.encode(
        {
            "rows": [row["values"] for row in rows],
            "owners": [_line(owner, 200) for owner in owners],
            "states": [[tone, mark, word] for tone, mark, word in STATES.values()],
            "findings": [
                [
                    SHOWN.index(finding.severity) if finding.severity in SHOWN else len(SHOWN),
                    _line(finding.id, 100),
                    _line(finding.package, 120),
                    _line(finding.fixed_version, 80),
                    escape.url(finding.url),
                ]
                for finding in report.findings
            ],
        }
    ).decode()
    text = (
        _environment()
        .get_template(TEMPLATE)
        .render(
            report=report,
            sentence=describe(report),
            facts=_facts(report),
            tiles=_tiles(report),
            causes=decisions[:MAX_CAUSES],
            omitted_causes=max(0, len(decisions) - MAX_CAUSES),
            coming=describe_losing(report),
            losing=[(short_name(image), image.owner, reasons(image)[:MAX_REASONS]) for image, _ in coming[:MAX_LOSING]],
            omitted_losing=max(0, len(coming) - MAX_LOSING),
            owners=report.owners[:MAX_OWNERS],
            all_owners=list(enumerate(owners)),
            omitted_owners=max(0, len(report.owners) - MAX_OWNERS),
            widespread=[finding for finding in report.findings if finding.fixed_version][:MAX_FINDINGS],
            exceptions=[(exception, time_left(exception, report)) for exception in report.exceptions[:MAX_EXCEPTIONS]],
            omitted_exceptions=max(0, len(report.exceptions) - MAX_EXCEPTIONS),
            today=report.created[:10],
            charts=_charts(report),
            points=[*report.trend, report.figures][-MAX_POINTS:][::-1],
            severities=SHOWN,
            states=STATES,
            rows=rows,
            static=STATIC_ROWS,
            unlisted=report.figures.states.get("current", 0),
            data=Markup(data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")),  # noqa: S704
            style=Markup(style),  # noqa: S704 - a file of ours
            script=Markup(script),  # noqa: S704 - a file of ours
            policy=Markup(  # noqa: S704 - made here
                f"default-src 'none'; style-src '{page.csp_hash(style)}'; script-src '{page.csp_hash(script)}'; "
                "base-uri 'none'; form-action 'none'"
            ),
        )
    )
    return text.encode()


def _facts(report: FleetReport) -> list[tuple[str, str]]:
    figures = report.figures
    return [
        ("reported", _moment(report.created)),
        ("planned", _moment(report.planned)),
        ("images", f"{figures.images:,}"),
        ("owners", f"{sum(bool(owner.owner) for owner in report.owners):,}"),
        ("reports before", f"{len(report.trend):,}"),
    ]


def _tiles(report: FleetReport) -> list[_Tile]:
    """Return the figures on top; those with a `filter` show their images when they are clicked."""
    figures = report.figures
    before = report.trend[-1] if report.trend else None
    current = figures.states.get("current", 0)
    ending = sum(ends_soon(image, report) for image in report.images)
    days = figures.days_to_fix
    return [
        _Tile(
            filter="attention",
            title="Need a decision",
            number=f"{figures.attention:,}",
            tone="bad",
            note=_change(before.attention, figures.attention) if before is not None else "",
        ),
        *([] if figures.exploited is None else [_exploited_tile(figures.exploited, before)]),
        *([] if figures.losing is None else [_losing_tile(figures.losing, before)]),
        *(
            _Tile(
                filter=name,
                title=f"{name.title()} with a fix",
                number=f"{figures.fixable.get(name, 0):,}",
                tone=name.lower(),
                note=_change(before.fixable.get(name, 0), figures.fixable.get(name, 0)) if before is not None else "",
            )
            for name in SHOWN[:2]
        ),
        _Tile(
            filter="patched",
            title="Patched",
            number=f"{figures.states.get('patched', 0):,}",
            tone="good",
            note=f"in this run; {counted(figures.fixed, 'finding')} fixed",
        ),
        _Tile(
            filter="quiet",
            title="Nothing to do",
            number=f"{current + figures.states.get('passed', 0):,}",
            note=f"{current:,} not scanned again",
        ),
        _Tile(
            filter="expiring",
            title="End soon",
            number=f"{len(report.exceptions) + ending:,}",
            tone="medium",
            note=f"{counted(len(report.exceptions), 'exception')}, {counted(ending, 'signature')}",
        ),
        _Tile(
            title="Days to a fix",
            number="–" if days is None else f"{days:,.0f}",
            note="nothing was fixed in this run" if days is None else "median since publication",
        ),
    ]


def _exploited_tile(number: int, before: TrendPoint | None) -> _Tile:
    known = before.exploited if before is not None else None
    return _Tile(
        title="Exploited today",
        number=f"{number:,}",
        tone="critical",
        note="findings in CISA's catalogue" if known is None else _change(known, number),
    )


def _losing_tile(number: int, before: TrendPoint | None) -> _Tile:
    known = before.losing if before is not None else None
    return _Tile(
        filter="losing",
        title="Refused at the next start",
        number=f"{number:,}",
        tone="high",
        note="now or soon, by their policies" if known is None else _change(known, number),
    )


def _change(before: int, now: int) -> str:
    """Return how a number differs from that of the report before, as a clause."""
    if before == now:
        return "as in the report before"
    return f"{abs(now - before):,} {'more' if now > before else 'fewer'} than before"


def _row(image: ReportedImage, report: FleetReport, owners: Sequence[str], cause: int | None) -> dict[str, Any]:
    """Return the values of an image for the template, and `values` for the script.

    Image, digest, owner, state, reason, remedy, time and age of the report, findings with a fix by severity, findings,
    signed, end of the signature, whether that is soon, admission, days to a fix, fixed, exceptions, other names,
    reason to decide, what is to be deployed in its place, what the policy will refuse.
    """
    name, digest = short_name(image), short_digest(image.image.rpartition("@")[2]) if "@" in image.image else ""
    age = age_in_hours(image.scanned, report.created)
    soon = ends_soon(image, report)
    ends = escape.line(signature.ends, 40)[:10] if (signature := image.signature) is not None else ""
    admission = "" if image.admission == "unknown" else image.admission
    fixable = [image.fixable.get(severity) if image.fixable is not None else None for severity in SHOWN]
    values: list[Any] = [
        name,
        digest,
        owners.index(image.owner),
        list(STATES).index(image.state),
        _line(image.reason, 300),
        _line(image.remedy, 300),
        _moment(image.scanned),
        age,
        fixable,
        list(image.findings),
        None if signature is None else _line(signature.signer, 120),
        ends,
        int(soon),
        admission,
        image.days_to_fix,
        image.fixed,
        [_describe_exception(report, place) for place in image.expiring],
        [_line(other, 200) for other in image.names if other.partition("@")[0] != image.image.partition("@")[0]][:10],
        cause,
        _line(image.reference, 500) if image.state == "patched" else "",
        [_line(f"{moment}: {reason}", 300) for moment, reason in reasons(image)[:MAX_REASONS]],
    ]
    return {
        "values": values,
        "name": name,
        "digest": digest,
        "owner": image.owner,
        "state": STATES[image.state],
        "reason": image.reason,
        "age": _describe_age(age),
        "fixable": fixable,
        "signature": "–" if signature is None else "signed",
        "ends": ends if soon else "",
        "admission": admission or "–",
        "days": "" if image.days_to_fix is None else f"{image.days_to_fix:,.0f}",
    }


def _describe_exception(report: FleetReport, place: int) -> str:
    exception = report.exceptions[place]
    left = time_left(exception, report)
    return f"{exception.id} until {exception.until}{f', {left}' if left else ''}"


def _describe_age(hours: float | None) -> str:
    if hours is None:
        return "–"
    return f"{max(0.0, hours):.0f} h" if hours < 48 else f"{hours / 24:,.0f} d"


def _moment(time: str) -> str:
    return _line(time, 40)[:16].replace("T", " ")


def _charts(report: FleetReport) -> list[dict[str, Any]]:
    """Return the lines of the trend; none when there is no earlier report."""
    points = [*report.trend, report.figures][-MAX_POINTS:]
    if len(points) < 2:
        return []
    severe = [point.fixable.get("CRITICAL", 0) + point.fixable.get("HIGH", 0) for point in points]
    return [
        _chart("Critical and high with a fix", points, severe, "high"),
        _chart("Images that need a decision", points, [point.attention for point in points], "bad"),
    ]


def _chart(title: str, points: Sequence[TrendPoint], numbers: Sequence[int], tone: str) -> dict[str, Any]:
    width, height = 320, 72
    top = max(*numbers, 1)
    places = [
        (round(place * width / (len(numbers) - 1), 1), round(height - number * height / top, 1))
        for place, number in enumerate(numbers)
    ]
    return {
        "title": title,
        "tone": tone,
        "line": " ".join(f"{x},{y}" for x, y in places),
        "last": places[-1],
        "first": numbers[0],
        "now": numbers[-1],
        "top": top,
        "begin": points[0].created[:10],
        "described": f"{title}: {numbers[0]:,} on {points[0].created[:10]}, {numbers[-1]:,} on "
        f"{points[-1].created[:10]}, {top:,} at most.",
    }


def _line(text: str, limit: int) -> str:
    return escape.line(text, limit)


@cache
def _environment() -> jinja2.Environment:
    """Return the environment of all pages, with every text reduced to one printable line."""
    environment = page.page_environment().overlay(
        finalize=_printable, bytecode_cache=template_cache.open_template_cache("fleet")
    )
    # A new dictionary: an overlay shares that of the environment below, and so of all pages.
    environment.filters = environment.filters | {
        "attacks": describe_attacks,
        "url": escape.url,
        "moment": _moment,
        "count": lambda number: f"{number:,}",
    }
    return environment


def _printable(value: object) -> object:
    return escape.line(value, 1000) if type(value) is str else value
