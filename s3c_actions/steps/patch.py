"""Patches an image, and believes nothing of it that a rescan has not proven.

The right to push is not the right to choose the result. What is handed on is either the digest that the build itself
reported, or an earlier patch, looked up once: one that a signature covers which the run trusts, or, for a run that
signs nothing, one that is a patch of the original by its layers and its configuration. A tag is set last, and never
read back.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

import s3c_actions
from s3c_actions.core import reading, writing
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.evidence import openvex
from s3c_actions.findings import trivy_report
from s3c_actions.findings.difference import compare
from s3c_actions.findings.model import Finding, Kind, ScanReport
from s3c_actions.registry import Descriptor, ImageConfig, Manifest
from s3c_actions.result.model import Left, PatchResult, ScanResult
from s3c_actions.steps import building
from s3c_actions.steps.merging import merged, unique
from s3c_actions.steps.patching import (
    Part,
    PatchSettings,
    PatchTools,
    Work,
    copa_can,
    foundations,
    images_of,
    patchable,
    reusable,
)

__all__ = ["PatchSettings", "PatchTools", "run"]

# Earlier patches of other originals (a tag that was moved) may stand before ours; more than a few mean it is not there.
_LOOK_BACK = 10


def run(settings: PatchSettings, tools: PatchTools, before: ScanResult | None = None) -> PatchResult:
    """Patch an image, push the result under a tag of its own, and prove by a rescan what is gone.

    Args:
        settings: what to patch.
        tools: the collaborators.
        before: the scan of the original; its digest is patched, even if the tag has moved since. Made when not given.

    Raises:
        InputError: the image or its platform is not there, the report is another image's, the tag may not be used.
        OutsideError: the registry, Copa or BuildKit failed, or the rescan shows that the patch did not work: no tag
            was changed, and the digest that was pushed is named.
    """
    started = time.monotonic()
    if settings.vex is not None:
        settings.vex.unlink(missing_ok=True)
    original, index = _original(settings, tools, before)
    parts = _parts(original, index.descriptor, tools, before)
    scanned = merged(settings.image, original, [part.before for part in parts])
    result = PatchResult(
        image=settings.image,
        original=original.pinned,
        reference=original.pinned,
        tag=original.tag,
        patched=False,
        skipped=True,
        before=scanned,
        platforms=index.descriptor.platforms if len(parts) > 1 else (),
    )
    if scanned.blind:
        raise OutsideError(
            f"Whether {original.name} needs a patch cannot be told: {scanned.blind}",
            remedy="Base the image on a distribution that Trivy and Copa know.",
            image=str(original),
        )
    if not any(patchable(part.before.report, settings.library) for part in parts):
        left = _left(scanned.report, settings.library)
        reason = _nothing(scanned.report, settings.library)
        with tools.progress.step("patch") as step:
            step.done(reason)
        return replace(result, reason=reason, left=left, seconds=time.monotonic() - started)
    work = Work(settings=settings, tools=tools, original=original, index=index, parts=parts)
    taken = settings.tag.taken(original, tools.registry.tags(original))
    result = _earlier(work, taken, result) or _new(work, taken, result)
    # Last, so that nothing claims a fix that was not accepted.
    vex = _write_vex(work, Reference.parse(result.reference), result.fixed)
    return replace(result, vex=vex, seconds=time.monotonic() - started)


def _earlier(work: Work, taken: dict[int, str], result: PatchResult) -> PatchResult | None:
    """The newest patch of this original that may be used again and leaves nothing to patch."""
    original, tools = work.original, work.tools
    for tag in list(taken.values())[:_LOOK_BACK]:
        # The one look-up of this tag: what it stands for later does not matter.
        found = _found(work, tag) if tag != original.tag else None
        images = images_of(work, found)[0] if found is not None else []
        if found is None or not images:
            continue
        reference = original.at(found.descriptor.digest)
        if not reusable(work, reference, images):
            continue
        rescans = _rescan(work, [original.at(one.manifest) for one in images])
        if any(scan.blind or patchable(scan.report, work.settings.library) for scan in rescans):
            return None  # the newest patch is stale, so the older ones are too
        if tools.vouched is None:
            tools.progress.warning(
                f"{original.name}:{tag} ({reference.digest}) was pushed by an earlier run and is used again by its "
                "content alone: no signature says who pushed it. Before you sign it, name the certificate to trust, or "
                "set `reuse-patched: never`."
            )
        reason = f"{tag} is a patch of this image already, and nothing is left to patch in it."
        with tools.progress.step("patch") as step:
            step.done(reason)
        return _compared(work, rescans, replace(result, reference=reference.pinned, tag=tag, reason=reason))
    return None


def _found(work: Work, tag: str) -> Manifest | None:
    """What a tag stands for; None also for what no image is, which somebody may have put there."""
    try:
        return work.tools.registry.find(work.original.tagged(tag))
    except OutsideError as error:
        work.tools.progress.note(f"{work.original.name}:{tag} is left alone: {error.what}")
        return None


def _new(work: Work, taken: dict[int, str], result: PatchResult) -> PatchResult:
    """Patch, prove it, and only then set the tag.

    Raises:
        InputError: the tag may not be used: nothing has been pushed.
        OutsideError: as of `run`.
    """
    place = building.place(work, taken)
    try:
        built = building.build(work, place)
        rescans = _rescan(work, built.images)
        result = replace(result, reference=built.reference.pinned, tag=place.tag, skipped=False)
        result = _compared(work, rescans, result)
        reason = _judge(work, rescans, result)
        tag = building.set_tag(work, built.manifest, place)
    finally:
        building.clean_up(work, place)
    if tag != result.tag:
        result = _compared(work, rescans, replace(result, tag=tag))
    return replace(result, reason=reason)


def _compared(work: Work, rescans: list[ScanResult], result: PatchResult) -> PatchResult:
    """What the rescans of a patched image say of it, beside the scans of the original."""
    reference = Reference.parse(result.reference)
    after = merged(f"{reference.name}:{result.tag}", reference, rescans)
    differences = [compare(part.before.report, scan.report) for part, scan in zip(work.parts, rescans, strict=True)]
    fixed = unique(finding for one in differences for finding in one.fixed)
    return replace(
        result,
        patched=True,
        after=after,
        fixed=fixed,
        new=unique(finding for one in differences for finding in one.new),
        left=_left(after.report, work.settings.library),
        upgraded=_upgraded(rescans, fixed),
    )


def _original(settings: PatchSettings, tools: PatchTools, before: ScanResult | None) -> tuple[Reference, Manifest]:
    """The original by digest, its tag kept as a name, and what the registry says of it."""
    reference = Reference.parse(settings.image)
    if before is not None and "@" in before.reference:
        scanned = Reference.parse(before.reference)
        if scanned.name != reference.name or reference.digest not in ("", scanned.digest):
            raise InputError(
                "report",
                f"it is the scan of {before.reference}, not of {settings.image}.",
                remedy="Give the report of this image, or none to have it scanned.",
                image=settings.image,
            )
        reference = replace(reference, digest=scanned.digest)
    index = tools.registry.manifest(reference)
    if index.descriptor.is_index and not index.descriptor.images:
        raise InputError("image", f"{reference} is an index without images.", image=settings.image)
    return replace(reference, digest=index.descriptor.digest), index


def _parts(original: Reference, index: Descriptor, tools: PatchTools, before: ScanResult | None) -> list[Part]:
    """The original's platforms; of a single image, or an index of one, that one.

    Raises:
        InputError: the report given is another image's; a platform cannot be patched here.
    """
    references = [original.at(one.digest) for one in index.images] if index.is_index else [original]
    configs = [tools.registry.config(reference) for reference in references]
    listed = [one.platform for one in index.images] if index.is_index else [one.platform for one in configs]
    _refuse_foreign(original, configs, tools)
    parts = []
    given = {scan.reference.rpartition("@")[2]: scan for scan in before.parts} if before is not None else {}
    for reference, config, platform in zip(references, configs, listed, strict=True):
        # A scan without parts is one platform's only.
        own = before if len(references) == 1 else given.get(config.manifest)
        name = config.platform.replace("/", "-") if len(references) > 1 else ""
        scan = own or tools.scan(reference.at(config.manifest).pinned, name)
        if scan.report.diff_ids != config.diff_ids:
            raise InputError(
                "report",
                "it is the report of another image: the layers differ.",
                cause="The image was pushed again since it was scanned, or the report is of another one.",
                remedy="Scan it again, or give no report to have it scanned.",
                image=str(original),
            )
        parts.append(
            Part(
                listed=platform,
                reference=reference.at(config.manifest),
                config=config,
                foundations=foundations(reference, config, tools.registry),
                before=scan,
                name=name,
            )
        )
    return parts


def _refuse_foreign(original: Reference, configs: list[ImageConfig], tools: PatchTools) -> None:
    """Refuse platforms that do not run here before anything is pushed.

    Copa would push the platforms it can and then fail, and would label a single image of a foreign platform as one of
    this machine's.
    """
    if len(configs) == 1:
        foreign = [c.platform for c in configs if c.platform.split("/")[:2] != ["linux", tools.host]]
        how = f"run this on a {foreign[0]} machine" if foreign else ""
    else:
        foreign = [config.platform for config in configs if not tools.builds(config.platform)]
        how = "register QEMU for them first (`docker/setup-qemu-action`)"
    if foreign:
        raise InputError(
            "image",
            f"{original} has {', '.join(foreign)}, which cannot be patched on this linux/{tools.host} machine.",
            cause="Copa runs the image's own package manager, and this machine cannot run its programs.",
            remedy=f"To patch it, {how}. Nothing was pushed.",
            image=str(original),
        )


def _nothing(report: ScanReport, library: bool) -> str:
    if not report.findings:
        return "Nothing to fix: the scan found nothing."
    others = [f for f in report.fixable if not copa_can(f, library)]
    if others:
        return (
            f"Nothing that Copa patches: {len(others)} of {len(report.findings)} findings have a fix of another kind."
        )
    return f"Nothing to fix: none of the {len(report.findings)} findings has a fix yet."


_NO_FIX = {
    "affected": "no fix yet",
    "under_investigation": "the distribution is still looking into it",
    "will_not_fix": "the distribution will not fix it",
    "fix_deferred": "the distribution has put the fix off",
    "end_of_life": "the release is past its end of life",
}


def _left(report: ScanReport, library: bool) -> tuple[Left, ...]:
    return tuple(Left(finding=f, reason=_why_left(f, report, library)) for f in report.findings)


def _upgraded(rescans: Iterable[ScanResult], fixed: Iterable[Finding]) -> dict[str, str]:
    listed: dict[str, str] = {}
    for scan in rescans:
        # A rescan's JSON was read just now; what it lists is told where it can be, and decides nothing.
        with suppress(OSError):
            listed |= trivy_report.installed(reading.content(scan.trivy_json, reading.REPORTS))
    return {name: listed[name] for name in dict.fromkeys(one.package for one in fixed) if name in listed}


def _why_left(finding: Finding, report: ScanReport, library: bool) -> str:
    if finding.kind is not Kind.VULNERABILITY:
        return "no package upgrade mends it"
    if not finding.fixable:
        if report.os_end_of_life and finding.os_package:
            return "the release is past its end of life"
        return _NO_FIX.get(finding.status, "no fix yet")
    if not copa_can(finding, library):
        return (
            f"Copa does not upgrade {finding.package_type or 'such'} packages: rebuild the image with {finding.fixed}"
        )
    return f"{finding.fixed} is not in the package sources configured in the image, or the package is held"


def _rescan(work: Work, images: list[Reference]) -> list[ScanResult]:
    return [work.tools.rescan(image.pinned, part.name) for image, part in zip(images, work.parts, strict=True)]


def _judge(work: Work, rescans: list[ScanResult], result: PatchResult) -> str:
    """What is to be told of a patch that was made: empty when all of it worked.

    Raises:
        OutsideError: it did not, and a partial patch was not allowed.
    """
    settings, parts = work.settings, work.parts
    blind = next((scan.blind for scan in rescans if scan.blind), "")
    left = [f for scan in rescans for f in patchable(scan.report, settings.library)]
    more = any(
        len(scan.report.findings) > len(part.before.report.findings) for part, scan in zip(parts, rescans, strict=True)
    )
    if not left and not more and not blind:
        return ""
    packages = sorted({f.package for f in left})
    shown = ", ".join(packages[:5]) + (f" and {len(packages) - 5} more" if len(packages) > 5 else "")
    what = f"{len(left)} fixable findings are left in {shown}" if left else "the patched image has more findings"
    what = blind.rstrip(".") or what
    if settings.allow_partial and result.fixed and not more and not blind:
        return f"Partly patched: {what}."
    raise building.rejected(Reference.parse(result.original), Reference.parse(result.reference), what)


def _write_vex(work: Work, reference: Reference, fixed: tuple[Finding, ...]) -> Path | None:
    path = work.settings.vex
    if path is None or not fixed:
        return None
    return writing.write(path, openvex.document(reference, fixed, work.tools.now, s3c_actions.__version__))
