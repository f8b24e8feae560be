"""Determine the size of a compressed upload on other processors while the upload is still being built."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Self

from s3c_actions.core.libraries import concurrent_futures

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

# Each piece waits several times for Python's lock while the next are built: few large pieces are faster.
_PIECE = 5_000_000


class PackedSize:
    """Compress a text while it is built; leaving its `with` block waits for the pieces still being compressed."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._begun: list[bytes] = []
        self._saved: list[Future[int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def add(self, text: bytes) -> None:
        """Add the next part of the text."""
        self._begun.append(text)
        if sum(map(len, self._begun)) >= _PIECE:
            self._compress()

    def size_of(self, whole: bytes) -> int:
        """Return an upper bound of the compressed size, in bytes, of a whole that contains all added parts."""
        last = self._take_piece()
        return len(whole) - _count_saved(last) - sum(saving.result() for saving in self._saved)

    def _compress(self) -> None:
        piece = self._take_piece()
        if self._pool is None:
            self._pool = concurrent_futures.ThreadPoolExecutor(2)
        self._saved.append(self._pool.submit(_count_saved, piece))

    def _take_piece(self) -> bytes:
        piece = b"".join(self._begun)
        self._begun.clear()
        return piece


def _count_saved(piece: bytes) -> int:
    """Return the bytes that gzip's fastest level saves."""
    return len(piece) - len(zlib.compress(piece, 1))
