"""A plan as text for people: how many images have work to do, why, and how it is shared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from s3c_actions.core.pasted_content import shorten_path
from s3c_actions.core.text import counted
from s3c_actions.fleet.plan import Plan
from s3c_actions.report.formats.text_table import display_width, fit_column
from s3c_actions.report.render import escape
from s3c_actions.report.render.escape import line

MAX_ROWS = 12
MAX_UNPLANNED = 200
"""Rows of the summary on what could not be planned."""
# What differs between images with the same reason.
_PARTICULARS = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)"), "…"),
    (re.compile(r" \(sha256:[0-9a-f]*…?\)"), ""),
    (re.compile(r"sha256:[0-9a-f]+"), "…"),
    (re.compile(r"\b\d[\d,]*\b"), "…"),
)


def render(plan: Plan, path: Path) -> str:
    """Return the text, with a line break at its end.

    Args:
        plan: to show.
        path: where it is written.
    """
    total = len(plan.images) + len(plan.current)
    seconds = sum(image.seconds for image in plan.images)
    lines = [
        f"{counted(total, 'image')}: {len(plan.images):,} to do, {len(plan.current):,} current"
        + (f"; {len(plan.unplanned):,} could not be planned" if plan.unplanned else "")
    ]
    lines += _section("to do", _reasons(image.reason for image in plan.images))
    lines += _section("current", _reasons(image.reason for image in plan.current))
    lines += _section("not planned", _reasons(entry.what.replace(entry.image, "…") for entry in plan.unplanned))
    if plan.images:
        lines += ["", f"{counted(plan.shards, 'shard')}, {_minutes(seconds)} in all", *_shards(plan)]
    lines += ["", f"plan: {line(shorten_path(str(path)), 1000)}"]
    return "\n".join(lines) + "\n"


def render_markdown(plan: Plan) -> str:
    """Return the plan as the summary of a job, in Markdown; texts in it are untrusted."""
    total = len(plan.images) + len(plan.current)
    mark = "❌" if plan.unplanned else "✅"
    lines = [
        f"### {mark} {counted(total, 'image')}: {len(plan.images):,} to do in {counted(plan.shards, 'shard')}, "
        f"{len(plan.current):,} current"
    ]
    sections = (
        ("to do", _reasons(image.reason for image in plan.images)),
        ("current", _reasons(image.reason for image in plan.current)),
    )
    rows = [(title, count, reason) for title, listed in sections for count, reason in listed[:MAX_ROWS]]
    if rows:
        lines += ["", "| | Images | Why |", "|:--|--:|:--|"]
        lines += [f"| {title} | {count:,} | {escape.markdown(reason)} |" for title, count, reason in rows]
    if plan.unplanned:
        lines += ["", f"**{len(plan.unplanned):,} could not be planned**", "", "| Image | Owner | What | What to do |"]
        lines += ["|:--|:--|:--|:--|"]
        for entry in plan.unplanned[:MAX_UNPLANNED]:
            cells = (entry.image, entry.owner, entry.what, entry.remedy)
            lines.append(f"| {' | '.join(escape.markdown(text) for text in cells)} |")
        if (rest := len(plan.unplanned) - MAX_UNPLANNED) > 0:
            lines += ["", f"{rest:,} more stand in `plan.json`."]
    return "\n".join(lines) + "\n"


def _section(title: str, rows: Sequence[tuple[int, str]]) -> list[str]:
    if not rows:
        return []
    width = max(len(f"{count:,}") for count, _ in rows)
    shown = [f"  {count:>{width},}  {reason}" for count, reason in rows[:MAX_ROWS]]
    rest = sum(count for count, _ in rows[MAX_ROWS:])
    return ["", title, *shown, *([f"  {rest:>{width},}  for other reasons"] if rest else [])]


def _reasons(reasons: Iterable[str]) -> list[tuple[int, str]]:
    """Return how many have each reason, the most frequent first; what differs in times and numbers is one reason."""
    counts: Counter[str] = Counter()
    for reason in reasons:
        kind = reason
        for pattern, replacement in _PARTICULARS:
            kind = pattern.sub(replacement, kind)
        counts[line(kind, 110)] += 1
    return sorted(((count, reason) for reason, count in counts.items()), key=lambda row: (-row[0], row[1]))


def _shards(plan: Plan) -> list[str]:
    images: Counter[int] = Counter()
    seconds: Counter[int] = Counter()
    bases: dict[int, set[str]] = {}
    for image in plan.images:
        images[image.shard] += 1
        seconds[image.shard] += image.seconds  # type: ignore[assignment]
        bases.setdefault(image.shard, set()).add(image.base or image.image)
    if plan.shards > MAX_ROWS:
        least, most = min(seconds.values()), max(seconds.values())
        idle = plan.shards - len(images)
        return [
            f"  {min(images.values())}–{max(images.values())} images and {_minutes(least)}–{_minutes(most)} each"
            + (f"; {idle} without work" if idle else "")
        ]
    rows = [["shard", "images", "time", "bases"]]
    rows += [
        [str(shard), f"{images[shard]:,}", _minutes(seconds[shard]), f"{len(bases.get(shard, ())):,}"]
        for shard in range(1, plan.shards + 1)
    ]
    widths = [max(display_width(row[column]) for row in rows) for column in range(4)]
    return [
        f"  {'  '.join(fit_column(text, width) for text, width in zip(row, widths, strict=True))}".rstrip()
        for row in rows
    ]


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
