"""Read an OCI image layout in a tar archive, as a build without a registry writes it.

https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md: `oci-layout`, `index.json` and
`blobs/ALGORITHM/ENCODED`. Its author is not trusted: nothing is unpacked, no link is followed, and every blob is
checked against its digest.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, NamedTuple, Self

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.registry.content import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    MAX_CONFIG,
    MAX_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    blob_sizes,
    compute_digest,
    parse_descriptors,
    parse_json_object,
    parse_manifest,
    verify_chunks,
)
from s3c_actions.registry.source import ImageSource

LAYOUT_VERSION = "1.0.0"
MAX_MEMBERS = 10_000
MAX_HEADER = 64 * 1024
MAX_DEPTH = 4
CHUNK_BYTES = 1024 * 1024
# The name of an image in `index.json`: the specification's, and the whole reference as containerd and BuildKit add it.
NAME_ANNOTATIONS = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


class ArchiveMember(NamedTuple):
    """The place of a file in the archive: offset and size in bytes; or in a folder: its name."""

    start: int
    size: int
    name: str = ""


class _Headers(io.FileIO):
    """The archive as `tarfile` reads it: headers only, which `tarfile` would accept at any length."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= MAX_HEADER:
            raise tarfile.ReadError("a header is longer than any that belongs to an image")
        return super().read(size) or b""


