"""Decompress a layer as a stream: gzip (RFC 1952) or none, recognized by its first bytes, as containerd does."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

PIECE_BYTES = 1024 * 1024
_GZIP = b"\x1f\x8b"
_OTHERS = {b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_MAGIC_BYTES = 8
_GZIP_WINDOW = 31


class UnreadableLayer(ValueError):
    """A layer that cannot be read here as a runtime reads it; the text is a clause that says why."""


def decompress(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a layer in pieces of at most PIECE_BYTES, however far it expands.

    Args:
        pieces: of the layer, as it is stored.

    Raises:
        UnreadableLayer: it is compressed in another way, cut off, or not what it claims to be.
    """
    source = iter(pieces)
    start = b""
    while len(start) < _MAGIC_BYTES and (piece := next(source, b"")):
        start += piece
    other = next((name for magic, name in _OTHERS.items() if start.startswith(magic)), "")
    if other:
        raise UnreadableLayer(f"it is compressed with {other}, which is not read here")
    every = chain([start], source)
    return _gunzip(every) if start.startswith(_GZIP) else every


def _gunzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress the members of a gzip file; what follows the last one has to be a member too, as Go reads it."""
    decoder, begun = zlib.decompressobj(_GZIP_WINDOW), False
    for piece in pieces:
        waiting = piece
        while waiting:
            if decoder.eof:
                decoder, begun = zlib.decompressobj(_GZIP_WINDOW), False
            try:
                yield decoder.decompress(waiting, PIECE_BYTES)
            except zlib.error as error:
                raise UnreadableLayer(f"its compression is broken ({error})") from None
            begun = True
            waiting = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
        while begun and not decoder.eof and (rest := _held_back(decoder)):
            yield rest
    if begun and not decoder.eof:
        raise UnreadableLayer("it is cut off")


def _held_back(decoder: zlib._Decompress) -> bytes:
    """Return what a decoder has of earlier input and held back because its output was full."""
    try:
        return decoder.decompress(b"", PIECE_BYTES)
    except zlib.error as error:
        raise UnreadableLayer(f"its compression is broken ({error})") from None
