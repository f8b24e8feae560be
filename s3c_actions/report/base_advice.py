"""Show which tag of a base would change how much: as a table for a terminal, and as sentences for a comment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import UNSET, UnsetType

from s3c_actions.findings.entry import NAMES, SeverityName
from s3c_actions.report.document import BaseAdviceEntry, BaseOptionEntry
from s3c_actions.report.formats.text_table import display_width
from s3c_actions.report.render.terminal import plain_line

_RATED: tuple[SeverityName, ...] = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
_COLUMNS = ("TAG", "CHANGE", "AGE", "CRITICAL", "HIGH", "MEDIUM", "LOW", "REMOVED", "NEW", "SIZE", "NOTE")
_VISIBLE = 50_000
_LARGE = ("minor version", "major version")


def render_table(advice: BaseAdviceEntry) -> str:
    """Return the base in use and the other tags, one a line."""
    current = advice.current
    rows = [_COLUMNS, *(_row(option, current) for option in (current, *advice.options))]
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    lines = [f"{plain_line(advice.repository, 200)} ({plain_line(advice.platform, 40)})", ""]
    lines += [
        "  ".join(text + " " * (width - display_width(text)) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines += ["", *(plain_line(sentence, 1000) for sentence in (*advice.notices, *_sentences(advice)))]
    return "\n".join([*lines, ""])


def _sentences(advice: BaseAdviceEntry) -> list[str]:
    best = better_options(advice)
    if not best:
        return ["No tag that was compared has fewer findings."]
    return [f"{option.tag} ({option.change}): {describe_gain(option)}." for option in best]


def better_options(advice: BaseAdviceEntry) -> list[BaseOptionEntry]:
    """Return the tags with fewer grave findings than the base in use: the best without a new version, and the best."""
    current = _weight(advice.current.findings)
    candidates = [
        option
        for option in advice.options
        if option.findings is not UNSET and not option.os_end_of_life and _weight(option.findings) < current
    ]
    small = [option for option in candidates if option.change not in _LARGE]
    large = [option for option in candidates if option.change in _LARGE]
    best = [min(options, key=lambda option: _weight(option.findings)) for options in (small, large) if options]
    if len(best) == 2 and _weight(best[1].findings) >= _weight(best[0].findings):
        best.pop()
    return best


def describe_gain(option: BaseOptionEntry) -> str:
    """Return what another base would change, as a clause: `removes 32 findings of the base and brings 2`."""
    brings = f" and brings {option.new:,}" if option.new else ""
    return f"removes {option.fixed or 0:,} findings of the base{brings}"


def _weight(findings: Mapping[SeverityName, int] | UnsetType) -> tuple[int, ...]:
    """Return what tags are compared by: the number of critical findings, then of high ones, and so on."""
    counts = {} if findings is UNSET else findings
    return tuple(counts.get(name, 0) for name in NAMES.values())


def _row(option: BaseOptionEntry, current: BaseOptionEntry) -> tuple[str, ...]:
    counts = option.findings
    numbers = ["–"] * len(_RATED) if counts is UNSET else [f"{counts.get(name, 0):,}" for name in _RATED]
    return (
        plain_line(option.tag, 60),
        option.change or "in use",
        "–" if option.days is None else f"{option.days:,} d",
        *numbers,
        "" if option.fixed is None else f"{option.fixed:,}",
        "" if option.new is None else f"{option.new:,}",
        _megabytes(option.size) + _growth(option.size, current.size),
        plain_line("; ".join(_notes(option)), 120),
    )


def _notes(option: BaseOptionEntry) -> Sequence[str]:
    return [
        *([f"same image as {option.same_as}"] if option.same_as else []),
        *([option.problem] if option.problem else []),
        *([f"{option.os} is past its end of life"] if option.os_end_of_life and not option.problem else []),
    ]


def _megabytes(size: int | None) -> str:
    return "–" if size is None else f"{size / 1e6:,.1f} MB"


def _growth(size: int | None, current: int | None) -> str:
    """Return how much larger another base is, in megabytes; empty where that is not known, or not to be seen."""
    grown = 0 if size is None or current is None else size - current
    return f" ({grown / 1e6:+,.1f})" if abs(grown) >= _VISIBLE else ""
