"""The settings and collaborators of a patch, and the definition of a patch of an image."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.progress import Progress
from s3c_actions.core.reference import Reference
from s3c_actions.core.tag_template import TagTemplate
from s3c_actions.findings.model import Finding, FindingKind, ScanReport
from s3c_actions.layers.comparison import ImageComparison
from s3c_actions.registry import Descriptor, ImageConfig, Manifest, Registry, Writer, patch_detection
from s3c_actions.result.model import ScanResult
from s3c_actions.result.smoke import ImagePair, SmokeResult

_APK = ("alpine", "wolfi", "chainguard")


class Patcher(Protocol):
    """Copa, bound to a BuildKit."""

    def __call__(self, image: Reference, report: Path, tag: str) -> str:
        """Patch one image, or one platform of an index, and push it.

        Args:
            image: pinned.
            report: Trivy's JSON, or of an index a folder with the report of the one platform.
            tag: to push to, in the image's repository; of an index the prefix of the pushed tags.

        Returns:
            The digest of the pushed image, from the build and not from the tag; empty when there was nothing to patch
            and nothing was pushed.
        """


class PatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to patch.

    Attributes:
        image: as requested.
        tag: of the patched image.
        overwrite: the tag may replace another image's, even the original's.
        allow_partial: accept an image in which something stayed unpatched.
        library: patch language packages too.
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
    """The collaborators of the step.

    Attributes:
        scan: scans a pinned reference; its second argument names the platform of a multi-platform image
            (`linux-arm64`), and is empty otherwise. `rescan` does so for a patched image.
        patch: Copa; called only when there is something to patch.
        writer: of the registry.
        vouched: returns whether a pinned reference has a signature that the run trusts; only such an earlier patch is
            reused. None: this run signs nothing, and the content decides.
        builds: returns whether a platform's programs run here, natively or emulated; `host` is the native architecture.
        now: the time of the run.
        compare: compares two pinned references of the registry; None: nothing is compared.
        patience: seconds to wait for the signature of a patch that another run made at the same time.
        smoke: compares original and patched image by starting both; raises SmokeRefused when that is required and does
            not end well. None: they are not started.
    """

    registry: Registry
    writer: Writer
    vouched: Callable[[str], bool] | None
    scan: Callable[[str, str], ScanResult]
    rescan: Callable[[str, str], ScanResult]
    patch: Patcher
    builds: Callable[[str], bool]
    host: str
    progress: Progress
    now: datetime
    compare: Callable[[Reference, Reference], ImageComparison] | None = None
    patience: float = 60.0
    smoke: Callable[[Reference, Reference, tuple[ImagePair, ...]], SmokeResult] | None = None


class PlatformPart(msgspec.Struct, frozen=True, kw_only=True):
    """A platform of the original, with its scan; `listed` is the platform that an index states for it."""

    listed: str
    reference: Reference
    config: ImageConfig
    foundations: tuple[tuple[str, ...], ...]
    before: ScanResult
    name: str


class PatchWork(msgspec.Struct, frozen=True, kw_only=True):
    """An image to patch.

    Attributes:
        settings, tools: of the run.
        original: by digest, its tag kept as a name; `index` is its manifest.
        parts: its platforms; of a single image, or an index of one, that one.
    """

    settings: PatchSettings
    tools: PatchTools
    original: Reference
    index: Manifest
    parts: list[PlatformPart]

    @property
    def several(self) -> bool:
        """Return whether an index of several platforms is patched."""
        return len(self.parts) > 1


def patchable_findings(report: ScanReport, library: bool) -> tuple[Finding, ...]:
    """Return the findings that Copa can fix.

    Args:
        report: of one image.
        library: whether language packages count too.
    """
    return tuple(finding for finding in report.findings if can_patch(finding, library))


def can_patch(finding: Finding, library: bool) -> bool:
    """Return whether Copa can fix a finding; `library` as in `patchable`."""
    if finding.kind is not FindingKind.VULNERABILITY or not finding.fixable:
        return False
    return finding.os_package or library


def base_layers(reference: Reference, config: ImageConfig, registry: Registry) -> tuple[tuple[str, ...], ...]:
    """Return the layers a patch of an image may begin with: its own, or its base's when it is a patch by Copa.

    Copa replaces its earlier layer by using the image that a label names as the base. The label is only a claim of the
    image and could name anything, so it counts only if the image is a patch of that base, by layers and configuration.
    A tag in it may have been moved: what counts is that the original has these very layers.

    Args:
        reference: of the image.
        config: of the image.
        registry: of the image.
    """
    own = (config.diff_ids,)
    try:
        base = Reference.parse(patch_detection.base_image(config))
        if base.name != reference.name:
            return own
        base_config = registry.config(base, platform=config.platform)
    except S3CError:
        return own
    if patch_detection.count_added_layers(config, base_config.diff_ids) < 1 or patch_detection.configuration_difference(
        config, base_config
    ):
        return own
    return (*own, base_config.diff_ids)


def match_images(work: PatchWork, manifest: Manifest) -> tuple[list[ImageConfig], str]:
    """Return the images in a patch that belong to the original's parts.

    Args:
        work: the original.
        manifest: an image or index of its repository.

    Returns:
        The configurations, in the order of the parts; none when it is not a patch of the original, and why in a clause.
    """
    configs, why = _configs(work, manifest.descriptor)
    if why:
        return [], why
    chosen = []
    for part in work.parts:
        matching = [
            config
            for name, config in configs
            if patch_detection.platform_without_variant(name) == patch_detection.platform_without_variant(part.listed)
        ]
        if len(matching) != 1:
            return [], "it has other platforms"
        # Copa does not change a platform that has nothing to patch.
        unchanged = work.several and matching[0].manifest == part.reference.digest
        why = "" if unchanged else patch_difference(matching[0], part)
        if why:
            return [], why
        chosen.append(matching[0])
    return chosen, ""


def _configs(work: PatchWork, descriptor: Descriptor) -> tuple[list[tuple[str, ImageConfig]], str]:
    """Return platform and configuration of each image, or why they do not correspond to the original's."""
    listed = [(image.platform, image.digest) for image in descriptor.images] if descriptor.is_index else []
    # Clients take an entry without a platform for every platform.
    if descriptor.is_index and not all(entry.platform for entry in descriptor.manifests):
        return [], "its index lists something without a platform"
    if len(listed or [descriptor]) != len(work.parts) or (descriptor.is_index and not listed):
        return [], "it has other platforms"
    configs = []
    for name, digest in listed or [(work.parts[0].listed, descriptor.digest)]:
        try:
            config = work.tools.registry.config(work.original.at(digest))
        except OutsideError as error:
            return [], f"it cannot be read ({error.what})"
        if config.manifest != digest:
            return [], "its index lists another index"
        configs.append((name, config))
    return configs, ""


