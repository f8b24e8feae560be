"""The scans of an index's platforms as one."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from s3c_actions.image import Reference
from s3c_actions.report.model import Finding, ScanReport, ranked
from s3c_actions.steps.results import ScanResult


def merged(image: str, reference: Reference, scans: list[ScanResult]) -> ScanResult:
    """The scans of an image's platforms as one, so that no platform's findings pass a gate unseen.

    Args:
        image: as people call it.
        reference: the same, pinned.
        scans: one of each platform.
    """
    if len(scans) == 1:
        return replace(scans[0], image=image, reference=reference.pinned)
    first = scans[0]
    report = replace(
        first.report,
        image=image,
        digest=reference.digest,
        platform=", ".join(scan.report.platform for scan in scans),
        findings=unique(finding for scan in scans for finding in scan.report.findings),
        suppressed=unique(finding for scan in scans for finding in scan.report.suppressed),
    )
    return replace(
        first,
        image=image,
        reference=reference.pinned,
        report=report,
        shown=_shown(scans),
        refused=unique(finding for scan in scans for finding in scan.refused),
        blind=next((scan.blind for scan in scans if scan.blind), ""),
        warnings=tuple(dict.fromkeys(warning for scan in scans for warning in scan.warnings)),
        contents=tuple(sorted({one for scan in scans for one in scan.contents})),
        parts=tuple(scans),
        seconds=sum(scan.seconds for scan in scans),
    )


def _shown(scans: list[ScanResult]) -> ScanReport | None:
    shown = scans[0].shown
    if shown is None:
        return None
    return replace(shown, findings=unique(f for scan in scans for f in (scan.shown or scan.report).findings))


def unique(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings without repetition, ranked."""
    return ranked({finding.key: finding for finding in findings}.values())
