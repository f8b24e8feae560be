"""A comparison of two images in GitHub's Markdown; the document may come from a fork, and is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from markupsafe import Markup

from s3c_actions.report.comparison_document import ComparisonEntry, PlatformComparisonEntry
from s3c_actions.report.comparison_text import describe_layers, describe_paths, package_row
from s3c_actions.report.render import escape
from s3c_actions.report.render.markdown import MAX_ROWS, Table, mark_safe, table_head


def render(comparison: ComparisonEntry) -> str:
    """Return the comparison as Markdown: a heading, a sentence for each platform, and tables."""
    parts = [f"### {escape.code(comparison.before)} → {escape.code(comparison.after)}", *sentences(comparison)]
    for platform in comparison.platforms:
        parts.append(
            f"**{escape.markdown(platform.platform)}**: {describe_layers(platform)} {describe_paths(platform)}"
        )
        for table in _tables(platform, ""):
            rows = "\n".join(table.rows)
            more = f"\n\n… and {table.omitted:,} more." if table.omitted else ""
            parts.append(f"{table.title} ({table.count:,})\n\n{table.head}\n{rows}{more}")
    return "\n\n".join(parts) + "\n"


def sentences(comparison: ComparisonEntry) -> list[Markup]:
    """Return what is proved of the difference, a sentence for each platform, and for those that came or went."""
    several = len(comparison.platforms) > 1
    lines = [f"Platforms removed: {escape.markdown(', '.join(comparison.removed))}."] * bool(comparison.removed)
    lines += [f"It is not known what changed: {escape.markdown('; '.join(comparison.unread), 1000)}."] * bool(
        comparison.unread
    )
    lines += [f"Platforms added: {escape.markdown(', '.join(comparison.added))}."] * bool(comparison.added)
    distinct: dict[str, list[str]] = {}
    for platform in comparison.platforms:
        distinct.setdefault(platform.sentence, []).append(platform.platform)
    for sentence, platforms in distinct.items():
        named = f"{escape.markdown(', '.join(platforms))}: " if several and len(distinct) > 1 else ""
        lines.append(f"{named}{escape.markdown(sentence, 1000)}")
    return [mark_safe(line) for line in lines]


def is_clean(comparison: ComparisonEntry) -> bool:
    """Return whether nothing but what a patch is expected to change did."""
    return comparison.proved and not comparison.unexpected_total


def tables(comparison: ComparisonEntry) -> Iterator[Table]:
    """Yield the tables of all platforms; a platform's name is in the title where there are several."""
    for platform in comparison.platforms:
        yield from _tables(platform, f" of {platform.platform[:60]}" if len(comparison.platforms) > 1 else "")


def _tables(platform: PlatformComparisonEntry, suffix: str) -> Iterable[Table]:
    if platform.files:
        rows = [
            f"| {change.action} | {escape.code(f'/{change.path}', 200)} | {escape.code(change.package, 100)} "
            f"| {escape.markdown(change.reason, 200)} |"
            for change in platform.files[:MAX_ROWS]
        ]
        head = table_head("", "Path", "Package", "Why it is listed")
        yield Table(f"Changes that no package accounts for{suffix}", head, rows, len(platform.files), opened=True)
    if platform.privileges:
        rows = [
            f"| {escape.code(f'/{change.path}', 200)} | {escape.markdown(change.before or 'none')} "
            f"| {escape.markdown(change.after or 'none')} |"
            for change in platform.privileges[:MAX_ROWS]
        ]
        yield Table(f"Rights of files{suffix}", table_head("Path", "Before", "After"), rows, len(platform.privileges))
    if platform.configuration:
        rows = [
            f"| {escape.markdown(change.field, 100)} | {escape.code(change.before or '', 200)} "
            f"| {escape.code(change.after or '', 200)} |"
            for change in platform.configuration[:MAX_ROWS]
        ]
        head = table_head("Configuration", "Before", "After")
        yield Table(f"How it runs{suffix}", head, rows, len(platform.configuration))
    if platform.packages:
        cells = (package_row(platform, index) for index in range(min(MAX_ROWS, len(platform.packages))))
        rows = [
            f"| {action} | {escape.code(name, 120)} | {escape.markdown(versions, 120)} "
            f"| {escape.markdown(licence, 200)} |"
            for action, name, versions, licence in cells
        ]
        head = table_head("", "Package", "Version", "Licence")
        yield Table(f"Packages that changed{suffix}", head, rows, len(platform.packages))
