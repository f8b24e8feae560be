"""The mark and the verdict of one image and of several, and which of them come first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from s3c_actions.findings.headline import (
    describe_exploited,
    describe_findings,
    describe_hidden,
    describe_limits,
    worst_of,
)
from s3c_actions.findings.model import Severity
from s3c_actions.findings.scope import Scope, SettingsFile
from s3c_actions.findings.threshold import enumerate_names
from s3c_actions.report.document import ImageResult
from s3c_actions.report.github.wording import distinct_names

ADMISSIONS = {"admitted": "admitted", "denied": "denied", "unknown": "not asked"}


def order_by_urgency(images: Iterable[ImageResult]) -> list[ImageResult]:
    """Return the images that failed first, then those that were refused, each in the given order."""
    return sorted(images, key=lambda image: ("failed", "refused", "passed").index(image.verdict))


PASSED, REFUSED, LET_PASS = "✅", "❌", "⚠️"
NEUTRAL = {
    Severity.CRITICAL: "🔴",
    Severity.HIGH: "🟠",
    Severity.MEDIUM: "🟡",
    Severity.LOW: "🔵",
    Severity.UNKNOWN: "⚪",
}
"""Of an image that no gate judged: the colour of its worst findings."""


def mark(image: ImageResult) -> str:
    """Return the mark of an image: green only when a gate judged all of its findings, or when it was not scanned."""
    if image.error is not None:
        return REFUSED
    if not is_judged(image) or (image.findings is not None and not image.findings.tally.counted):
        return NEUTRAL[_worst(image) or Severity.UNKNOWN]
    scan = image.last_scan
    return LET_PASS if scan is not None and scan.closed else PASSED


def overall_mark(images: Sequence[ImageResult], *, failed: bool = False) -> str:
    """Return the mark of several images.

    Args:
        images: of one or several documents.
        failed: whether a command ended with an error of no single image.
    """
    marks = {mark(image) for image in images}
    if failed or REFUSED in marks:
        return REFUSED
    if LET_PASS in marks:
        return LET_PASS
    if marks <= {PASSED}:
        return PASSED
    neutral = (image for image in images if mark(image) in NEUTRAL.values())
    return NEUTRAL[worst_of([_worst(image) for image in neutral]) or Severity.UNKNOWN]


def is_judged(image: ImageResult) -> bool:
    """Return whether a gate judged the image, or nothing was scanned that one could judge.

    A result of a version without `gated` counts as judged.
    """
    scan = image.last_scan
    admitted = image.admission is not None and image.admission.verdict == "admitted"
    policy = image.judgement is not None and image.judgement.admitted
    return scan is None or scan.gated is not False or admitted or policy


def _worst(image: ImageResult) -> Severity | None:
    return image.findings.tally.worst if image.findings is not None else None


def image_verdict(image: ImageResult) -> str:
    """Return the outcome of an image in a few words without a full stop."""
    if image.error is not None:
        return image.error.what.rstrip(".")
    outcomes = []
    if image.patch is not None:
        outcomes.append("patched" if image.patch.patched else "nothing to patch")
    if image.sign is not None:
        outcomes.append("signed" if image.verify is None else "signed and verified")
    elif image.verify is not None:
        outcomes.append("verified")
    if image.judgement is not None and image.judgement.admitted:
        outcomes.append("admitted by the policy")
    if image.admission is not None and image.admission.verdict != "unknown":
        outcomes.append(ADMISSIONS[image.admission.verdict])
    if image.smoke and image.patch is None:
        outcomes.append(image.smoke.verdict)
    if image.mirror:
        outcomes.append("already mirrored" if image.mirror.skipped else "mirrored")
    counts = image.findings
    limits = describe_limits(_scope(image))
    if counts is not None and not outcomes:
        scan = image.last_scan
        unchecked = scan is not None and bool(scan.blind or scan.overridden) and not counts.total
        return "; ".join(
            part for part in ("not checked" if unchecked else describe_findings(counts.tally), limits) if part
        )
    if counts is not None and (attacks := describe_exploited(counts.tally)):
        outcomes.append(attacks)
    if counts is not None and counts.fixable:
        outcomes.append(f"{counts.fixable:,} fixable left")
    if counts is not None and (note := describe_hidden(counts.tally)):
        outcomes.append(note)
    return ", ".join([*outcomes, *([limits] if limits else [])]) or "done"


def _scope(image: ImageResult) -> Scope | None:
    """Return how much the last scan covered; None where it is not known."""
    scope = image.last_scan.scope if image.last_scan is not None else None
    if not scope:
        return None
    return Scope(
        scanners=scope.scanners,
        pkg_types=scope.pkg_types,
        platforms=scope.platforms,
        skip_dirs=scope.skip_dirs,
        skip_files=scope.skip_files,
        files=tuple(SettingsFile(kind=file.kind, path=file.path, sha256=file.sha256) for file in scope.files),
        stated=scope.stated,
    )


def overall_verdict(images: Sequence[ImageResult]) -> str:
    """Return the outcome of several images."""
    total = len(images)
    names = list(zip(distinct_names(images), images, strict=True))
    clauses = []
    for verdict in ("failed", "refused"):
        named = [name for name, image in names if image.verdict == verdict]
        if named:
            clauses.append(f"{len(named)} of {total} images {verdict} ({enumerate_names(named)})")
    if clauses:
        return ", ".join(clauses)
    verdicts = {image_verdict(image) for image in images}
    if len(verdicts) == 1:
        return f"{total} images: {verdicts.pop()}"
    return f"{total} images passed" if all(map(is_judged, images)) else f"{total} images, not judged by any gate"
