"""The tables of one image: what closes the gate, what is new, what a patch fixed and left, what was set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from itertools import islice
from typing import Any

from msgspec import UNSET

from s3c_actions.core.text import counted
from s3c_actions.findings.entry import FindingEntry, ReasonedFinding
from s3c_actions.findings.identity import COLLECTIVE_TARGETS
from s3c_actions.findings.model import FindingKind
from s3c_actions.report.document import ImageResult, PatchEntry
from s3c_actions.report.formats.sentences import LIKELY, format_share
from s3c_actions.report.github import comparison_view
from s3c_actions.report.render import escape
from s3c_actions.report.render.markdown import MAX_ROWS, Table, table_head

MAX_IDS = 8


def image_tables(image: ImageResult, titles: bool) -> Iterable[Table]:
    """Yield the tables of an image in their order; `titles` says whether findings have a column for theirs."""
    refused = image.scan.refused if image.scan is not None and image.patch is None else ()
    base = image.base
    new = base.new if base is not None else ()
    new_keys = {_finding_key(finding) for finding in new}
    # New findings that close the gate are in the gate's table, marked.
    open_findings = _without(new, refused)
    if refused:
        yield findings_table("What closes the gate", refused, titles=titles, opened=True, new=new_keys)
    if base is not None and open_findings:
        yield findings_table(f"New since {base.name[:100]}", open_findings, titles=titles, opened=True)
    patch = image.patch
    if patch is not None:
        if patch.new:
            yield findings_table("Came with the patch", patch.new, titles=titles, opened=True)
        if patch.fixed:
            yield _fixed_table(patch)
        if patch.changes:
            yield from comparison_view.tables(patch.changes)
        if image.remaining:
            yield _left_table(image.remaining)
    elif image.scan is not None:
        others = _without(image.remaining, [*refused, *open_findings])
        if others:
            yield findings_table("Other findings" if refused or new else "Findings", others, titles=titles)
    if image.set_aside:
        rows = [
            f"| {_id_link(finding)}{_exploitation(finding)} | {finding.severity.capitalize()} | {_where(finding)} "
            f"| {escape.markdown(finding.reason, 200)} |"
            for finding in image.set_aside[:MAX_ROWS]
        ]
        yield Table("Set aside", table_head("Finding", "Severity", "Where", "Reason"), rows, len(image.set_aside))


def _finding_key(finding: FindingEntry) -> tuple[Any, ...]:
    return (finding.kind, finding.id, finding.package, finding.installed, finding.place, finding.line, finding.detail)


def _without(findings: Sequence[FindingEntry], others: Iterable[FindingEntry]) -> list[FindingEntry]:
    """Return the findings without as many of each as there are among the others."""
    shown = Counter(map(_finding_key, others))
    left = []
    for finding in findings:
        key = _finding_key(finding)
        if shown[key]:
            shown[key] -= 1
        else:
            left.append(finding)
    return left


def _left_table(remaining: Sequence[ReasonedFinding]) -> Table:
    rows = [
        f"| {_id_link(finding)}{_exploitation(finding)} | {finding.severity.capitalize()} | {_where(finding)} "
        f"| {escape.markdown(finding.reason, 200)} |"
        for finding in remaining[:MAX_ROWS]
    ]
    return Table("Left", table_head("Finding", "Severity", "Where", "Why it is left"), rows, len(remaining))


def _fixed_table(patch: PatchEntry) -> Table:
    upgrades: dict[tuple[str, str, str], list[FindingEntry]] = {}
    for finding in patch.fixed:
        upgrades.setdefault((finding.package, finding.installed, _package_file(finding)), []).append(finding)
    rows = [
        f"| {escape.code(package)}{_in_file(file)} | {escape.code(installed, 60)} → "
        f"{escape.code(patch.upgraded.get(package, ''), 60) or _fixed_in(findings)} | {_id_links(findings)} |"
        for (package, installed, file), findings in islice(upgrades.items(), MAX_ROWS)
    ]
    packages = counted(len({package for package, *_ in upgrades}), "package")
    total = f"{len(patch.fixed):,} in {packages}"
    return Table("Fixed", table_head("Package", "From → to", "Findings"), rows, len(upgrades), total=total)


def _fixed_in(findings: Sequence[FindingEntry]) -> str:
    """Return the versions with the fixes, for when the version installed now is not known."""
    versions = list(dict.fromkeys(finding.fixed_version for finding in findings))
    more = len(versions) - MAX_IDS
    return ", ".join(escape.code(version, 60) for version in versions[:MAX_IDS]) + (
        f" and {more:,} more" if more > 0 else ""
    )


def findings_table(
    title: str, of: Sequence[FindingEntry], *, titles: bool, opened: bool = False, new: Container[tuple[Any, ...]] = ()
) -> Table:
    """Return a table of findings, a row each; findings whose key is in `new` are marked."""
    rows = [
        f"| {finding.severity.capitalize()} "
        f"| {_id_link(finding)}{' **new**' if _finding_key(finding) in new else ''}{_exploitation(finding)} | "
        f"{_where(finding)} | {_fix(finding)} |" + (f" {escape.markdown(finding.title, 120)} |" if titles else "")
        for finding in of[:MAX_ROWS]
    ]
    columns = ["Severity", "Finding", "Where", "Fix", *(["What it is"] if titles else [])]
    return Table(title, table_head(*columns), rows, len(of), opened=opened and len(of) <= 20)


def _exploitation(finding: FindingEntry) -> str:
    """Return what is known of attacks, for the cell of the id; empty when it is neither exploited nor likely to be."""
    if finding.exploited_since is not UNSET:
        due = f", due {escape.markdown(finding.exploited_due, 10)}" if finding.exploited_due is not UNSET else ""
        ransomware = ", ransomware" if finding.ransomware is not UNSET else ""
        return f"<br/>**exploited** ({escape.markdown(finding.exploited_since, 10)}{due}{ransomware})"
    likely = finding.epss is not UNSET and finding.epss >= LIKELY
    return f"<br/>EPSS {format_share(finding.epss)}" if likely and finding.epss is not UNSET else ""


def _id_link(finding: FindingEntry) -> str:
    return escape.markdown_link(finding.id, finding.url)


def _id_links(findings: Sequence[FindingEntry]) -> str:
    more = len(findings) - MAX_IDS
    return ", ".join(_id_link(finding) for finding in findings[:MAX_IDS]) + (f" and {more:,} more" if more > 0 else "")


def _where(finding: FindingEntry) -> str:
    if finding.package:
        package = f"{escape.code(finding.package)} {escape.markdown(finding.installed, 60)}".rstrip()
        return package + _in_file(_package_file(finding))
    line = f":{finding.line}" if finding.line else ""
    return escape.code(f"{_path_end(finding.place)}{line}")


def _package_file(finding: FindingEntry) -> str:
    """Return the file of a package; empty where the distribution or all of the image has it."""
    return "" if finding.class_ == "os-pkgs" or finding.place in COLLECTIVE_TARGETS else finding.place


def _in_file(path: str) -> str:
    return f" in {escape.code(_path_end(path))}" if path else ""


def _path_end(path: str, most: int = 100) -> str:
    """Return a path that a table has room for: its end, which has the file's name."""
    return path if len(path) <= most else f"…{path[1 - most :]}"


def _fix(finding: FindingEntry) -> str:
    if finding.kind is FindingKind.VULNERABILITY:
        fixed = escape.code(finding.fixed_version, 60)
        status = finding.status.replace("_", " ")
        return fixed or escape.markdown(status if status not in {"", "affected"} else "none yet", 40)
    return escape.markdown(finding.remedy, 80)
