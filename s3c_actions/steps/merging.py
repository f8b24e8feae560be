"""The scans of an index's platforms as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from s3c_actions.core.reference import Reference
from s3c_actions.findings.model import Finding, ScanReport, ranked
from s3c_actions.findings.scope import Scope
from s3c_actions.result.gate_change import VERDICTS, Proposed
from s3c_actions.result.model import ScanResult


def merged(image: str, reference: Reference, scans: list[ScanResult]) -> ScanResult:
    """The scans of an image's platforms as one, so that no platform's findings pass a gate unseen.

    Args:
        image: as people call it.
        reference: the same, pinned.
        scans: one of each platform.
    """
    if len(scans) == 1:
        return replace(scans[0], image=image, reference=reference.pinned)
    report = _report(image, reference, [scan.report for scan in scans])
    shown = None
    if any(scan.shown is not None for scan in scans):
        each = [scan.shown or scan.report for scan in scans]
        shown = replace(
            report,
            findings=union([one.findings for one in each]),
            suppressed=union([one.suppressed for one in each]),
        )
    return replace(
        scans[0],
        image=image,
        reference=reference.pinned,
        report=report,
        shown=shown,
        gated=all(scan.gated for scan in scans),
        refused=union([scan.refused for scan in scans]),
        blind=_about_each(scans, lambda scan: scan.blind),
        overridden=_about_each(scans, lambda scan: scan.overridden),
        outdated=_about_each(scans, lambda scan: scan.outdated),
        missing=tuple(dict.fromkeys(one for scan in scans for one in scan.missing)),
        scope=_scope([scan.scope for scan in scans]),
        uncovered=sum(scan.uncovered for scan in scans),
        warnings=tuple(dict.fromkeys(warning for scan in scans for warning in scan.warnings)),
        contents=tuple(sorted({one for scan in scans for one in scan.contents})),
        reused=all(scan.reused for scan in scans),
        parts=tuple(scans),
        files={},
        seconds=sum(scan.seconds for scan in scans),
    )


def _report(image: str, reference: Reference, reports: list[ScanReport]) -> ScanReport:
    """All platforms' findings as one report, as old as the oldest."""
    return replace(
        reports[0],
        image=image,
        digest=reference.digest,
        platform=_each(one.platform for one in reports),
        os=_each(one.os for one in reports),
        os_end_of_life=any(one.os_end_of_life for one in reports),
        created=min(one.created for one in reports),
        database=min(one.database for one in reports),
        findings=union([one.findings for one in reports]),
        suppressed=union([one.suppressed for one in reports]),
    )


def _proposed(each: list[Proposed]) -> Proposed | None:
    """The worst of them, with what would be refused of any."""
    if not each:
        return None
    worst = max(each, key=lambda one: VERDICTS.index(one.verdict))
    return replace(worst, refused=max(one.refused for one in each))


def _each(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(text for text in texts if text))


def _about_each(scans: list[ScanResult], why: Callable[[ScanResult], str]) -> str:
    """What is said of platforms, with their names where it is not said of all."""
    told: dict[str, list[str]] = {}
    for scan in scans:
        if why(scan):
            told.setdefault(why(scan), []).append(scan.report.platform)
    return " ".join(
        sentence if len(platforms) == len(scans) else f"{', '.join(platforms)}: {sentence}"
        for sentence, platforms in told.items()
    )


def _scope(scopes: list[Scope]) -> Scope:
    """What was looked at in every platform, and what was left out in any."""

    def in_all(lists: list[tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(sorted(set(lists[0]).intersection(*lists[1:])))

    return Scope(
        scanners=in_all([one.scanners for one in scopes]),
        pkg_types=in_all([one.pkg_types for one in scopes]),
        platforms=tuple(sorted({platform for one in scopes for platform in one.platforms})),
        skip_dirs=tuple(dict.fromkeys(path for one in scopes for path in one.skip_dirs)),
        skip_files=tuple(dict.fromkeys(path for one in scopes for path in one.skip_files)),
        files=tuple(sorted({file for one in scopes for file in one.files})),
        stated=all(one.stated for one in scopes),
    )


def union(lists: Iterable[Sequence[Finding]]) -> tuple[Finding, ...]:
    """The findings of several platforms, ranked: what is the same in some of them once, as often as any of them has it.

    A finding that differs between platforms, such as one that has a fix in one of them only, stays as each has it.
    """
    found: dict[tuple[Any, ...], list[Finding]] = {}
    for findings in lists:
        seen: Counter[tuple[Any, ...]] = Counter()
        for finding in findings:
            same = _identity(finding)
            seen[same] += 1
            if seen[same] > len(found.setdefault(same, [])):
                found[same].append(finding)
    return ranked(finding for same in found.values() for finding in same)


def unique(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings without repetition, ranked; those that differ in anything but the platform all stay."""
    return union([[finding] for finding in findings])


def _identity(finding: Finding) -> tuple[Any, ...]:
    """What makes findings of two platforms the same: all but the layer, the package's architecture and the image."""
    return (
        *finding.key,
        finding.installed,
        finding.fixed,
        finding.severity,
        finding.status,
        finding.path,
        finding.line,
        finding.end_line,
        finding.description,
        finding.suppressed,
    )
