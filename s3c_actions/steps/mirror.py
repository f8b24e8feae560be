"""Mirror: copy an image by digest to a registry of one's own, and prove that it is there."""

from __future__ import annotations

import time
from dataclasses import dataclass

from s3c_actions.errors import OutsideError
from s3c_actions.image import Reference
from s3c_actions.progress import Progress
from s3c_actions.registry import Copier, Manifest, Registry
from s3c_actions.steps.results import MirrorResult

IMAGE_CONFIGS = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)


@dataclass(frozen=True, kw_only=True)
class MirrorSettings:
    """What is copied.

    Attributes:
        image: as it was asked for; `source` is it, parsed.
        target: with a tag, or with neither tag nor digest: then nothing but the digest names it.
        platforms: only these; all when empty.
        referrers: signatures and the like as well.
    """

    image: str
    source: Reference
    target: Reference
    platforms: tuple[str, ...] = ()
    referrers: bool = False


def run(settings: MirrorSettings, source: Registry, target: Registry, progress: Progress) -> MirrorResult:
    """Copy an image; what is there already is not sent again.

    Args:
        settings: what, and where to.
        source: the registry to read.
        target: the registry to write to; the same object as `source` when one is both.
        progress: told how it goes.

    Raises:
        InputError: the image is not there, or has no such platform.
        OutsideError: a registry failed; the target's tag is as it was.
    """
    started = time.monotonic()
    pinned = settings.source.at(source.resolve(settings.source, field="source").digest)
    before = target.find(settings.target) if settings.target.tag else None
    copier = Copier(source, target, progress.note)
    manifest = copier.image(pinned, settings.target, settings.platforms)
    digest = manifest.descriptor.digest
    if settings.referrers:
        copier.referrers(pinned, settings.target, manifest)
    _prove(target, settings.target, digest)
    held = before.descriptor.digest if before is not None else ""
    copied = copier.copied
    return MirrorResult(
        image=settings.image,
        source=pinned.pinned,
        reference=settings.target.at(digest).pinned,
        tag=settings.target.tag,
        replaced=held if held != digest else "",
        platforms=_platforms(source, pinned, manifest),
        skipped=not copied.manifests and not copied.referrers and (held == digest or not settings.target.tag),
        manifests=copied.manifests,
        blobs=copied.blobs,
        mounted=copied.mounted,
        found=copied.found,
        size=copied.size,
        referrers=copied.referrers,
        seconds=time.monotonic() - started,
    )


def _prove(registry: Registry, target: Reference, digest: str) -> None:
    """Read back what was written: the digest is made of what the registry sends now."""
    for place in (target.at(digest), *([target] if target.tag else [])):
        found = registry.find(place)
        if found is None or found.descriptor.digest != digest:
            raise OutsideError(
                f"{place} is not {digest}, which was copied there.",
                cause="Somebody else pushed to it at this moment, or the registry lost it.",
                remedy="Run it again.",
                image=str(place),
            )


def _platforms(source: Registry, pinned: Reference, manifest: Manifest) -> tuple[str, ...]:
    """What was copied runs on; empty for an artifact that is no image."""
    if manifest.descriptor.is_index:
        return manifest.descriptor.platforms
    config = manifest.document.get("config")
    if not isinstance(config, dict) or config.get("mediaType") not in IMAGE_CONFIGS:
        return ()
    return (source.config(pinned.at(manifest.descriptor.digest)).platform,)
