"""Copy an image by digest to a registry of one's own, and prove that it arrived."""

from __future__ import annotations

import time

import msgspec

from s3c_actions.core.errors import OutsideError
from s3c_actions.core.progress import Progress
from s3c_actions.core.reference import Reference
from s3c_actions.registry import ImageSource, Manifest, Registry
from s3c_actions.registry.copying import Copier
from s3c_actions.result.model import MirrorResult

IMAGE_CONFIGS = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)


class MirrorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to copy.

    Attributes:
        image: as requested.
        target: with a tag, or with neither tag nor digest: then it is referenced by digest only.
        platforms: only these; all when empty.
        referrers: copy signatures and other referrers as well.
    """

    image: str
    target: Reference
    platforms: tuple[str, ...] = ()
    referrers: bool = False


def run(settings: MirrorSettings, source: ImageSource, target: Registry, progress: Progress) -> MirrorResult:
    """Copy an image; existing content is not sent again.

    Args:
        settings: image and target.
        source: of the image.
        target: the registry to write to.
        progress: receives the progress.

    Raises:
        InputError: the image does not exist, has no such platform, or is in an invalid archive.
        OutsideError: a registry failed; the target's tag is unchanged.
    """
    started = time.monotonic()
    image = source.image()
    before = target.find(settings.target) if settings.target.tag else None
    copier = Copier(source, target, progress.note)
    manifest = copier.image(image, settings.target, settings.platforms)
    digest = manifest.descriptor.digest
    if settings.referrers:
        copier.referrers(settings.target, manifest)
    _prove(target, settings.target, digest)
    held = before.descriptor.digest if before is not None else ""
    copied = copier.copied
    return MirrorResult(
        image=settings.image,
        source=f"{source.name}@{image.descriptor.digest}",
        reference=settings.target.at(digest).pinned,
        tag=settings.target.tag,
        replaced=held if held != digest else "",
        platforms=_platforms(source, manifest),
        skipped=not copied.manifests and not copied.referrers and (held == digest or not settings.target.tag),
        manifests=copied.manifests,
        blobs=copied.blobs,
        mounted=copied.mounted,
        existing=copied.existing,
        size=copied.size,
        referrers=copied.referrers,
        seconds=time.monotonic() - started,
    )


def _prove(registry: Registry, target: Reference, digest: str) -> None:
    """Read back what was written: the digest is computed from what the registry sends now."""
    for reference in (target.at(digest), *([target] if target.tag else [])):
        manifest = registry.find(reference)
        if manifest is None or manifest.descriptor.digest != digest:
            raise OutsideError(
                f"{reference} is not {digest}, which was copied there.",
                cause="Somebody else pushed to it at this moment, or the registry lost it.",
                remedy="Run it again.",
                image=str(reference),
            )


def _platforms(source: ImageSource, manifest: Manifest) -> tuple[str, ...]:
    """Return the platforms of what was copied; empty for an artifact that is not an image."""
    if manifest.descriptor.is_index:
        return manifest.descriptor.platforms
    config = manifest.document.get("config")
    if not isinstance(config, dict) or config.get("mediaType") not in IMAGE_CONFIGS:
        return ()
    return (source.platform(manifest),)
