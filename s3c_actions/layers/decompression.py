"""Decompress a layer as a stream: gzip (RFC 1952), zstd (RFC 8878) or none.

It is recognized by its first bytes, as containerd does, whatever media type its manifest states.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 1024 * 1024
MAX_WINDOW = 27
"""Binary logarithm of the largest window of a zstd frame: 128 MiB, the most that zstd itself takes unasked."""
MAX_FRAMES = 4_000_000
"""Most members of a gzip file or frames of a zstd file, of which some formats have two for each file in the layer."""
ANY_FRAMES, FRAME_BYTES = 10_000, 128
"""How many of them whatever they hold, and the bytes that more hold on average at least: a header of a file has 512.
A few MiB of empty ones take a minute."""
_FED_BYTES = 16 * 1024
_GZIP, _ZSTD, _SKIPPABLE = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
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
    if start.startswith(_GZIP):
        return _expand(every, _GzipMember)
    return _expand(every, _ZstdFrame) if is_zstd(start) else every


def read_pieces(path: Path) -> Iterator[bytes]:
    """Yield the content of a file in pieces of at most PIECE_BYTES."""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def is_zstd(start: bytes) -> bool:
    """Return whether a frame begins, or one that decoders skip: seekable formats have tables in those.

    Args:
        start: the first eight bytes.
    """
    return start.startswith(_ZSTD) or (start[1:4] == _SKIPPABLE and start[0] & 0xF0 == 0x50 and len(start) >= 8)


class _Frame(Protocol):
    """What decompresses one member or frame.

    Attributes:
        eof: whether it has ended.
        rest: input that it has not used: of its own while its output was full, else of what follows it.
    """

    eof: bool
    rest: bytes

    def read(self, data: bytes) -> bytes:
        """Return at most PIECE_BYTES more of its content; of earlier input, where there is none."""


class _GzipMember:
    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(_GZIP_WINDOW)
        self.eof, self.rest = False, b""

    def read(self, data: bytes) -> bytes:
        content = self._decoder.decompress(data, PIECE_BYTES)
        self.eof = self._decoder.eof
        self.rest = self._decoder.unused_data if self.eof else self._decoder.unconsumed_tail
        return content


class _ZstdFrame:
    def __init__(self) -> None:
        self._decoder = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: MAX_WINDOW})
        self.eof, self.rest = False, b""

    def read(self, data: bytes) -> bytes:
        content = self._decoder.decompress(data, PIECE_BYTES)
        self.eof = self._decoder.eof
        self.rest = self._decoder.unused_data if self.eof else b""
        return content


def _expand(pieces: Iterable[bytes], begin: Callable[[], _Frame]) -> Iterator[bytes]:
    """Decompress what is made of members or frames; what follows the last one has to be one too, as Go reads it."""
    frame, frames, expanded = begin(), 0, 0
    # What a decoder does not use is copied, so a large piece of many small frames would be copied for each of them.
    for piece in (part[at : at + _FED_BYTES] for part in pieces for at in range(0, len(part), _FED_BYTES)):
        waiting = piece
        while waiting:
            if frame.eof or not frames:
                frame, frames = begin(), frames + 1
                if frames > MAX_FRAMES:
                    raise UnreadableLayer(f"its compression has more than {MAX_FRAMES:,} parts")
                if frames > ANY_FRAMES + expanded // FRAME_BYTES:
                    few = f"which hold less than {FRAME_BYTES} bytes each"
                    raise UnreadableLayer(f"its compression has more than {ANY_FRAMES:,} parts, {few}")
            content = _read(frame, waiting)
            expanded += len(content)
            yield content
            while not frame.rest and not frame.eof and (held_back := _read(frame, b"")):
                expanded += len(held_back)
                yield held_back
            waiting = frame.rest  # which a frame of zstd has at its end alone, perhaps after what it held back
    if frames and not frame.eof:
        raise UnreadableLayer("it is cut off")


def _read(frame: _Frame, data: bytes) -> bytes:
    try:
        return frame.read(data)
    except (zlib.error, zstd.ZstdError) as error:
        raise UnreadableLayer(f"its compression is broken ({error})") from None
