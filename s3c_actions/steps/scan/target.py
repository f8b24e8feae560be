"""What Trivy is to scan: a reference is resolved to the digest of one platform, once."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec.structs import replace

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.progress import Progress
from s3c_actions.core.reference import Reference, is_image_id
from s3c_actions.registry import Registry, choose
from s3c_actions.registry.archive import ArchiveSource
from s3c_actions.registry.oci_layout import layout_platforms
from s3c_actions.steps.scan.settings import ScanSettings


class ScanTarget(msgspec.Struct, frozen=True, kw_only=True):
    """The target of Trivy's scan.

    Attributes:
        name: in Trivy's terms; in a registry, pinned to the image of one platform.
        source: where Trivy reads it.
        reference: to return, when it is known before the scan.
        digest: of the image of one platform, empty when none is known.
        platform: as stated by an index.
        notice: a sentence on what of an index is not scanned.
        refused: the registry's error, before it was looked for elsewhere.
    """

    name: str
    source: str
    reference: str = ""
    digest: str = ""
    platform: str = ""
    notice: str = ""
    refused: S3CError | None = None

    @property
    def pinned(self) -> str:
        """Return the image of one platform with its digest; empty when none is known."""
        return self.name if self.digest else ""


def check_archive(path: str) -> None:
    """Raise InputError when there is neither an archive nor an OCI layout, `folder` or `folder:tag`, at a path.

    Args:
        path: as given.
    """
    if not Path(path).exists() and not Path(path.rpartition(":")[0] or path).is_dir():
        raise InputError("input", f"{path!r} does not exist.", remedy="Give the path of an image archive.")


def _unscanned_in_folder(image: str, *, gated: bool) -> str:
    """Return a sentence on what of a folder in OCI layout is not scanned; empty when there is one image.

    Raises:
        InputError: a gate would pass what was not scanned.
    """
    platforms = layout_platforms(image)
    if len(platforms) < 2:
        return ""
    what = f"{image} holds images for {', '.join(platforms)}, and in a folder Trivy looks at the first alone."
    if gated:
        raise InputError(
            "input",
            what,
            cause="A gate has to look at all of them.",
            remedy="Push it (`s3c mirror` does, to the byte) and scan it by its reference, or leave the gate out.",
            image=image,
        )
    return what


def _unscanned_in_archive(image: str, *, gated: bool) -> str:
    """Return a sentence on what of an archive is not scanned; empty for one that `s3c mirror` would not take.

    Raises:
        InputError: a gate would pass what was not scanned, or it is not known what that is.
    """
    try:
        source = ArchiveSource(Path(image), field="input")
    except InputError:
        return ""
    with source as archive:
        try:
            beside = archive.images_beside()
        except InputError:
            if gated:
                raise
            return ""
    if not beside:
        return ""
    shown = ", ".join(beside[:5]) + (" and more" if len(beside) > 5 else "")
    what = f"{image} holds another image in its index.json ({shown}) than in its manifest.json, by which it is scanned."
    if gated:
        raise InputError(
            "input",
            what,
            cause="What copies or loads the archive may take the other one, and a gate has to look at all of them.",
            remedy="Push it (`s3c mirror` does, to the byte) and scan it by its reference, or leave the gate out.",
            image=image,
        )
    return what


def resolve_target(
    image: str, settings: ScanSettings, registry: Registry, progress: Progress, *, gated: bool
) -> ScanTarget:
    """Return what Trivy is to scan.

    Args:
        image: a reference, the id of a local image, or a path.
        settings: of the scan: where the image is read, and which platform of an index is meant.
        registry: resolves the reference once.
        progress: hears where else the image is looked for.
        gated: whether a gate would judge by the scan.

    Raises:
        InputError: the image or its platform does not exist, or a gate would pass what is not scanned.
        OutsideError: the registry failed.
    """
    if settings.source == "archive":
        check_archive(image)
        unscanned = _unscanned_in_archive if Path(image).is_file() else _unscanned_in_folder
        return ScanTarget(name=image, source="archive", notice=unscanned(image, gated=gated))
    local = is_image_id(image) and settings.source != "registry"
    reference = None if local else Reference.parse(image)
    if reference is None or settings.source not in {"auto", "registry"}:
        if settings.source in {"auto", "docker"} and settings.lacks_local(image):
            raise InputError(
                "image",
                f"{image} is not in the local Docker.",
                remedy="Build or pull it first, or take it from its registry with `image-source` registry.",
            )
        return ScanTarget(name=image, source="docker" if settings.source == "auto" else settings.source)
    try:
        descriptor = registry.resolve(reference)
    except S3CError as error:
        if settings.source == "registry" or not settings.docker() or settings.lacks_local(image):
            raise
        progress.note(f"{error.what} Looking for it in the local Docker.")
        return ScanTarget(name=image, source="docker", refused=error)
    pinned = reference.at(descriptor.digest).pinned
    if not descriptor.is_index:
        return ScanTarget(
            name=pinned, source="registry", reference=pinned, digest=descriptor.digest, platform=settings.entry_platform
        )
    index = registry.flatten(reference, descriptor)
    chosen = choose(index, settings.options.platform, reference)
    name = reference.at(chosen.digest).pinned
    target = ScanTarget(name=name, source="registry", reference=pinned, digest=chosen.digest, platform=chosen.platform)
    if len(index.images) == 1:
        return target
    # The returned reference is the scanned image.
    notice = (
        f"{image} is an image for {', '.join(index.platforms)}: {chosen.platform} alone is looked at, and handed on "
        "by its own digest."
    )
    return replace(target, reference=name, notice=notice)
