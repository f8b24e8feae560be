"""Compressed layers, as builders write them."""

from __future__ import annotations

import struct
import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_SKIPPABLE = 0x184D2A50


def zstandard(content: bytes, *, window: int = 0) -> bytes:
    """Return one zstd frame; its window is 2 to the power of `window` bytes, where that is given."""
    if not window:
        return zstd.compress(content)
    # A frame that states its content's size has no window.
    options: dict[int, int] = {
        zstd.CompressionParameter.window_log: window,
        zstd.CompressionParameter.content_size_flag: 0,
    }
    compressor = zstd.ZstdCompressor(options=options)
    return compressor.compress(content) + compressor.flush()


def skippable(content: bytes, number: int = 0) -> bytes:
    """Return a frame that decoders skip (RFC 8878, 3.1.2)."""
    return struct.pack("<II", _SKIPPABLE + number, len(content)) + content
