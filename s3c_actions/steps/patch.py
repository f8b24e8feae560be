"""Patches an image, and believes nothing of it that a rescan has not proven.

The step keeps no state: a patch made by an earlier run is found among the tags by its layers, which begin with those
of the original, and is used again when its rescan shows that nothing is left to patch. So a run that was killed can be
run again, and a scheduled run pushes only when there is something new to fix.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

import s3c_actions
from s3c_actions.errors import InputError, OutsideError, S3CError
from s3c_actions.image import Reference
from s3c_actions.progress import Progress
from s3c_actions.registry import Descriptor, ImageConfig, Registry
from s3c_actions.report import openvex, trivy_json
from s3c_actions.report.difference import compare
from s3c_actions.report.model import Finding, Kind, ScanReport
from s3c_actions.steps.merging import merged, unique
from s3c_actions.steps.results import Left, PatchResult, ScanResult
from s3c_actions.tags import TagTemplate

# Earlier patches of other originals (a tag that was moved) may stand before ours; more than a few mean it is not there.
_LOOK_BACK = 10
_BASE_LABEL = "BaseImage"


class Patcher(Protocol):
    """Copa, bound to a BuildKit."""

    def __call__(self, image: Reference, report: Path, tag: str) -> bool:
        """Patch and push.

        Args:
            image: pinned.
            report: Trivy's JSON, or a folder of one for each platform.
            tag: what to push to, in the image's repository.

        Returns:
            Whether there was anything to patch; with false nothing was pushed.
        """


class PatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to patch.

    Attributes:
        image: as it was asked for.
        tag: of the patched image.
        overwrite: the tag may replace another image's, even the original's.
        allow_partial: hand on an image in which something stayed unpatched.
        library: language packages are patched too.
        vex: where the OpenVEX document is written; None for none.
        temp: for the reports of a multi-platform image.
    """

    image: str
    tag: TagTemplate
    overwrite: bool = False
    allow_partial: bool = False
    library: bool = False
    vex: Path | None = None
    temp: Path | None = None


class PatchTools(msgspec.Struct, frozen=True, kw_only=True):
    """What the step works with.

    Attributes:
        scan: scans a pinned reference; its second argument names the platform of a multi-platform image
            (`linux-arm64`), and is empty otherwise. `rescan` does so for a patched image.
        patch: Copa; called only when there is something to patch.
        builds: whether a platform's programs run here, natively or emulated; `host` is the native one's architecture.
        now: the time of the run.
    """

    registry: Registry
    scan: Callable[[str, str], ScanResult]
    rescan: Callable[[str, str], ScanResult]
    patch: Patcher
    builds: Callable[[str], bool]
    host: str
    progress: Progress
    now: datetime


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """One platform of the original, with its scan."""

    reference: Reference
    config: ImageConfig
    foundations: tuple[tuple[str, ...], ...]
    before: ScanResult
    name: str


def run(settings: PatchSettings, tools: PatchTools, before: ScanResult | None = None) -> PatchResult:
    """Patch an image, push the result under a tag of its own, and prove by a rescan what is gone.

    Args:
        settings: what to patch.
        tools: the collaborators.
        before: the scan of the original; its digest is patched, even if the tag has moved since. Made when not given.

    Raises:
        InputError: the image or its platform is not there, the report is another image's, the tag may not be used.
        OutsideError: the registry, Copa or BuildKit failed, or the rescan shows that the patch did not work. What was
            pushed in spite of that is named.
    """
    started = time.monotonic()
    original, index = _original(settings, tools, before)
    parts = _parts(original, index, tools, before)
    scanned = merged(settings.image, original, [part.before for part in parts])
    result = PatchResult(
        image=settings.image,
        original=original.pinned,
        reference=original.pinned,
        tag=original.tag,
        patched=False,
        skipped=True,
        before=scanned,
        platforms=index.platforms if len(parts) > 1 else (),
    )
    if scanned.blind:
        raise OutsideError(
            f"Whether {original.name} needs a patch cannot be told: {scanned.blind}",
            remedy="Base the image on a distribution that Trivy and Copa know.",
            image=str(original),
        )
    patchable = [_patchable(part.before.report, settings.library) for part in parts]
    if not any(patchable):
        left = _left(scanned.report, settings.library)
        reason = _nothing(scanned.report, settings.library)
        with tools.progress.step("patch") as step:
            step.done(reason)
        return replace(result, reason=reason, left=left, seconds=time.monotonic() - started)
    taken = settings.tag.taken(original, tools.registry.tags(original))
    found = _earlier(settings, tools, original, parts, taken)
    if found is None:
        tag = _tag(settings, tools, original, parts, taken)
        found = tag, _pushed(settings, tools, original, parts, tag)
    else:
        result = replace(
            result, reason=f"{found[0]} is a patch of this image already, and nothing is left to patch in it."
        )
        with tools.progress.step("patch") as step:
            step.done(result.reason)
    tag, (reference, rescans) = found
    made = not result.reason
    after = merged(f"{original.name}:{tag}", reference, rescans)
    difference = [compare(part.before.report, scan.report) for part, scan in zip(parts, rescans, strict=True)]
    fixed = unique(finding for one in difference for finding in one.fixed)
    result = replace(
        result,
        reference=reference.pinned,
        tag=tag,
        patched=True,
        skipped=not made,
        after=after,
        fixed=fixed,
        new=unique(finding for one in difference for finding in one.new),
        left=_left(after.report, settings.library),
        upgraded=_upgraded(rescans, fixed),
        vex=_write_vex(settings, tools, reference, fixed),
    )
    if made:
        reason = _judge(settings, parts, rescans, result)
        result = replace(result, reason=reason)
    return replace(result, seconds=time.monotonic() - started)