class ArchiveSource(ImageSource):
    """An archive with one image, or with several of which one is named; a context manager that closes it.

    Args:
        path: of the archive.
        wanted: digest, name or tag of the image; may be empty when there is only one.
        field: the input that has the path, for errors.
        choice: the input that names the image, for errors.

    Raises:
        InputError: it is not such an archive, is cut off, or has members that no image layout has.
    """

    def __init__(self, path: Path, wanted: str = "", *, field: str = "source", choice: str = "source-image") -> None:
        self._path = path
        self._wanted = wanted
        self._field = field
        self._choice = choice
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise self._error(
                f"{path} cannot be read: {error.strerror}.",
                remedy="Look at the path. An image of a registry is written with its tag or digest.",
            ) from None
        try:
            self._members = self._list_members()
            self._check_layout()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @property
    def name(self) -> str:
        """Return the path."""
        return str(self._path)

    def image(self) -> Manifest:
        """Return the requested image, after checking that everything it names exists.

        Raises:
            InputError: it does not exist, several exist and none was named, or a part of it is missing.
        """
        # A referrer of another image (a signature, a report) is not an image itself.
        images = [descriptor for descriptor, subject in self._entries if not subject]
        if not images:
            raise self.refuse("its index.json names no image")
        chosen = [descriptor for descriptor in images if not self._wanted or self._wanted in _names(descriptor)]
        digests = {descriptor.digest for descriptor in chosen}
        if len(digests) != 1:
            names = ", ".join(dict.fromkeys(" = ".join(_names(descriptor)) for descriptor in images))
            what = f"{self._path} has {'several images' if digests else f'no image {self._wanted!r}'}; there are: "
            raise InputError(self._choice, what + f"{names[:2000]}.", remedy="Name one of them, by digest or name.")
        manifest = self.manifest(digests.pop())
        self._check_complete(manifest)
        return manifest

    def manifest(self, digest: str) -> Manifest:
        """Return a manifest as `Source.manifest` does.

        Without a media type in it, its content decides whether it is an index, and must be unambiguous.
        """
        content = self._verified_content(digest, MAX_MANIFEST)
        document = parse_json_object(content, self.refuse, "a manifest")
        if not document.get("mediaType") and "manifests" in document and {"layers", "config"} & document.keys():
            raise self.refuse(f"{digest} may be read as an index and as a manifest")
        kind = OCI_INDEX if "manifests" in document else OCI_MANIFEST
        return parse_manifest(content, self.refuse, digest=digest, media_type=kind)

    def blob(self, digest: str) -> bytes:
        """Return content as `Source.blob` does."""
        return self._verified_content(digest, MAX_CONFIG)

    def layer(self, digest: str, size: int) -> Iterator[bytes]:
        """Yield content as `Source.layer` does."""
        return verify_chunks(self._pieces(self._blob(digest)), digest, size, self.refuse)

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """Return the entries of `index.json` that have the digest as their subject."""
        by_digest = {descriptor.digest: descriptor for descriptor, subject in self._entries if subject == digest}
        return tuple(by_digest.values())

    @cached_property
    def _entries(self) -> list[tuple[Descriptor, str]]:
        """The images and artifacts that `index.json` lists, each with the digest of its subject, if any."""
        listed = parse_descriptors(self._json("index.json", MAX_MANIFEST), self.refuse)
        subjects: dict[str, str] = {}
        for descriptor in listed:
            # Each manifest is read once, however often it is listed.
            if descriptor.media_type in INDEX_TYPES | MANIFEST_TYPES and descriptor.digest not in subjects:
                subject = self.manifest(descriptor.digest).document.get("subject")
                subjects[descriptor.digest] = str(subject.get("digest")) if isinstance(subject, dict) else ""
        return [(descriptor, subjects[descriptor.digest]) for descriptor in listed if descriptor.digest in subjects]

    def images_beside(self) -> tuple[str, ...]:
        """Return the images of `index.json` that `manifest.json`, as `docker save` writes it, does not name.

        Who copies or loads the archive by the one has another image than who scans it by the other, as Trivy does.

        Returns:
            Platform or digest of each; nothing without a `manifest.json`.

        Raises:
            InputError: a part of it cannot be read.
        """
        if "manifest.json" not in self._members:
            return ()
        content = self._read(self._members["manifest.json"], MAX_MANIFEST, "manifest.json")
        try:
            listed = reading.parse_json(content, object_pairs_hook=_members_as_written)
            named = {
                (PurePosixPath(entry["Config"]).name.removesuffix(".json"), tuple(entry["Layers"])) for entry in listed
            }
        except (ValueError, TypeError, KeyError) as error:
            raise self.refuse("its manifest.json is not docker's") from error
        visited: set[str] = set()
        beside: dict[str, None] = {}
        level = [descriptor for descriptor, subject in self._entries if not subject]
        while level:
            nested: list[Descriptor] = []
            for descriptor in level:
                # Of an image for several platforms, `docker save` writes those that it has.
                missing = _blob_name(descriptor.digest) not in self._members
                if descriptor.digest in visited or missing or descriptor.platform.startswith("unknown/"):
                    continue
                visited.add(descriptor.digest)
                manifest = self.manifest(descriptor.digest)
                nested += manifest.descriptor.manifests
                if not manifest.descriptor.is_index and _scanned_parts(manifest) not in named:
                    beside[descriptor.platform or descriptor.digest] = None
            level = nested
        return tuple(beside)

    def refuse(self, why: str) -> InputError:
        """Return the error that rejects the archive."""
        return self._error(
            f"{self._path} is no OCI image layout that can be believed: {why}.",
            cause="It was cut off or changed on its way, or is something else.",
            remedy="Build it again, and write it with `outputs: type=oci,dest=image.tar`.",
        )

    def _error(self, what: str, *, cause: str = "", remedy: str = "") -> InputError:
        return InputError(self._field, what, cause=cause, remedy=remedy)

    def _list_members(self) -> dict[str, ArchiveMember]:
        """Return every file in the archive, by name."""
        self._check_start()
        end = os.fstat(self._file).st_size
        members: dict[str, ArchiveMember] = {}
        count = 0
        try:
            with _Headers(self._file, closefd=False) as headers, tarfile.open(fileobj=headers, mode="r:") as tar:
                for member in tar:
                    count += 1
                    if count > MAX_MEMBERS:
                        raise self.refuse(f"it has more than {MAX_MEMBERS} members")
                    name = self._safe_name(member)
                    if member.isdir():
                        continue
                    if not 0 <= member.offset_data <= member.offset_data + member.size <= end:
                        raise self.refuse("it is cut off")
                    if name in members:
                        raise self.refuse(f"it has two files {name[:200]!r}")
                    members[name] = ArchiveMember(member.offset_data, member.size)
        except S3CError:
            raise
        except (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise self.refuse(f"it cannot be read as a tar archive ({str(error)[:200]})") from None
        return members

    def _check_start(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise self._error(f"{self._path} is no file.", remedy="Give the tar archive itself.")
        start = os.pread(self._file, 8, 0)
        for magic, kind in _COMPRESSED.items():
            if start.startswith(magic):
                raise self._error(
                    f"{self._path} is compressed ({kind}).",
                    cause="An OCI image layout is an archive as it is: its layers are compressed already.",
                    remedy="Unpack it first, or write it with `outputs: type=oci,dest=image.tar`.",
                )

    def _safe_name(self, member: tarfile.TarInfo) -> str:
        """Return the member's name, when it is harmless wherever it is unpacked."""
        parts = member.name.split("/")
        if member.name.startswith("/") or ".." in parts or "\0" in member.name:
            raise self.refuse(f"it has a member that leads out of it, {member.name[:200]!r}")
        if not (member.isdir() or (member.isreg() and not member.issparse())):
            raise self.refuse(f"{member.name[:200]!r} is neither a file nor a folder")
        return "/".join(part for part in parts if part not in ("", "."))

    def _check_layout(self) -> None:
        if "oci-layout" not in self._members:
            docker = "manifest.json" in self._members
            raise self._error(
                f"{self._path} is no OCI image layout: it has no oci-layout file.",
                cause="It is an archive of `docker save` before Docker 25." if docker else "It is something else.",
                remedy="Write it with `outputs: type=oci,dest=image.tar` of docker/build-push-action, or with "
                "`docker buildx build --output type=oci,dest=image.tar`.",
            )
        version = self._json("oci-layout", MAX_HEADER).get("imageLayoutVersion")
        if version != LAYOUT_VERSION:
            raise self.refuse(f"its layout has the version {str(version)[:100]!r}, and {LAYOUT_VERSION} is known")

    def _check_complete(self, top: Manifest) -> None:
        """Check that everything an image names exists, before any of it is sent."""
        visited, level = {top.descriptor.digest}, [top]
        for _ in range(MAX_DEPTH):
            nested: list[Manifest] = []
            for manifest in level:
                for digest, size in blob_sizes(manifest.document, self.refuse).items():
                    self._check_size(digest, size)
                for descriptor in manifest.descriptor.manifests:
                    self._check_size(descriptor.digest, descriptor.size)
                    if descriptor.digest not in visited:
                        visited.add(descriptor.digest)
                        nested.append(self.manifest(descriptor.digest))
            level = nested
        if level:
            raise self.refuse(f"its indexes stand in each other more than {MAX_DEPTH} deep")

    def _check_size(self, digest: str, size: int) -> None:
        actual = self._blob(digest).size
        if actual != size:
            raise self.refuse(f"{digest} has {actual} bytes and should have {size}")

    def _blob(self, digest: str) -> ArchiveMember:
        member = self._members.get(_blob_name(digest))
        if member is None:
            raise self.refuse(f"{digest}, which it names, is missing")
        return member

    def _json(self, name: str, limit: int) -> dict[str, object]:
        if name not in self._members:
            raise self.refuse(f"it has no {name}")
        return parse_json_object(self._read(self._members[name], limit, name), self.refuse, name)

    def _verified_content(self, digest: str, limit: int) -> bytes:
        content = self._read(self._blob(digest), limit, digest)
        if compute_digest(content, digest.partition(":")[0]) != digest:
            raise self.refuse(f"what it has for {digest} is other content")
        return content

    def _read(self, member: ArchiveMember, limit: int, what: str) -> bytes:
        if member.size > limit:
            raise self.refuse(f"{what} is larger than {limit // 1024} KiB")
        return b"".join(self._pieces(member))

    def _pieces(self, member: ArchiveMember) -> Iterator[bytes]:
        # pread: several threads read the file at the same time.
        offset, end = member.start, member.start + member.size
        while offset < end:
            piece = os.pread(self._file, min(CHUNK_BYTES, end - offset), offset)
            if not piece:
                raise self.refuse("it became shorter while it was read")
            yield piece
            offset += len(piece)


def _blob_name(digest: str) -> str:
    algorithm, _, encoded = digest.partition(":")
    return f"blobs/{algorithm}/{encoded}"


def _scanned_parts(manifest: Manifest) -> tuple[str, tuple[str, ...]]:
    """Return what `manifest.json` says of an image: its configuration, and its layers by the names of their files."""
    config, layers = manifest.document.get("config"), manifest.document.get("layers")
    digest = str(config.get("digest")) if isinstance(config, dict) else ""
    listed = [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    return digest.rpartition(":")[2], tuple(_blob_name(str(layer.get("digest"))) for layer in listed)


def _members_as_written(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raise ValueError where Go, which takes `config` for `Config` and the last of both, differs."""
    folded = [name.casefold() for name, _ in pairs]
    if any(folded.count(name) > 1 for name in ("config", "layers")):
        raise ValueError("a member stands twice in it")
    if any(name.casefold() in {"config", "layers"} and name not in {"Config", "Layers"} for name, _ in pairs):
        raise ValueError("a member is in letters that are not docker's")
    return dict(pairs)


def _names(image: Descriptor) -> list[str]:
    return [image.digest, *(image.annotations[key] for key in NAME_ANNOTATIONS if key in image.annotations)]
