"""How large an upload will be, found out on other processors while it is still being made."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

# Each piece waits some times for Python's lock while the next are made: few and large ones are quicker.
_PIECE = 5_000_000


class PackedSize:
    """Compresses a text while it is made; to be left by its `with`, which waits for what is still being compressed."""

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
        """Take what comes next."""
        self._begun.append(text)
        if sum(map(len, self._begun)) >= _PIECE:
            self._compress()

    def size_of(self, whole: bytes) -> int:
        """No fewer bytes than an upload sends of the whole that holds all that was added."""
        self._compress()
        return len(whole) - sum(one.result() for one in self._saved)

    def _compress(self) -> None:
        """By gzip's fastest level."""
        piece = b"".join(self._begun)
        self._begun.clear()
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(2)
        self._saved.append(self._pool.submit(lambda: len(piece) - len(zlib.compress(piece, 1))))
