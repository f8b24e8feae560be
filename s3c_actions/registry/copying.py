"""Copy images to a registry, byte for byte: from another registry, from the same one or out of an archive.

Layers are streamed from one connection to the other; only what the target lacks is sent.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from s3c_actions.core import reading
from s3c_actions.core.reference import Reference
from s3c_actions.registry.connection import RegistryUnreachable
from s3c_actions.registry.content import Descriptor, Manifest, blob_sizes, choose, compute_digest
from s3c_actions.registry.reading import Registry
from s3c_actions.registry.source import ImageSource
from s3c_actions.registry.writing import Writer

MAX_PARALLEL = 4
TRIES = 3
MAX_DEPTH = 4
NOTE_SECONDS = 2.0
# BuildKit's annotation in an index that names the image of an attestation.
_ATTESTED_IMAGE = "vnd.docker.reference.digest"


@dataclass
class CopyCounts:
    """The progress of a copy, counted as it goes.

    Attributes:
        manifests, blobs: sent.
        mounted: blobs mounted from another repository of the target.
        existing: manifests and blobs that existed.
        size: bytes sent.
        referrers: signatures, reports and the like that were copied; those that existed are not counted.
    """

    manifests: int = 0
    blobs: int = 0
    mounted: int = 0
    existing: int = 0
    size: int = 0
    referrers: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, **counts: int) -> None:
        """Add to the counts, from any thread."""
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)


class Copier:
    """Copy from a source to a repository of a registry.

    Args:
        source: of the image.
        target: the registry; a source in the same registry is mounted.
        note: called with a line about the progress from time to time.
    """

    def __init__(self, source: ImageSource, target: Registry, note: Callable[[str], None] = lambda _line: None) -> None:
        self.copied = CopyCounts()
        self._source = source
        self._target = target
        self._writer = Writer(target)
        self._note = note
        self._noted = time.monotonic()
        self._done: set[str] = set()

    def image(self, image: Manifest, target: Reference, platforms: Sequence[str] = ()) -> Manifest:
        """Copy an image, with everything an index lists.

        Args:
            image: of the source.
            target: the destination; its tag, when it has one, is set last.
            platforms: only these of an index: one is copied as a single image, several as a new index. All by default.

        Returns:
            The manifest at the target, identical to the source's unless several platforms were chosen.

        Raises:
            InputError: the image has no such platform.
            OutsideError: a registry failed, or sent content that does not match its digest.
            S3CError: the source cannot be read.
        """
        manifest = self._chosen(image, platforms)
        self._copy_tree(target, manifest, MAX_DEPTH)
        if target.tag:
            existing = self._target.find(target)
            if existing is None or existing.descriptor.digest != manifest.descriptor.digest:
                destination = target.tagged(target.tag)
                self._writer.push_manifest(destination, manifest.content, manifest.descriptor.media_type)
        return manifest

    def referrers(self, target: Reference, manifest: Manifest) -> None:
        """Copy the referrers of an image and of the images of an index: signatures, reports, and their own referrers.

        Raises:
            OutsideError: as `image` does.
        """
        for digest in (manifest.descriptor.digest, *(entry.digest for entry in manifest.descriptor.manifests)):
            self._copy_referrers(target, digest, MAX_DEPTH)

    def _copy_referrers(self, target: Reference, digest: str, depth: int) -> None:
        existing = {referrer.digest for referrer in self._target.referrers(target.at(digest))}
        for referrer in self._source.referrers(digest) if depth else ():
            if referrer.digest in existing:
                self.copied.add(existing=1)
            else:
                manifest = self._source.manifest(referrer.digest)
                self._copy_tree(target, manifest, depth - 1)
                # Also when the manifest exists: pushing it lists it as a referrer.
                self._push_manifest(target.at(referrer.digest), manifest)
                self.copied.add(referrers=1)
            self._copy_referrers(target, referrer.digest, depth - 1)

    def _chosen(self, manifest: Manifest, platforms: Sequence[str]) -> Manifest:
        source = f"{self._source.name}@{manifest.descriptor.digest}"
        descriptor = manifest.descriptor
        if not platforms:
            return manifest
        if not descriptor.is_index:
            platform_name = self._source.platform(manifest)
            for platform in platforms:
                choose(
                    Descriptor(
                        digest="", media_type="", size=0, manifests=(_with_platform(descriptor, platform_name),)
                    ),
                    platform,
                    source,
                )
            return manifest
        chosen = list(dict.fromkeys(choose(descriptor, platform, source).digest for platform in platforms))
        if len(chosen) == 1:
            return self._source.manifest(chosen[0])
        entries = [
            entry
            for entry, image in zip(manifest.document["manifests"], descriptor.manifests, strict=True)
            if image.digest in chosen or image.annotations.get(_ATTESTED_IMAGE) in chosen
        ]
        digests = {entry["digest"] for entry in entries}
        content = json.dumps({**manifest.document, "mediaType": descriptor.media_type, "manifests": entries}).encode()
        return Manifest(
            descriptor=Descriptor(
                digest=compute_digest(content),
                media_type=descriptor.media_type,
                size=len(content),
                manifests=tuple(image for image in descriptor.manifests if image.digest in digests),
            ),
            document=reading.parse_json(content),
            content=content,
        )

    def _copy_tree(self, target: Reference, manifest: Manifest, depth: int) -> None:
        """Copy a manifest, after what it names; the caller sets its tag."""
        digest = manifest.descriptor.digest
        if not depth:
            raise self._source.refuse(f"its indexes stand in each other more than {MAX_DEPTH} deep")
        for entry in manifest.descriptor.manifests:
            if entry.digest not in self._done:
                self._copy_tree(target, self._source.manifest(entry.digest), depth - 1)
        # A registry has every blob of a manifest that it accepted.
        if self._target.find(target.at(digest)) is not None:
            self.copied.add(existing=1)
        else:
            self._copy_blobs(target, blob_sizes(manifest.document, self._source.refuse))
            self._push_manifest(target.at(digest), manifest)
        self._done.add(digest)

    def _push_manifest(self, target: Reference, manifest: Manifest) -> None:
        self._writer.push_manifest(target, manifest.content, manifest.descriptor.media_type)
        self.copied.add(manifests=1)

    def _copy_blobs(self, target: Reference, sizes: Mapping[str, int]) -> None:
        with ThreadPoolExecutor(MAX_PARALLEL) as pool:
            running = [pool.submit(self._copy_blob, target, digest, size) for digest, size in sizes.items()]
            try:
                for upload in running:
                    upload.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _copy_blob(self, target: Reference, digest: str, size: int) -> None:
        if self._writer.has_blob(target, digest):
            self.copied.add(existing=1)
            return
        origin = self._source.mounts_into(self._target, target)
        if origin and self._writer.mount(target, digest, origin):
            self.copied.add(mounted=1)
            return
        for remaining in reversed(range(TRIES)):
            try:
                self._writer.push_blob(target, digest, self._count_sent(self._source.layer(digest, size)))
            except RegistryUnreachable as error:
                if not remaining:
                    raise
                self._note(f"{digest}: {error.what} Trying again.")
            else:
                self.copied.add(blobs=1)
                return

    def _count_sent(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            self.copied.add(size=len(piece))
            if time.monotonic() - self._noted > NOTE_SECONDS:
                self._noted = time.monotonic()
                self._note(f"{self.copied.size / 2**20:,.0f} MiB sent, {self.copied.blobs} blobs done")


def _with_platform(descriptor: Descriptor, platform: str) -> Descriptor:
    return Descriptor(
        digest=descriptor.digest, media_type=descriptor.media_type, size=descriptor.size, platform=platform
    )
