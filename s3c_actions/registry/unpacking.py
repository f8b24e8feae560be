"""Unpack the layers of an image into a folder (OCI image spec, layer.md), for running and looking at it here.

Layers are what a stranger built. A path is resolved inside of the folder, devices are left out, and sizes are bounded.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Self

import msgspec

from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.core.rooted_paths import resolve_inside
from s3c_actions.registry.content import ImageConfig, invalid_answer
from s3c_actions.registry.reading import Registry

MAX_UNPACKED = 16 * 1024**3
MAX_MEMBERS = 2_000_000
MAX_EXTENSION = 1024 * 1024
_EXTENSIONS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, b"X")
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_CHUNK = 1024 * 1024
_OWN_BITS = stat.S_IRUSR | stat.S_IWUSR


class LayerFile(msgspec.Struct, frozen=True, kw_only=True):
    """A layer that was fetched: its file, the digest and media type that the manifest states."""

    path: Path
    digest: str
    media_type: str


class FetchedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image of one platform, on this machine.

    Attributes:
        reference: pinned.
        config: its configuration; `config_bytes` as the registry has it.
        layers: the lowest first.
    """

    reference: Reference
    config: ImageConfig
    config_bytes: bytes
    layers: tuple[LayerFile, ...]


class FolderOwner(msgspec.Struct, frozen=True):
    """Owner, group and permissions of a folder, as an image has them."""

    user: int
    group: int
    mode: int


class UnsupportedLayer(ValueError):
    """A layer that cannot be unpacked here, with the reason as a clause."""


def fetch_image(registry: Registry, reference: Reference, folder: Path, *, platform: str = "") -> FetchedImage:
    """Fetch configuration and layers of an image; a layer that the folder has already is not fetched again.

    Args:
        registry: to read.
        reference: pinned, of an image or an index.
        folder: for the layers, each named by its digest.
        platform: of an index.

    Raises:
        InputError: it does not exist, or has no such platform.
        OutsideError: the registry failed, or its content is inconsistent.
    """
    config = registry.config(reference, platform=platform)
    pinned = reference.at(config.manifest)
    document = registry.manifest(pinned).document
    refuse = partial(invalid_answer, pinned)
    layers = []
    for entry in document.get("layers") or ():
        digest, size = entry.get("digest"), entry.get("size")
        if not isinstance(digest, str) or not is_digest(digest) or not isinstance(size, int):
            raise refuse("a layer in its manifest has no digest or no size")
        path = folder / digest.replace(":", "-")
        if not path.exists():
            unfinished = path.with_suffix(".new")
            with unfinished.open("wb") as file:
                for piece in registry.layer(pinned, digest, size):
                    file.write(piece)
            unfinished.rename(path)
        layers.append(LayerFile(path=path, digest=digest, media_type=str(entry.get("mediaType", ""))))
    if len(layers) != len(config.diff_ids):
        raise refuse("its manifest and its configuration list different numbers of layers")
    content = registry.blob(pinned, str((document.get("config") or {}).get("digest", "")))
    return FetchedImage(reference=pinned, config=config, config_bytes=content, layers=tuple(layers))


def unpack_image(
    image: FetchedImage, root: Path, *, owner: Callable[[int, int], tuple[int, int]] | None
) -> dict[str, FolderOwner]:
    """Unpack an image into a folder that exists and is empty.

    Args:
        image: fetched.
        root: the folder, which only this user and its containers may enter.
        owner: returns owner and group on this machine of those in the image; None leaves this user the owner.

    Returns:
        The owners of its folders by path relative to the root, also of some that a later layer has removed.

    Raises:
        OutsideError: a layer is damaged, or unpacks to more than MAX_UNPACKED.
    """
    budget, folders = _Budget(), dict[str, FolderOwner]()
    if owner is not None:
        os.chown(root, *owner(0, 0))
    for layer in image.layers:
        try:
            with _open_layer(layer) as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as archive:
                _unpack_layer(archive, root, owner, budget, folders)
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, UnsupportedLayer, UnicodeError) as error:
            raise _unpack_error(image, layer, str(error)) from error
    return folders


def _unpack_error(image: FetchedImage, layer: LayerFile, why: str) -> S3CError:
    return invalid_answer(image.reference, f"its layer {layer.digest} cannot be unpacked: {why}")


def _open_layer(layer: LayerFile) -> IO[bytes] | gzip.GzipFile:
    with layer.path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        return gzip.open(layer.path, "rb")
    if start == b"\x28\xb5\x2f\xfd":
        raise UnsupportedLayer("it is compressed with zstd")
    return layer.path.open("rb")


