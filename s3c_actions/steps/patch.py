"""Patch an image, and claim nothing about it that a rescan has not proved.

The permission to push does not include the permission to choose the result. The returned image is either the digest
that the build itself reported, or an earlier patch, looked up once: one with a signature that the run trusts, or, for a
run that signs nothing, one that is a patch of the original by its layers and its configuration. A tag is set last, and
never read back.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

import s3c_actions
from s3c_actions.core import reading, writing
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.evidence import openvex
from s3c_actions.findings import trivy_report
from s3c_actions.findings.difference import Difference, compare_scans
from s3c_actions.findings.model import Finding, FindingKind, ScanReport
from s3c_actions.registry import Descriptor, Manifest
from s3c_actions.result.model import LeftFinding, PatchResult, ScanResult
from s3c_actions.result.smoke import ImagePair, SmokeResult
from s3c_actions.steps import concurrent_patches, patch_building
from s3c_actions.steps.merge import merge_scans, union_findings
from s3c_actions.steps.patching import (
    PatchSettings,
    PatchTools,
    PatchWork,
    PlatformPart,
    base_layers,
    can_patch,
    is_reusable,
    match_images,
    patchable_findings,
)

__all__ = ["PatchSettings", "PatchTools", "run"]

# Earlier patches of other originals (a moved tag) may precede ours; after more than a few, ours does not exist.
_LOOK_BACK = 10


def run(settings: PatchSettings, tools: PatchTools, before: ScanResult | None = None) -> PatchResult:
    """Patch an image, push the result under a tag of its own, and prove by a rescan what is fixed.

    Args:
        settings: what to patch.
        tools: the collaborators.
        before: the scan of the original; its digest is patched, even if the tag has moved since. Scanned when not
            given.

    Raises:
        InputError: the image does not exist, the report is another image's, the tag may not be used, or a platform
            that needs a patch does not run here: nothing was pushed.
        OutsideError: the registry, Copa or BuildKit failed, or the rescan shows that the patch did not work: no tag was
            changed, and the message names the digest that was pushed.
        SmokeRefused: the patched image does otherwise than the original when both are started: no tag was changed.
    """
    started = time.monotonic()
    if settings.vex is not None:
        settings.vex.unlink(missing_ok=True)
    original, index = _original(settings, tools, before)
    parts = _parts(original, index.descriptor, tools, before)
    scanned = merge_scans(settings.image, original, [part.before for part in parts])
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
    if not any(patchable_findings(part.before.report, settings.library) for part in parts):
        remaining = _remaining(scanned.report, settings.library)
        reason = _why_nothing_to_patch(scanned.report, settings.library)
        with tools.progress.step("patch") as step:
            step.done(reason)
        return replace(result, reason=reason, left=remaining, seconds=time.monotonic() - started)
    work = PatchWork(settings=settings, tools=tools, original=original, index=index, parts=parts)
    taken_tags = settings.tag.taken(original, tools.registry.tags(original))
    result = _reuse_earlier(work, taken_tags, result) or _patch_anew(work, taken_tags, result)
    # Last, so that no document claims a fix that was not accepted.
    if result.patched and tools.compare is not None:
        result = replace(result, changes=tools.compare(original, Reference.parse(result.reference)))
    vex = _write_vex(work, Reference.parse(result.reference), result.fixed)
    return replace(result, vex=vex, seconds=time.monotonic() - started)


def _reuse_earlier(work: PatchWork, taken_tags: Mapping[int, str], result: PatchResult) -> PatchResult | None:
    """Return the newest patch of this original that may be reused and leaves nothing to patch."""
    original, tools = work.original, work.tools
    for tag in list(taken_tags.values())[:_LOOK_BACK]:
        # The only look-up of this tag: later changes of it do not matter.
        manifest = _find_tag(work, tag) if tag != original.tag else None
        images = match_images(work, manifest)[0] if manifest is not None else []
        if manifest is None or not images:
            continue
        reference = original.at(manifest.descriptor.digest)
        if not is_reusable(work, reference, images):
            continue
        rescans = _rescan(work, [original.at(image.manifest) for image in images])
        if any(scan.blind or patchable_findings(scan.report, work.settings.library) for scan in rescans):
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
        smoke = _smoke(work, reference, [original.at(image.manifest) for image in images])
        return _compare(work, rescans, replace(result, reference=reference.pinned, tag=tag, reason=reason, smoke=smoke))
    return None


def _find_tag(work: PatchWork, tag: str) -> Manifest | None:
    """Return the manifest of a tag; None also for something that is not an image, which anyone may have pushed."""
    try:
        return work.tools.registry.find(work.original.tagged(tag))
    except OutsideError as error:
        work.tools.progress.note(f"{work.original.name}:{tag} is left alone: {error.what}")
        return None


def _patch_anew(work: PatchWork, taken_tags: dict[int, str], result: PatchResult) -> PatchResult:
    """Patch, prove the patch, and only then set the tag.

    Raises:
        InputError: a platform cannot be patched here, or the tag may not be used: nothing has been pushed.
        OutsideError: as `run` does.
    """
    _reject_foreign(work)
    place = patch_building.choose_target(work, taken_tags)
    untouched = result
    try:
        built = patch_building.build(work, place)
        rescans = _rescan(work, built.images)
        result = replace(result, reference=built.reference.pinned, tag=place.tag, skipped=False)
        result = _compare(work, rescans, result)
        reason = _judge(work, rescans, result)
        result = replace(result, smoke=_smoke(work, built.reference, built.images))
        others = concurrent_patches.find_rivals(work, taken_tags)
        if others and (adopted := _adopt_rival(work, others, untouched)):
            return adopted
        tag = patch_building.set_tag(work, built.manifest, place)
    finally:
        patch_building.delete_temporary_tags(work, place)
    digest = built.reference.digest
    others = concurrent_patches.find_rivals(work, taken_tags, tag=tag, digest=digest)
    if others:
        if adopted := _adopt_rival(work, others, untouched):
            return adopted
        if tag in others.values():
            tag = patch_building.set_tag(work, built.manifest, place)
    if tag != result.tag:
        result = _compare(work, rescans, replace(result, tag=tag))
    return replace(result, reason=reason)


def _adopt_rival(work: PatchWork, rivals: Mapping[int, str], untouched: PatchResult) -> PatchResult | None:
    """Return the patch that another run made of this image at the same time, once it is signed; None when none is.

    Two runs that overlap would otherwise each sign a patch of their own.
    """
    signed = concurrent_patches.wait_for_signature(work, rivals)
    return _reuse_earlier(work, signed, untouched) if signed else None


def _compare(work: PatchWork, rescans: list[ScanResult], result: PatchResult) -> PatchResult:
    """Return the result of comparing the rescans of a patched image with the scans of the original."""
    reference = Reference.parse(result.reference)
    after = merge_scans(f"{reference.name}:{result.tag}", reference, rescans)
    differences = [
        compare_scans(part.before.report, scan.report) for part, scan in zip(work.parts, rescans, strict=True)
    ]
    fixed = union_findings(
        [
            _fixed(part.before.report, scan.report, difference)
            for part, scan, difference in zip(work.parts, rescans, differences, strict=True)
        ]
    )
    return replace(
        result,
        patched=True,
        after=after,
        fixed=fixed,
        new=union_findings([difference.new for difference in differences]),
        left=_remaining(after.report, work.settings.library),
        upgraded=_upgraded(rescans, fixed),
    )


def _fixed(before: ScanReport, after: ScanReport, difference: Difference) -> tuple[Finding, ...]:
    """Return the findings that are fixed: one that is only set aside in the patched image is not."""
    if not after.suppressed:
        return difference.fixed
    return compare_scans(before, replace(after, findings=(*after.findings, *after.suppressed))).fixed


def _original(settings: PatchSettings, tools: PatchTools, before: ScanResult | None) -> tuple[Reference, Manifest]:
    """Return the original by digest, its tag kept as a name, and its manifest."""
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


def _parts(original: Reference, index: Descriptor, tools: PatchTools, before: ScanResult | None) -> list[PlatformPart]:
    """Return the original's platforms; of a single image, or an index of one, that one.

    Raises:
        InputError: the report given is another image's.
    """
    references = [original.at(image.digest) for image in index.images] if index.is_index else [original]
    configs = [tools.registry.config(reference) for reference in references]
    listed = [image.platform for image in index.images] if index.is_index else [config.platform for config in configs]
    parts = []
    scans = {scan.reference.rpartition("@")[2]: scan for scan in before.parts} if before is not None else {}
    for reference, config, platform in zip(references, configs, listed, strict=True):
        # A scan without parts is of one platform only.
        own = before if len(references) == 1 else scans.get(config.manifest)
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
            PlatformPart(
                listed=platform,
                reference=reference.at(config.manifest),
                config=config,
                foundations=base_layers(reference, config, tools.registry),
                before=scan,
                name=name,
            )
        )
    return parts


def _reject_foreign(work: PatchWork) -> None:
    """Reject platforms that need a patch and do not run here, before anything is pushed.

    Copa would push the platforms it can and then fail, and would label a single image of a foreign platform as one of
    this machine's.

    Raises:
        InputError: there are such platforms.
    """
    host = work.tools.host
    wanted = [
        part.config.platform for part in work.parts if patchable_findings(part.before.report, work.settings.library)
    ]
    if work.several:
        foreign = [platform for platform in wanted if not work.tools.builds(platform)]
        advice = "register QEMU for them first (`docker/setup-qemu-action`)"
    else:
        foreign = [platform for platform in wanted if platform.split("/")[:2] != ["linux", host]]
        advice = f"run this on a {foreign[0]} machine" if foreign else ""
    if foreign:
        raise InputError(
            "image",
            f"{work.original} has {', '.join(foreign)}, which cannot be patched on this linux/{host} machine.",
            cause="Copa runs the image's own package manager, and this machine cannot run its programs.",
            remedy=f"To patch it, {advice}. Nothing was pushed.",
            image=str(work.original),
        )


def _why_nothing_to_patch(report: ScanReport, library: bool) -> str:
    if not report.findings:
        return (
            "Nothing to fix: the report given lists no findings."
            if report.hidden.uncounted
            else "Nothing to fix: the scan found nothing."
        )
    excluded = [finding for finding in report.fixable if not can_patch(finding, library)]
    if excluded:
        return (
            f"Nothing that Copa patches: {len(excluded)} of {len(report.findings)} findings have a fix of another kind."
        )
    return f"Nothing to fix: none of the {len(report.findings)} findings has a fix yet."


_NO_FIX = {
    "affected": "no fix yet",
    "under_investigation": "the distribution is still looking into it",
    "will_not_fix": "the distribution will not fix it",
    "fix_deferred": "the distribution has put the fix off",
    "end_of_life": "the release is past its end of life",
}


def _remaining(report: ScanReport, library: bool) -> tuple[LeftFinding, ...]:
    return tuple(
        LeftFinding(finding=finding, reason=_why_left(finding, report, library)) for finding in report.findings
    )


def _upgraded(rescans: Iterable[ScanResult], fixed: Iterable[Finding]) -> dict[str, str]:
    listed: dict[str, str] = {}
    for scan in rescans:
        # A rescan's JSON was read just now; what it lists is only reported, and decides nothing.
        with suppress(OSError):
            listed |= trivy_report.installed_versions(reading.read_file(scan.trivy_json, reading.MAX_REPORT_BYTES))
    return {name: listed[name] for name in dict.fromkeys(finding.package for finding in fixed) if name in listed}


def _why_left(finding: Finding, report: ScanReport, library: bool) -> str:
    if finding.kind is not FindingKind.VULNERABILITY:
        return "no package upgrade fixes it"
    if not finding.fixable:
        if report.os_end_of_life and finding.os_package:
            return "the release is past its end of life"
        return _NO_FIX.get(finding.status, "no fix yet")
    if not can_patch(finding, library):
        return (
            f"Copa does not upgrade {finding.package_type or 'such'} packages: rebuild the image with {finding.fixed}"
        )
    return f"{finding.fixed} is not in the package sources configured in the image, or the package is held"


def _rescan(work: PatchWork, images: list[Reference]) -> list[ScanResult]:
    return [work.tools.rescan(image.pinned, part.name) for image, part in zip(images, work.parts, strict=True)]


def _judge(work: PatchWork, rescans: list[ScanResult], result: PatchResult) -> str:
    """Return a sentence on what a patch did not fix: empty when all of it worked.

    Raises:
        OutsideError: it did not, and a partial patch is not allowed.
    """
    settings, parts = work.settings, work.parts
    blind = next((scan.blind for scan in rescans if scan.blind), "")
    remaining = [finding for scan in rescans for finding in patchable_findings(scan.report, settings.library)]
    more = any(
        len(scan.report.findings) > len(part.before.report.findings) for part, scan in zip(parts, rescans, strict=True)
    )
    if not remaining and not more and not blind:
        return ""
    packages = sorted({finding.package for finding in remaining})
    shown = ", ".join(packages[:5]) + (f" and {len(packages) - 5} more" if len(packages) > 5 else "")
    what = (
        f"{len(remaining)} fixable findings are left in {shown}" if remaining else "the patched image has more findings"
    )
    what = blind.rstrip(".") or what
    if settings.allow_partial and result.fixed and not more and not blind:
        return f"Partly patched: {what}."
    raise patch_building.rejected_error(Reference.parse(result.original), Reference.parse(result.reference), what)


def _smoke(work: PatchWork, patched: Reference, images: list[Reference]) -> SmokeResult | None:
    """Start original and patched image, when that is asked for.

    Raises:
        SmokeRefused: it is required, and did not end well.
    """
    if work.tools.smoke is None:
        return None
    pairs = tuple(
        ImagePair(platform=part.config.platform, original=part.reference, patched=image)
        for part, image in zip(work.parts, images, strict=True)
    )
    return work.tools.smoke(work.original, patched, pairs)


def _write_vex(work: PatchWork, reference: Reference, fixed: tuple[Finding, ...]) -> Path | None:
    path = work.settings.vex
    if path is None or not fixed:
        return None
    return writing.write(path, openvex.render_openvex(reference, fixed, work.tools.now, s3c_actions.__version__))
