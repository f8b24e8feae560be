"""Unpack the layers of an image into a folder, for running and looking at it here.

Layers are what a stranger built. They are applied in memory first, and only what is left of them is written: no path
that is written has a link in it, devices are left out, and sizes are bounded.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

import msgspec

from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.layers.decompression import UnreadableLayer, read_pieces
from s3c_actions.layers.model import Entry, EntryType
from s3c_actions.layers.reading import LayerBlob, apply_layer
from s3c_actions.layers.tree import FileSystem
from s3c_actions.registry.content import ImageConfig, invalid_answer
from s3c_actions.registry.reading import Registry

MAX_UNPACKED = 16 * 1024**3
"""Most bytes that the layers of an image may expand to on a disk."""
_OWN_BITS = stat.S_IRUSR | stat.S_IWUSR
_OF_THE_IMAGE = frozenset(
    getattr(errno, name)
    for name in ["EEXIST", "EILSEQ", "EINVAL", "EISDIR", "EMLINK", "ENAMETOOLONG", "ENOENT", "EPERM"]
)
"""Errors that a name of the image causes, and not this machine."""


class LayerFile(msgspec.Struct, frozen=True, kw_only=True):
    """A layer that was fetched: its file, and the digest that the manifest states."""

    path: Path
    digest: str


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
        layers.append(LayerFile(path=path, digest=digest))
    if len(layers) != len(config.diff_ids):
        raise refuse("its manifest and its configuration list different numbers of layers")
    content = registry.blob(pinned, str((document.get("config") or {}).get("digest", "")))
    return FetchedImage(reference=pinned, config=config, config_bytes=content, layers=tuple(layers))


class Unpacker:
    """Unpacks images that are needed at the same time; a context manager that removes what only it needs.

    Layers that several images begin with are read once, and the files in them are one file with several names: so
    nobody may write into what was unpacked.

    Args:
        contents: a folder that does not exist, on the disk of the images, for contents that are not placed yet.
        owner: returns owner and group on this machine of those in an image; None leaves this user the owner.
    """

    def __init__(self, contents: Path, owner: Callable[[int, int], tuple[int, int]] | None) -> None:
        self._spool, self._owner = _Spool(contents), owner
        self._read: dict[tuple[tuple[str, str], ...], tuple[FileSystem, int]] = {}
        self._written: dict[int, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.remove()

    def unpack(self, image: FetchedImage, root: Path) -> dict[str, FolderOwner]:
        """Unpack an image.

        Args:
            image: fetched.
            root: a folder that is empty, which only this user and its containers may enter.

        Returns:
            The owners of its folders by path relative to the root.

        Raises:
            OutsideError: a layer cannot be read as a runtime reads it, expands to too much, or is not the one that the
                configuration names.
        """
        files = self._read_layers(image)
        try:
            _Writer(root, self._spool, self._owner, self._written).write(files)
        except OSError as error:
            if error.errno not in _OF_THE_IMAGE:
                raise
            why = f"a name in it cannot be used here ({error.strerror})"
            raise invalid_answer(image.reference, f"its layers cannot be unpacked: {why}") from error
        return {
            path: FolderOwner(entry.user, entry.group, entry.mode)
            for path, entry in files.entries.items()
            if entry.is_folder and not entry.implied
        }

    def _read_layers(self, image: FetchedImage) -> FileSystem:
        names = tuple(zip((layer.digest for layer in image.layers), image.config.diff_ids, strict=True))
        known = max((prefix for prefix in self._read if prefix == names[: len(prefix)]), key=len, default=())
        files, expanded = FileSystem(), 0
        if known:
            shared, expanded = self._read[known]
            files = shared.copy()
        for layer, (digest, diff_id) in list(zip(image.layers, names, strict=True))[len(known) :]:
            blob = LayerBlob(digest=digest, size=layer.path.stat().st_size, diff_id=diff_id)
            try:
                expanded = apply_layer(
                    files,
                    blob,
                    read_pieces(layer.path),
                    lambda _path, _size: False,
                    expanded=expanded,
                    most=MAX_UNPACKED,
                    spool=self._spool,
                )
            except UnreadableLayer as error:
                why = f"its layer {digest} cannot be unpacked: {error}"
                raise invalid_answer(image.reference, why) from error
        self._read[names] = files, expanded
        return files


class _Spool:
    """The contents of files, each once and under its digest, until it is known which of them are needed.

    Args:
        folder: for them; it is created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700)
        self._file: BinaryIO | None = None
        self._placed: dict[bytes, Path] = {}

    def write(self, piece: bytes) -> None:
        """Take the next piece of a content."""
        if self._file is None:
            self._file = (self.folder / "new").open("wb")
        self._file.write(piece)

    def finish(self, sha256: bytes) -> None:
        """Take the end of a content; an empty one is not kept."""
        if self._file is not None:
            self._file.close()
            self._file = None
            (self.folder / "new").rename(self.folder / sha256.hex())
            self._placed.pop(sha256, None)

    def place(self, sha256: bytes, path: Path) -> None:
        """Give a content its place, which nobody writes to; raises FileNotFoundError when it has one already."""
        (self.folder / sha256.hex()).rename(path)
        self._placed[sha256] = path

    def path(self, sha256: bytes) -> Path:
        """Return a path of a content."""
        return self._placed.get(sha256) or self.folder / sha256.hex()

    def is_placed(self, sha256: bytes) -> bool:
        """Return whether a content has its place."""
        return sha256 in self._placed

    def remove(self) -> None:
        """Remove all that is left."""
        if self._file is not None:
            self._file.close()
        shutil.rmtree(self.folder)