class _Header(tarfile.TarInfo):
    """A header whose extension, which is read into memory as a whole, has a limit."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENSIONS and header.size > MAX_EXTENSION:
            raise UnsupportedLayer("it has a header that is larger than any program writes")
        return header


class _Budget:
    """What may still be unpacked, so that a small layer does not fill the disk."""

    def __init__(self) -> None:
        self.members, self.size = 0, 0

    def take(self, size: int) -> None:
        self.members += 1
        self.size += size
        if self.members > MAX_MEMBERS or self.size > MAX_UNPACKED:
            raise UnsupportedLayer("it unpacks to more than an image may")


def _unpack_layer(
    archive: tarfile.TarFile,
    root: Path,
    owner: Callable[[int, int], tuple[int, int]] | None,
    budget: _Budget,
    folders: dict[str, FolderOwner],
) -> None:
    written: set[Path] = set()
    for member in archive:
        budget.take(member.size if member.isreg() else 0)
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if not parts or ".." in parts or "\0" in member.name:
            continue
        parent = _make_parent(root, "/".join(parts[:-1]), owner)
        if parts[-1] == _OPAQUE:
            for child in list(parent.iterdir()):
                if child not in written:
                    _remove(child)
            continue
        if parts[-1].startswith(_WHITEOUT):
            hidden = parts[-1].removeprefix(_WHITEOUT)
            if hidden not in ("", ".", "..") and parent / hidden not in written:
                _remove(parent / hidden)
            continue
        path = parent / parts[-1]
        if _write_member(archive, member, path, root):
            _set_attributes(member, path, owner)
        if member.isdir():
            folders[str(path.relative_to(root))] = FolderOwner(member.uid, member.gid, member.mode & 0o7777)
        while path != root:
            written.add(path)
            path = path.parent


def _make_parent(root: Path, name: str, owner: Callable[[int, int], tuple[int, int]] | None) -> Path:
    """Return a folder of the image, created where it is missing; a file in its place is replaced."""
    path = root
    for part in name.split("/") if name else ():
        inside = f"{path.relative_to(root)}/{part}"
        resolved = resolve_inside(root, inside)
        if resolved is None or not resolved.is_dir():
            target = resolve_inside(root, inside, last=False) or path / part
            _remove(target)
            target.mkdir(mode=0o755)
            if owner is not None:
                os.chown(target, *owner(0, 0))
            resolved = target
        path = resolved
    return path


def _write_member(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, root: Path) -> bool:
    """Write one member; return whether it is something that has an owner and permissions of its own."""
    if member.isdir():
        if path.is_symlink() or not path.is_dir():
            _remove(path)
            path.mkdir(mode=0o700)
        return True
    if member.isreg():
        _remove(path)
        source = archive.extractfile(member)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb") as target:
            if source is not None:
                shutil.copyfileobj(source, target, _CHUNK)
        return True
    if member.issym():
        _remove(path)
        path.symlink_to(member.linkname)
        return True
    if member.islnk():
        existing = resolve_inside(root, member.linkname, last=False)
        if existing is not None and existing != path and (existing.is_symlink() or existing.is_file()):
            _remove(path)
            os.link(existing, path, follow_symlinks=False)
        return False
    if member.isfifo():
        _remove(path)
        os.mkfifo(path, 0o600)
        return True
    return False  # a device: a container gets its own


def _set_attributes(member: tarfile.TarInfo, path: Path, owner: Callable[[int, int], tuple[int, int]] | None) -> None:
    if owner is not None:
        os.lchown(path, *owner(member.uid, member.gid))
    if not member.issym():
        # After the owner, because a change of owner clears the set-user-ID bit.
        mode = member.mode & 0o7777
        if owner is None:
            mode = mode & 0o777 | (stat.S_IRWXU if member.isdir() else _OWN_BITS)
        path.chmod(mode)


def _remove(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(path)
    else:
        path.unlink()


def remove_unpacked(root: Path) -> None:
    """Remove an unpacked image, also where it denies its own user to enter a folder."""
    for folder, _, _ in os.walk(root):
        with suppress(OSError):
            Path(folder).chmod(stat.S_IRWXU)
    shutil.rmtree(root, ignore_errors=True)


def read_chunks(path: Path) -> Iterator[bytes]:
    """Yield the content of a file in pieces."""
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece
