"""Merge the scans of an index's platforms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from s3c_actions.core.moments import parse_moment
from s3c_actions.core.reference import Reference
from s3c_actions.findings.identity import identify
from s3c_actions.findings.model import BaseImage, Finding, Hidden, ScanReport, rank_findings
from s3c_actions.findings.scope import Scope
from s3c_actions.result.model import ScanResult


def merge_scans(image: str, reference: Reference, scans: list[ScanResult]) -> ScanResult:
    """Merge the scans of an image's platforms, so that no platform's findings pass a gate unseen.

    Args:
        image: as people call it.
        reference: the same, pinned.
        scans: one of each platform.
    """
    if len(scans) == 1:
        return replace(scans[0], image=image, reference=reference.pinned)
    report = _report(image, reference, [scan.report for scan in scans])
    return replace(
        scans[0],
        image=image,
        reference=reference.pinned,
        report=report,
        report_sha256="",
        gated=all(scan.gated for scan in scans),
        refused=union_findings([scan.refused for scan in scans]),
        blind=_join_sentences(scans, lambda scan: scan.blind),
        overridden=_join_sentences(scans, lambda scan: scan.overridden),
        outdated=_join_sentences(scans, lambda scan: scan.outdated),
        missing=tuple(dict.fromkeys(part for scan in scans for part in scan.missing)),
        scope=_scope([scan.scope for scan in scans]),
        uncovered=sum(scan.uncovered for scan in scans),
        warnings=tuple(dict.fromkeys(warning for scan in scans for warning in scan.warnings)),
        contents=tuple(sorted({content for scan in scans for content in scan.contents})),
        objections=tuple(sorted({objection for scan in scans for objection in scan.objections})),
        reused=all(scan.reused for scan in scans),
        parts=tuple(scans),
        files={},
        seconds=sum(scan.seconds for scan in scans),
    )


def _report(image: str, reference: Reference, reports: list[ScanReport]) -> ScanReport:
    """Merge all platforms' findings into one report, as old as the oldest."""
    merged = replace(
        reports[0],
        image=image,
        digest=reference.digest,
        platform=_join_texts(report.platform for report in reports),
        os=_join_texts(report.os for report in reports),
        os_end_of_life=any(report.os_end_of_life for report in reports),
        created=min((report.created for report in reports), key=_moment),
        database=min((report.database for report in reports), key=_moment),
        findings=union_findings([report.findings for report in reports]),
        suppressed=union_findings([report.suppressed for report in reports]),
        base_image=_base_image(reports),
    )
    uncounted = dict.fromkeys(severity for report in reports for severity in report.hidden.uncounted)
    return replace(merged, hidden=Hidden(uncounted=tuple(uncounted)))


def _moment(text: str) -> datetime:
    """Return a time to compare by; what is no time is older than any."""
    return parse_moment(text) or datetime.min.replace(tzinfo=UTC)


def _base_image(reports: list[ScanReport]) -> BaseImage | None:
    """Return the base of an image for several platforms: None where that of one platform is not known."""
    bases = [report.base_image for report in reports if report.base_image is not None]
    if len(bases) < len(reports):
        return None
    return replace(
        bases[0],
        name=_join_texts(base.name for base in bases),
        source=_join_texts(base.source for base in bases),
        reference="",
        layers=(),
    )


def _join_texts(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(text for text in texts if text))


def _join_sentences(scans: list[ScanResult], sentence_of: Callable[[ScanResult], str]) -> str:
    """Join the sentences on platforms, with the platforms' names where a sentence does not apply to all."""
    platforms_by_sentence: dict[str, list[str]] = {}
    for scan in scans:
        if sentence_of(scan):
            platforms_by_sentence.setdefault(sentence_of(scan), []).append(scan.report.platform)
    return " ".join(
        sentence if len(platforms) == len(scans) else f"{', '.join(platforms)}: {sentence}"
        for sentence, platforms in platforms_by_sentence.items()
    )


def _scope(scopes: list[Scope]) -> Scope:
    """Return what was covered in every platform, and what was skipped in any."""

    def in_all(lists: list[tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(sorted(set(lists[0]).intersection(*lists[1:])))

    return Scope(
        scanners=in_all([scope.scanners for scope in scopes]),
        pkg_types=in_all([scope.pkg_types for scope in scopes]),
        platforms=tuple(sorted({platform for scope in scopes for platform in scope.platforms})),
        skip_dirs=tuple(dict.fromkeys(path for scope in scopes for path in scope.skip_dirs)),
        skip_files=tuple(dict.fromkeys(path for scope in scopes for path in scope.skip_files)),
        files=tuple(sorted({file for scope in scopes for file in scope.files})),
        stated=all(scope.stated for scope in scopes),
    )


def union_findings(lists: Iterable[Sequence[Finding]]) -> tuple[Finding, ...]:
    """Merge the findings of several platforms, ranked: equal ones once, or as often as one platform has them.

    A finding that differs between platforms, such as one that has a fix on one of them only, is kept for each.
    """
    merged_findings: dict[tuple[Any, ...], list[Finding]] = {}
    for findings in lists:
        counts: Counter[tuple[Any, ...]] = Counter()
        for finding in findings:
            key = _merge_key(finding)
            counts[key] += 1
            if counts[key] > len(merged_findings.setdefault(key, [])):
                merged_findings[key].append(finding)
    return rank_findings(finding for same in merged_findings.values() for finding in same)


def _merge_key(finding: Finding) -> tuple[Any, ...]:
    """Return what makes findings of two platforms equal: all but layer, package architecture and image."""
    return (
        identify(finding),
        "" if finding.os_package else finding.target,
        finding.path,
        finding.installed,
        finding.fixed,
        finding.severity,
        finding.status,
        finding.line,
        finding.end_line,
        finding.description,
        finding.suppressed,
        finding.from_base,
    )