class _Writer:
    """Writes a file system into an empty folder. Every parent is a folder that was created here, and no link."""

    def __init__(
        self,
        root: Path,
        spool: _Spool,
        owner: Callable[[int, int], tuple[int, int]] | None,
        written: dict[int, Path],
    ) -> None:
        self._root, self._spool, self._owner, self._written = root, spool, owner, written
        self._left: Counter[bytes] = Counter()

    def write(self, files: FileSystem) -> None:
        """Write all of it; what a later entry needs of an earlier one's content is copied."""
        if self._owner is not None:
            os.chown(self._root, *self._owner(0, 0))
            self._root.chmod(0o755)  # whatever this process's umask left of that
        folders = sorted(path for path, entry in files.entries.items() if entry.is_folder)
        for path in folders:
            self._make_folder(self._root / path)
        # The names of a hard link are one entry, and so are a file's in images that share its layer.
        new = {id(entry): entry.sha256 for entry in files.entries.values() if entry.size}
        self._left.update(digest for number, digest in new.items() if number not in self._written)
        for path, entry in files.entries.items():
            if not entry.is_folder:
                self._write_entry(self._root / path, entry)
        for path in reversed(folders):
            self._set_attributes(self._root / path, files.entries[path])

    def _make_folder(self, path: Path) -> None:
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise  # else two names are one, on a disk that does not tell upper from lower case

    def _write_entry(self, path: Path, entry: Entry) -> None:
        if entry.type is EntryType.FILE:
            earlier = self._written.setdefault(id(entry), path)
            if earlier is not path:
                _make_anew(path, lambda: os.link(earlier, path))
                return
            self._write_file(path, entry)
        elif entry.type is EntryType.SYMLINK:
            _make_anew(path, lambda: path.symlink_to(entry.target))
        elif entry.type is EntryType.PIPE:
            _make_anew(path, lambda: os.mkfifo(path, 0o600))
        else:
            return  # a device: a container gets its own
        self._set_attributes(path, entry)

    def _write_file(self, path: Path, entry: Entry) -> None:
        self._left[entry.sha256] -= 1
        if entry.size and not self._left[entry.sha256] and not self._spool.is_placed(entry.sha256):
            self._spool.place(entry.sha256, path)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(_make_anew(path, lambda: os.open(path, flags, 0o600)), "wb") as target:
            for piece in read_pieces(self._spool.path(entry.sha256)) if entry.size else ():
                target.write(piece)

    def _set_attributes(self, path: Path, entry: Entry) -> None:
        if self._owner is not None:
            os.lchown(path, *self._owner(entry.user, entry.group))
        if entry.type is not EntryType.SYMLINK:
            # After the owner, because a change of owner clears the set-user-ID bit.
            mode = entry.mode
            if self._owner is None:
                mode = mode & 0o777 | (stat.S_IRWXU if entry.is_folder else _OWN_BITS)
            path.chmod(mode)


_Result = TypeVar("_Result")


def _make_anew(path: Path, make: Callable[[], _Result]) -> _Result:
    """Make something at a path, in place of what is there under a name that this disk takes for the same."""
    try:
        return make()
    except FileExistsError:
        path.unlink()
        return make()
