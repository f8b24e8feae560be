"""Copying images to a registry, from another, from within or out of an archive, to the byte.

Layers go from one connection to the other in pieces; only what the target does not have is sent.
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
from s3c_actions.registry.connection import Unreachable
from s3c_actions.registry.content import Descriptor, Manifest, choose, contents, digest_of
from s3c_actions.registry.reading import Registry
from s3c_actions.registry.source import Source
from s3c_actions.registry.writing import Writer

AT_ONCE = 4
TRIES = 3
DEEPEST = 4
NOTE_SECONDS = 2.0
# Where BuildKit says in an index which image an attestation belongs to.
_ABOUT = "vnd.docker.reference.digest"


@dataclass
class Copied:
    """What was done, counted while it is done.

    Attributes:
        manifests, blobs: sent.
        mounted: blobs taken over from another repository of the target.
        found: manifests and blobs that were there.
        size: bytes sent.
        referrers: signatures, reports and the like that came along; those that were there not counted.
    """

    manifests: int = 0
    blobs: int = 0
    mounted: int = 0
    found: int = 0
    size: int = 0
    referrers: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, **counts: int) -> None:
        """Add to the counts, from any thread."""
        with self._lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)


class Copier:
    """Copies from a source to a registry's repository.

    Args:
        source: of the image.
        target: the registry; a source of the same one mounts.
        note: told how it goes, a line now and then.
    """

    def __init__(self, source: Source, target: Registry, note: Callable[[str], None] = lambda _line: None) -> None:
        self.copied = Copied()
        self._source = source
        self._target = target
        self._writer = Writer(target)
        self._note = note
        self._noted = time.monotonic()
        self._done: set[str] = set()

    def image(self, image: Manifest, target: Reference, platforms: Sequence[str] = ()) -> Manifest:
        """Copy an image, with all that an index lists.

        Args:
            image: of the source.
            target: where to; its tag, when it has one, is set last.
            platforms: only these of an index: the image of one alone, of several a new index of them. All by default.

        Returns:
            What stands at the target, to the byte the source's unless several platforms were chosen.

        Raises:
            InputError: the image has no such platform.
            OutsideError: a registry failed, or sent something else than its digest says.
            S3CError: what the source cannot hand out.
        """
        manifest = self._chosen(image, platforms)
        self._tree(target, manifest, DEEPEST)
        if target.tag:
            held = self._target.find(target)
            if held is None or held.descriptor.digest != manifest.descriptor.digest:
                place = target.tagged(target.tag)
                self._writer.push_manifest(place, manifest.content, manifest.descriptor.media_type)
        return manifest

    def referrers(self, target: Reference, manifest: Manifest) -> None:
        """Copy what refers to an image and to the images of an index: signatures, reports, and what refers to those.

        Raises:
            OutsideError: as in `image`.
        """
        for digest in (manifest.descriptor.digest, *(one.digest for one in manifest.descriptor.manifests)):
            self._referrers(target, digest, DEEPEST)

    def _referrers(self, target: Reference, digest: str, depth: int) -> None:
        there = {one.digest for one in self._target.referrers(target.at(digest))}
        for one in self._source.referrers(digest) if depth else ():
            if one.digest in there:
                self.copied.add(found=1)
            else:
                manifest = self._source.manifest(one.digest)
                self._tree(target, manifest, depth - 1)
                # Also when the manifest is there: pushing it lists it.
                self._put(target.at(one.digest), manifest)
                self.copied.add(referrers=1)
            self._referrers(target, one.digest, depth - 1)

    def _chosen(self, manifest: Manifest, platforms: Sequence[str]) -> Manifest:
        source = f"{self._source.name}@{manifest.descriptor.digest}"
        descriptor = manifest.descriptor
        if not platforms:
            return manifest
        if not descriptor.is_index:
            alone = self._source.platform(manifest)
            for platform in platforms:
                choose(
                    Descriptor(digest="", media_type="", size=0, manifests=(_named(descriptor, alone),)),
                    platform,
                    source,
                )
            return manifest
        chosen = list(dict.fromkeys(choose(descriptor, platform, source).digest for platform in platforms))
        if len(chosen) == 1:
            return self._source.manifest(chosen[0])
        entries = [
            entry
            for entry, one in zip(manifest.document["manifests"], descriptor.manifests, strict=True)
            if one.digest in chosen or one.annotations.get(_ABOUT) in chosen
        ]
        kept = {entry["digest"] for entry in entries}
        content = json.dumps({**manifest.document, "mediaType": descriptor.media_type, "manifests": entries}).encode()
        return Manifest(
            descriptor=Descriptor(
                digest=digest_of(content),
                media_type=descriptor.media_type,
                size=len(content),
                manifests=tuple(one for one in descriptor.manifests if one.digest in kept),
            ),
            document=reading.json_value(content),
            content=content,
        )

    def _tree(self, target: Reference, manifest: Manifest, depth: int) -> None:
        """Copy a manifest, after what it names; its tag is left to the caller."""
        digest = manifest.descriptor.digest
        if not depth:
            raise self._source.refuse(f"its indexes stand in each other more than {DEEPEST} deep")
        for one in manifest.descriptor.manifests:
            if one.digest not in self._done:
                self._tree(target, self._source.manifest(one.digest), depth - 1)
        # A registry has every blob of a manifest that it took.
        if self._target.find(target.at(digest)) is not None:
            self.copied.add(found=1)
        else:
            self._blobs(target, contents(manifest.document, self._source.refuse))
            self._put(target.at(digest), manifest)
        self._done.add(digest)

    def _put(self, target: Reference, manifest: Manifest) -> None:
        self._writer.push_manifest(target, manifest.content, manifest.descriptor.media_type)
        self.copied.add(manifests=1)

    def _blobs(self, target: Reference, named: Mapping[str, int]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            running = [pool.submit(self._blob, target, digest, size) for digest, size in named.items()]
            try:
                for one in running:
                    one.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _blob(self, target: Reference, digest: str, size: int) -> None:
        if self._writer.has_blob(target, digest):
            self.copied.add(found=1)
            return
        origin = self._source.mounts_into(self._target, target)
        if origin and self._writer.mount(target, digest, origin):
            self.copied.add(mounted=1)
            return
        for left in reversed(range(TRIES)):
            try:
                self._writer.push_blob(target, digest, self._told(self._source.layer(digest, size)))
            except Unreachable as error:
                if not left:
                    raise
                self._note(f"{digest}: {error.what} Trying again.")
            else:
                self.copied.add(blobs=1)
                return

    def _told(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            self.copied.add(size=len(piece))
            if time.monotonic() - self._noted > NOTE_SECONDS:
                self._noted = time.monotonic()
                self._note(f"{self.copied.size / 2**20:,.0f} MiB sent, {self.copied.blobs} blobs done")


def _named(descriptor: Descriptor, platform: str) -> Descriptor:
    return Descriptor(
        digest=descriptor.digest, media_type=descriptor.media_type, size=descriptor.size, platform=platform
    )
