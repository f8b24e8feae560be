"""A comparison of two images as text for people; every text of an image is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from s3c_actions.core.text import counted
from s3c_actions.report.comparison_document import ComparisonEntry, PlatformComparisonEntry
from s3c_actions.report.formats.text_table import display_width
from s3c_actions.report.render.terminal import plain_line

MAX_FILES = 200
"""Rows of files in the text; all that are known are in the JSON."""
_LONGEST = 200


def render(comparison: ComparisonEntry) -> str:
    """Return the comparison, platform by platform."""
    lines = [f"{plain_line(comparison.before)}", f"→ {plain_line(comparison.after)}"]
    lines += [f"Platforms removed: {plain_line(', '.join(comparison.removed))}"] * bool(comparison.removed)
    lines += [f"Platforms added: {plain_line(', '.join(comparison.added))}"] * bool(comparison.added)
    for platform in comparison.platforms:
        lines += ["", f"{plain_line(platform.platform)}: {plain_line(platform.sentence)}", *_sections(platform)]
    return "\n".join([*lines, ""])


def _sections(platform: PlatformComparisonEntry) -> list[str]:
    files = platform.files[:MAX_FILES]
    more = len(platform.files) - len(files) + platform.omitted
    return [
        *_section("Packages", [package_row(platform, index) for index in range(len(platform.packages))]),
        *_section(
            "Configuration",
            [(change.field, _value(change.before), "→", _value(change.after)) for change in platform.configuration],
        ),
        *_section(
            "Rights of files",
            [
                (f"/{change.path}", change.before or "none", "→", change.after or "none")
                for change in platform.privileges
            ],
        ),
        *_section(
            "Changes that no package accounts for",
            [
                (
                    change.action,
                    f"/{change.path}",
                    f"({change.package}) {change.reason}" if change.package else change.reason,
                )
                for change in files
            ],
        ),
        *([f"  … and {more:,} more: `--json` has the first 1,000 of each kind"] if more > 0 else []),
        f"  {describe_layers(platform)}",
        f"  {describe_paths(platform)}",
    ]


def package_row(platform: PlatformComparisonEntry, index: int) -> tuple[str, ...]:
    """Return the row of a package: action, name, versions, licences."""
    change = platform.packages[index]
    name = f"{change.ecosystem}:{change.name}" + (f" in /{change.place}" if change.place else "")
    versions = f"{change.before} → {change.after}" if change.before and change.after else change.before or change.after
    licences = f"{change.licence_before or 'none'} → {change.licence_after or 'none'}"
    changed = (change.licence_before or change.licence_after) and change.action not in {"added", "removed"}
    return change.action, name, versions, f"licence {licences}" if changed else ""


def describe_layers(platform: PlatformComparisonEntry) -> str:
    """Return a sentence on the layers and their size."""
    grown = platform.size_after - platform.size_before
    return (
        f"Layers: {platform.shared_layers} shared, {platform.removed_layers} removed, {platform.added_layers} added; "
        f"{_mebibytes(platform.size_before)} → {_mebibytes(platform.size_after)} ({'+' if grown >= 0 else '−'}"
        f"{_mebibytes(abs(grown))})."
    )


def describe_paths(platform: PlatformComparisonEntry) -> str:
    """Return a sentence on the paths that are accounted for."""
    return (
        f"Paths: {platform.of_packages:,} of packages that changed, {platform.of_managers:,} of package managers, "
        f"{platform.times:,} written again with the same content."
    )


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:,.1f} KiB"


def _value(value: str | None) -> str:
    return "–" if value is None else value or '""'


def _section(title: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    plain = [tuple(plain_line(text, _LONGEST) for text in row) for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*plain, strict=True)]
    aligned = (
        "  ".join(text + " " * (width - display_width(text)) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in plain
    )
    return [f"  {title} ({counted(len(rows), 'change')})", *(f"    {row}" for row in aligned)]
