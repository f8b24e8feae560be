"""Keep what layers hold: images that are compared share layers, with each other and with those of another day.

A layer is stored under the digests of what it is and of the code that read it, and authenticated with a key: what lies
in the cache without it is read from the registry, as if it were not there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import ClassVar

import msgspec

from s3c_actions.core import reading, writing
from s3c_actions.core.sealing import Seal
from s3c_actions.layers.reading import LayerBlob
from s3c_actions.layers.tar_reader import Member

LEAST_EXPANDED = 1024**2
"""A layer that expands to fewer bytes is read again as quickly."""
MAX_LAYER_BYTES = 64 * 1024**2
MAX_BYTES = 512 * 1024**2
"""Of all layers that are kept; the one that was not used for the longest time is removed first."""
_SEAL_BYTES = 32
_SUFFIX = ".layer"


class KeptLayer(msgspec.Struct, frozen=True, kw_only=True):
    """What a layer holds: its entries in their order, and the number of bytes that it expands to."""

    members: tuple[Member, ...]
    size: int


class LayerStore:
    """A folder of layers that were read.

    Args:
        folder: created when something is kept.
        key: for the seal; it must not lie in the folder.
    """

    FOLDER: ClassVar[str] = "layers"

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder, self._seal = folder, Seal(key, "kept layer 1")

    def find(self, layer: LayerBlob, *, checksums: bool) -> KeptLayer | None:
        """Return what a layer holds, if it was kept and nobody changed it.

        Args:
            layer: as the manifest and the configuration name it.
            checksums: whether the digests of package databases are needed.
        """
        name = _name(layer, checksums=checksums)
        path = self._path(name)
        try:
            stored = reading.read_file(path, MAX_LAYER_BYTES + _SEAL_BYTES)
        except (OSError, ValueError):
            return None
        seal, content = stored[:_SEAL_BYTES], stored[_SEAL_BYTES:]
        if not self._seal.fits(seal, name.encode(), content):
            return None
        try:
            kept = msgspec.msgpack.decode(content, type=KeptLayer)
        except msgspec.MsgspecError:
            return None
        with suppress(OSError):  # then it counts as older than it is
            os.utime(path)
        return kept

    def keep(self, layer: LayerBlob, members: Sequence[Member], size: int, *, checksums: bool) -> None:
        """Keep what a layer holds; do nothing where it is small or huge, or the cache cannot be written.

        Args:
            layer: whose digests were verified.
            members: its entries, each with the content that `packages.keeps` asks for.
            size: number of bytes that it expands to.
            checksums: whether the entries have the digests of package databases.
        """
        if size < LEAST_EXPANDED:
            return
        try:
            content = msgspec.msgpack.encode(KeptLayer(members=tuple(members), size=size))
        except UnicodeEncodeError:  # a name in it is no UTF-8
            return
        if len(content) > MAX_LAYER_BYTES:
            return
        name = _name(layer, checksums=checksums)
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            writing.write(self._path(name), self._seal.of(name.encode(), content) + content)
            self._prune()

    def _path(self, name: str) -> Path:
        return self._folder / (hashlib.sha256(name.encode()).hexdigest() + _SUFFIX)

    def _prune(self) -> None:
        states = {path: path.stat() for path in self._folder.glob(f"*{_SUFFIX}")}
        total = 0
        for path in sorted(states, key=lambda path: states[path].st_mtime_ns, reverse=True):
            total += states[path].st_size
            if total > MAX_BYTES:
                path.unlink(missing_ok=True)


def _name(layer: LayerBlob, *, checksums: bool) -> str:
    return "\0".join((layer.digest, layer.diff_id, str(layer.size), str(checksums), _code_digest()))


@cache
def _code_digest() -> str:
    """Return the digest of the code that decides what is read and kept of a layer."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
