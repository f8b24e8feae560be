"""Output that outlives its reader: that nobody reads a text changes neither what is done nor the verdict."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO


class LastingOutput:
    """A stream of the process. What can no longer be written is dropped, and everything goes on.

    `s3c scan … | head` ends as it ends without `head`: an exception out of a line of output would stop a run between
    two images, and take the place of its exit code.

    Attributes:
        failure: why it could not be written; None when it could, or when its reader has gone, as `head` has.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._dropping = stream, False
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        """Return what is not about writing from the stream."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, or drop it; return its length."""
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        self._attempt(self._stream.flush)

    def _attempt(self, action: Callable[[], object]) -> None:
        if self._dropping:
            return
        try:
            action()
        except OSError as error:
            self._dropping = True
            self.failure = None if isinstance(error, BrokenPipeError) else error
            # Python writes what is buffered when it ends, and so do the programs that inherit the stream.
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