def _original(settings: PatchSettings, tools: PatchTools, before: ScanResult | None) -> tuple[Reference, Descriptor]:
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
    index = tools.registry.resolve(reference)
    if index.is_index and not index.images:
        raise InputError("image", f"{reference} is an index without images.", image=settings.image)
    return replace(reference, digest=index.digest), index


def _parts(original: Reference, index: Descriptor, tools: PatchTools, before: ScanResult | None) -> list[_Part]:
    """The original's platforms; of a single image, or an index of one, that one.

    Raises:
        InputError: the report given is another image's; a platform cannot be patched here.
    """
    references = [original.at(one.digest) for one in index.images] if index.is_index else [original]
    configs = [tools.registry.config(reference) for reference in references]
    _refuse_foreign(original, configs, tools)
    parts = []
    given = {scan.reference.rpartition("@")[2]: scan for scan in before.parts} if before is not None else {}
    for reference, config in zip(references, configs, strict=True):
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
        foundations = _foundations(reference, config, tools.registry)
        parts.append(
            _Part(
                reference=reference.at(config.manifest), config=config, foundations=foundations, before=scan, name=name
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


def _foundations(reference: Reference, config: ImageConfig, registry: Registry) -> tuple[tuple[str, ...], ...]:
    """The layers a patch of this image may begin with: its own, or its base's when it is itself a patch by Copa.

    Copa replaces its earlier layer by taking the image that a label names as the base. The label is the image's own
    word and could name anything, so it counts only if the image does begin with the layers of what it names.
    """
    own = config.document.get("config")
    own = own if isinstance(own, dict) else {}
    labels: Mapping[str, Any] = {**_mapping(own.get("Labels")), **_mapping(own.get("labels"))}
    named = labels.get(_BASE_LABEL)
    if not isinstance(named, str):
        return (config.diff_ids,)
    try:
        base = Reference.parse(named)
        if base.name != reference.name:
            return (config.diff_ids,)
        layers = registry.config(base, platform=config.platform).diff_ids
    except S3CError:
        return (config.diff_ids,)
    return (config.diff_ids, layers) if config.diff_ids[: len(layers)] == layers else (config.diff_ids,)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _patchable(report: ScanReport, library: bool) -> tuple[Finding, ...]:
    return tuple(f for f in report.findings if _copa_can(f, library))


def _copa_can(finding: Finding, library: bool) -> bool:
    if finding.kind is not Kind.VULNERABILITY or not finding.fixable:
        return False
    return finding.os_package or library


def _nothing(report: ScanReport, library: bool) -> str:
    if not report.findings:
        return "Nothing to fix: the scan found nothing."
    others = [f for f in report.fixable if not _copa_can(f, library)]
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
            listed |= trivy_json.installed(scan.trivy_json.read_bytes())
    return {name: listed[name] for name in dict.fromkeys(one.package for one in fixed) if name in listed}


def _why_left(finding: Finding, report: ScanReport, library: bool) -> str:
    if finding.kind is not Kind.VULNERABILITY:
        return "no package upgrade mends it"
    if not finding.fixable:
        if report.os_end_of_life and finding.os_package:
            return "the release is past its end of life"
        return _NO_FIX.get(finding.status, "no fix yet")
    if not _copa_can(finding, library):
        return (
            f"Copa does not upgrade {finding.package_type or 'such'} packages: rebuild the image with {finding.fixed}"
        )
    return f"{finding.fixed} is not in the package sources configured in the image, or the package is held"


def _earlier(
    settings: PatchSettings, tools: PatchTools, original: Reference, parts: list[_Part], taken: dict[int, str]
) -> tuple[str, tuple[Reference, list[ScanResult]]] | None:
    """The newest patch of this original that leaves nothing to patch, with its rescans."""
    for tag in list(taken.values())[:_LOOK_BACK]:
        if tag == original.tag:
            continue
        candidate = tools.registry.resolve(original.tagged(tag))
        reference = original.at(candidate.digest)
        images = _images(reference, candidate, parts, tools.registry)
        if images is None:
            continue
        rescans = _rescan(tools, images, parts)
        if not any(scan.blind or _patchable(scan.report, settings.library) for scan in rescans):
            return tag, (reference, rescans)
        return None  # the newest patch is stale, so the older ones are too
    return None


def _images(
    reference: Reference, described: Descriptor, parts: list[_Part], registry: Registry
) -> list[Reference] | None:
    """The images in a patch that belong to the original's parts, in their order; None when it is no patch of them."""
    listed = described.images if described.is_index else ()
    if (described.is_index and len(listed) != len(parts)) or (not described.is_index and len(parts) != 1):
        return None
    configs = [registry.config(reference.at(one.digest)) for one in listed] or [registry.config(reference)]
    found = []
    for part in parts:
        match = next((c for c in configs if c.platform == part.config.platform and _built_on(c, part)), None)
        if match is None:
            return None
        found.append(reference.at(match.manifest))
    return found


def _built_on(config: ImageConfig, part: _Part) -> bool:
    return any(config.diff_ids[: len(base)] == base for base in part.foundations)


def _tag(
    settings: PatchSettings, tools: PatchTools, original: Reference, parts: list[_Part], taken: dict[int, str]
) -> str:
    """The tag for a new patch; never one that stands for another image, unless that is asked for."""
    try:
        tag = settings.tag.fill(original, max(taken, default=0) + 1)
    except ValueError as error:
        raise InputError("patched-tag", f"{error}.", remedy="Give a shorter template.", image=str(original)) from None
    if settings.overwrite or tag not in taken.values():
        return tag
    remedy = "Use {n} in it, or say that it may be replaced with `overwrite-tag`."
    if tag == original.tag:
        raise InputError("patched-tag", f"{tag} is the original's own tag.", remedy=remedy, image=str(original))
    there = tools.registry.resolve(original.tagged(tag))
    if _images(original.at(there.digest), there, parts, tools.registry) is None:
        raise InputError(
            "patched-tag",
            f"{tag} stands for another image in {original.name} ({there.digest}).",
            cause="It is not a patch of this original by its layers.",
            remedy=remedy,
            image=str(original),
        )
    return tag


def _pushed(
    settings: PatchSettings, tools: PatchTools, original: Reference, parts: list[_Part], tag: str
) -> tuple[Reference, list[ScanResult]]:
    """Patch, and look up in the registry what came of it: its digest, and the rescan of each platform."""
    with tools.progress.step("patch") as step:
        if len(parts) == 1:
            some = tools.patch(parts[0].reference, parts[0].before.trivy_json, tag)
        else:
            folder = Path(tempfile.mkdtemp(prefix="s3c-reports-", dir=settings.temp))
            try:
                for number, part in enumerate(parts):
                    shutil.copyfile(part.before.trivy_json, folder / f"{number}.json")
                some = tools.patch(original.at(original.digest), folder, tag)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        if not some:
            raise OutsideError(
                f"Copa found nothing to patch in {original.name}, though the scan found fixable packages.",
                cause="Copa and the scan read the report differently.",
                remedy="Scan it again, and give the operating system's packages (`pkg-types: os`) to the scan.",
                image=str(original),
            )
        try:
            described = tools.registry.resolve(original.tagged(tag))
        except InputError as error:
            raise OutsideError(
                f"Copa ended well, but {original.name}:{tag} is not in the registry.",
                remedy="Run it again; if that does not help, look at the registry's storage.",
                image=str(original),
                original=error.what,
            ) from None
        reference = original.at(described.digest)
        images = _images(reference, described, parts, tools.registry)
        if images is None:
            raise _rejected(original, tag, reference, "it is not built on the original's layers and platforms")
        packages = {f.package for part in parts for f in _patchable(part.before.report, settings.library)}
        count = f"{len(packages)} package{'s' * (len(packages) != 1)}"
        step.done(f"{count} upgraded → {original.short}:{tag} @ {described.digest[:19]}…")
    return reference, _rescan(tools, images, parts)


def _rescan(tools: PatchTools, images: list[Reference], parts: list[_Part]) -> list[ScanResult]:
    return [tools.rescan(image.pinned, part.name) for image, part in zip(images, parts, strict=True)]


def _judge(settings: PatchSettings, parts: list[_Part], rescans: list[ScanResult], result: PatchResult) -> str:
    """What is to be told of a patch that was made: empty when all of it worked.

    Raises:
        OutsideError: it did not, and a partial patch was not allowed.
    """
    blind = next((scan.blind for scan in rescans if scan.blind), "")
    left = [f for scan in rescans for f in _patchable(scan.report, settings.library)]
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
    original = Reference.parse(result.original)
    raise _rejected(original, result.tag, Reference.parse(result.reference), what)


def _rejected(original: Reference, tag: str, reference: Reference, why: str) -> OutsideError:
    return OutsideError(
        f"The patch of {original.name} did not work: {why}.",
        cause="The package sources in the image do not offer the fixed versions, or Copa upgraded something else.",
        remedy=f"It was pushed as {tag} ({reference.digest}) and is not handed on as patched: delete it, and look at "
        "the package sources in the image. `allow-partial` accepts a patch that mends only some.",
        image=str(original),
    )


def _write_vex(
    settings: PatchSettings, tools: PatchTools, reference: Reference, fixed: tuple[Finding, ...]
) -> Path | None:
    if settings.vex is None or not fixed:
        return None
    settings.vex.parent.mkdir(parents=True, exist_ok=True)
    settings.vex.write_bytes(openvex.document(reference, fixed, tools.now, s3c_actions.__version__))
    return settings.vex
