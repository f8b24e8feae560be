"""How long an answer may take, of whatever service: its status, its headers and its body together.

The time limits that HTTP libraries have are for one read from the socket. Who sends a byte a second keeps within them,
and holds a run for ever. With `limit`, the limit that a client gives for a read is one for the whole answer, beyond
which only a body that arrives at SLOWEST or faster may go on: a large download is not cut short, a trickle is.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

SLOWEST = 8 * 1024
"""Bytes of a body for which an answer gets one more second."""
LONGEST = 60.0
"""Seconds for an answer to a client that gave no limit."""
MOST_HEADERS = 256 * 1024
"""Bytes of an answer's status and headers, with what came along of its body."""


class TooSlow(TimeoutError):
    """An answer came, but not to its end in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"timed out: the answer was not complete within {seconds:g} s")


def limit() -> None:
    """Hold every HTTP client of this process (requests, urllib3, those of GitHub, Azure and Kubernetes) to its limit.

    To be called where a client is made; again does no harm.
    """
    http.client.HTTPConnection.response_class = _Response


class _Response(http.client.HTTPResponse):
    """An answer read from a stream that has a time limit."""

    def __init__(self, sock: socket.socket, *arguments: Any, **more: Any) -> None:
        super().__init__(sock, *arguments, **more)
        self._stream = _Stream(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self._stream)

    def begin(self) -> None:
        """Read status and headers."""
        super().begin()
        self._stream.in_body = True


class _Stream(io.RawIOBase):
    """What a socket receives, until the time is up.

    Attributes:
        in_body: the headers are over: what comes from now on buys time.
    """

    def __init__(self, raw: Any, sock: Any) -> None:
        self.in_body = False
        self._raw = raw
        self._socket = sock
        self._timeout = sock.gettimeout()
        self._seconds = self._timeout or LONGEST
        self._began = time.monotonic()
        self._received = self._headers = 0

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Receive what is there. Raises TooSlow when the time is up, TimeoutError when nothing came in it."""
        left = self._began + self._seconds + self._received / SLOWEST - time.monotonic()
        if left <= 0:
            raise TooSlow(self._seconds)
        self._socket.settimeout(left if self._received else min(left, self._seconds))
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            if self._received or self._headers:
                raise TooSlow(self._seconds) from None
            raise
        finally:
            # The connection may be used again, under the limit that its client knows.
            if self._socket.fileno() >= 0:
                self._socket.settimeout(self._timeout)
        if self.in_body:
            self._received += count or 0
        else:
            self._headers += count or 0
            if self._headers > MOST_HEADERS:
                raise http.client.HTTPException(f"got more than {MOST_HEADERS} bytes of headers")
        return count

    def close(self) -> None:
        """Let go of the socket."""
        try:
            self._raw.close()
        finally:
            super().close()
