"""Copying images between repositories and registries, to the byte: what is pulled there is what was pushed here.

Layers go from one connection to the other in pieces; only what the target does not have is sent.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from s3c_actions.image import Reference, is_digest
from s3c_actions.registry.connection import Unreachable
from s3c_actions.registry.content import Descriptor, Manifest, choose, digest_of, unbelievable
from s3c_actions.registry.reading import Registry
from s3c_actions.registry.writing import Writer

AT_ONCE = 4
TRIES = 3
DEEPEST = 4
NOTE_SECONDS = 2.0
# Layers that their maker lets nobody pass on (Windows' base layers): they are pulled from where the manifest says.
_FOREIGN = ("foreign", "nondistributable")
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
    """Copies from one registry's repository to another's.

    Args:
        source, target: the registries; the same object when both are one, which then mounts.
        note: told how it goes, a line now and then.
    """

    def __init__(self, source: Registry, target: Registry, note: Callable[[str], None] = lambda _line: None) -> None:
        self.copied = Copied()
        self._source = source
        self._target = target
        self._writer = Writer(target)
        self._note = note
        self._noted = time.monotonic()

    def image(self, source: Reference, target: Reference, platforms: Sequence[str] = ()) -> Manifest:
        """Copy an image, with all that an index lists.

        Args:
            source: by digest.
            target: where to; its tag, when it has one, is set last.
            platforms: only these of an index: the image of one alone, of several a new index of them. All by default.

        Returns:
            What stands at the target, to the byte the source's unless several platforms were chosen.

        Raises:
            InputError: the image has no such platform.
            OutsideError: a registry failed, or sent something else than its digest says.
        """
        manifest = self._chosen(source, platforms)
        self._tree(source, target, manifest, DEEPEST)
        if target.tag:
            held = self._target.find(target)
            if held is None or held.descriptor.digest != manifest.descriptor.digest:
                place = target.tagged(target.tag)
                self._writer.push_manifest(place, manifest.content, manifest.descriptor.media_type)
        return manifest

    def referrers(self, source: Reference, target: Reference, manifest: Manifest) -> None:
        """Copy what refers to an image and to the images of an index: signatures, reports, and what refers to those.

        Raises:
            OutsideError: as in `image`.
        """
        for digest in (manifest.descriptor.digest, *(one.digest for one in manifest.descriptor.manifests)):
            self._referrers(source, target, digest, DEEPEST)

    def _referrers(self, source: Reference, target: Reference, digest: str, depth: int) -> None:
        there = {one.digest for one in self._target.referrers(target.at(digest))}
        for one in self._source.referrers(source.at(digest)) if depth else ():
            if one.digest in there:
                self.copied.add(found=1)
            else:
                manifest = self._source.manifest(source.at(one.digest))
                self._tree(source, target, manifest, depth - 1)
                # Also when the manifest is there: pushing it lists it.
                self._put(target.at(one.digest), manifest)
                self.copied.add(referrers=1)
            self._referrers(source, target, one.digest, depth - 1)

    def _chosen(self, source: Reference, platforms: Sequence[str]) -> Manifest:
        manifest = self._source.manifest(source)
        descriptor = manifest.descriptor
        if not platforms:
            return manifest
        if not descriptor.is_index:
            alone = self._source.config(source).platform
            for platform in platforms:
                choose(
                    Descriptor(digest="", media_type="", size=0, manifests=(_named(descriptor, alone),)),
                    platform,
                    source,
                )
            return manifest
        chosen = list(dict.fromkeys(choose(descriptor, platform, source).digest for platform in platforms))
        if len(chosen) == 1:
            return self._source.manifest(source.at(chosen[0]))
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
            document=json.loads(content),
            content=content,
        )

    def _tree(self, source: Reference, target: Reference, manifest: Manifest, depth: int) -> None:
        """Copy a manifest, after what it names; its tag is left to the caller."""
        digest = manifest.descriptor.digest
        if not depth:
            raise unbelievable(source, f"its indexes stand in each other more than {DEEPEST} deep")
        for one in manifest.descriptor.manifests:
            self._tree(source, target, self._source.manifest(source.at(one.digest)), depth - 1)
        # A registry has every blob of a manifest that it took.
        if self._target.find(target.at(digest)) is not None:
            self.copied.add(found=1)
            return
        self._blobs(source, target, _contents(manifest.document, source))
        self._put(target.at(digest), manifest)

    def _put(self, target: Reference, manifest: Manifest) -> None:
        self._writer.push_manifest(target, manifest.content, manifest.descriptor.media_type)
        self.copied.add(manifests=1)

    def _blobs(self, source: Reference, target: Reference, contents: Mapping[str, int]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            running = [pool.submit(self._blob, source, target, digest, size) for digest, size in contents.items()]
            try:
                for one in running:
                    one.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _blob(self, source: Reference, target: Reference, digest: str, size: int) -> None:
        if self._writer.has_blob(target, digest):
            self.copied.add(found=1)
            return
        same = self._source is self._target and source.registry == target.registry
        if same and self._writer.mount(target, digest, source.repository):
            self.copied.add(mounted=1)
            return
        for left in reversed(range(TRIES)):
            try:
                self._writer.push_blob(target, digest, self._told(self._source.layer(source, digest, size)))
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


def _contents(document: Mapping[str, Any], source: Reference) -> dict[str, int]:
    """Digest → size in bytes of each blob that a manifest names and that may be passed on."""
    named: dict[str, int] = {}
    layers = document.get("layers")
    for one in [document.get("config"), *(layers if isinstance(layers, list) else [])]:
        if one is None:
            continue
        if not isinstance(one, dict) or not is_digest(str(one.get("digest"))) or not isinstance(one.get("size"), int):
            raise unbelievable(source, "its manifest names content without a digest or size")
        if not any(word in str(one.get("mediaType")) for word in _FOREIGN):
            named[one["digest"]] = one["size"]
    return named
