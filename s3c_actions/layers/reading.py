"""Read a layer into a file system: the one way from a stored layer to what it holds, with its limits in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from s3c_actions.layers.decompression import UnreadableLayer, decompress
from s3c_actions.layers.tar_reader import ContentSpool, LayerStream, Member, read_members
from s3c_actions.layers.tree import FileSystem

MAX_EXPANDED = 32 * 1024**3
"""Most bytes that the layers of an image may expand to."""
MAX_RATIO, ALWAYS_EXPANDED = 200, 1024**3
"""How many times its own size a layer may expand to, and the number of bytes that any may."""


class LayerBlob(msgspec.Struct, frozen=True, kw_only=True):
    """A layer: as it is stored, its size in bytes, and the digest of its content."""

    digest: str
    size: int
    diff_id: str


def apply_layer(
    files: FileSystem,
    layer: LayerBlob,
    pieces: Iterable[bytes],
    keeps: Callable[[str, int], bool],
    *,
    expanded: int,
    most: int | None = None,
    checksums: bool = False,
    spool: ContentSpool | None = None,
    record: list[Member] | None = None,
) -> int:
    """Apply a layer to the file system of those below it; returns the number of bytes with this layer's.

    Args:
        files: of the layers below.
        layer: what it should be.
        pieces: of it, as it is stored.
        keeps: whether the content of a file is kept in memory, by path and size in bytes.
        expanded: number of bytes that the layers below expanded to.
        most: that all of them may expand to; MAX_EXPANDED otherwise.
        checksums: whether the digests of package databases are computed.
        spool: receives the content of every file.
        record: receives the entries; they are those of the layer when nothing is raised.

    Raises:
        UnreadableLayer: it cannot be read as a runtime reads it, expands to too much, or has other content than stated.
    """
    stream = LayerStream(decompress(pieces), allowance(layer, expanded, most=most))
    members = read_members(stream, keeps, checksums=checksums, spool=spool)
    files.apply(members if record is None else _recorded(members, record))
    if stream.digest != layer.diff_id:
        # A runtime refuses such an image, or has the layer already and does not look.
        raise UnreadableLayer("it is not the one that the configuration names")
    return expanded + stream.size


def allowance(layer: LayerBlob, expanded: int, *, most: int | None = None) -> int:
    """Return the number of bytes that a layer may expand to; the arguments are those of `apply_layer`."""
    return min((MAX_EXPANDED if most is None else most) - expanded, max(ALWAYS_EXPANDED, MAX_RATIO * layer.size))


def _recorded(members: Iterable[Member], record: list[Member]) -> Iterator[Member]:
    for member in members:
        record.append(member)
        yield member