def patch_difference(config: ImageConfig, part: PlatformPart) -> str:
    """Return why an image is not a patch of a part of the original by layers and configuration; empty when it is one.

    Args:
        config: of the image.
        part: of the original.
    """
    platforms = {patch_detection.platform_without_variant(name) for name in (part.listed, part.config.platform)}
    if not _added(config, part) or patch_detection.platform_without_variant(config.platform) not in platforms:
        return "it is not built on the original's layers and platforms"
    field = patch_detection.configuration_difference(config, part.config)
    return f"its configuration is not the original's ({field[:100]})" if field else ""


def is_reusable(work: PatchWork, reference: Reference, images: list[ImageConfig]) -> bool:
    """Return whether an earlier image, which is a patch by layers and configuration, may be used instead of a new one.

    Args:
        work: the original.
        reference: of the earlier image, pinned.
        images: its configurations, as `images_of` returned them.

    Raises:
        S3CError: it could not be determined whether it has a trusted signature.
    """
    exact = named = True
    for config, part in zip(images, work.parts, strict=True):
        if config.manifest == part.reference.digest:
            if patchable_findings(part.before.report, work.settings.library):
                return False
            continue
        # Copa upgrades in two steps where the package manager is apk, in one elsewhere, and in any number of steps for
        # language packages; each leaves a layer.
        most = 2 if part.before.report.os.startswith(_APK) else 1
        exact = exact and (work.settings.library or min(_added(config, part)) <= most)
        base = patch_detection.base_image(config)
        digests = (work.original.digest, part.reference.digest)
        named = named and (
            base.rpartition("@")[2] in digests or (base != "" and base == patch_detection.base_image(part.config))
        )
    vouched = work.tools.vouched
    if vouched is None:
        return exact and named
    if not exact and not named:
        return False
    if vouched(reference.pinned):
        return True
    work.tools.progress.notice(
        f"{reference.pinned} looks like a patch of {work.original}, but no signature that is trusted here covers it: "
        "it is not used."
    )
    return False


def _added(config: ImageConfig, part: PlatformPart) -> list[int]:
    """Return how many layers an image has on top of the original's, and of the original's base, where it has any."""
    return [count for base in part.foundations if (count := patch_detection.count_added_layers(config, base)) > 0]
