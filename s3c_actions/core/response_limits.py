"""Limit the total time of an HTTP answer: its status, headers and body together.

The time limits of HTTP libraries apply to a single read from the socket. A server that sends one byte a second stays
within them and blocks a run for ever. After `install_limits`, the limit that a client gives for a read applies to the
whole answer; only a body that arrives at MIN_BYTES_PER_SECOND or faster may take longer: a large download is not cut
off, a trickle is. A local daemon that its client waits for without limit (Docker's, until a container ends) has none.
"""

from __future__ import annotations

import io
import socket
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from s3c_actions.core.libraries import http_client

if TYPE_CHECKING:
    from http.client import HTTPResponse

MIN_BYTES_PER_SECOND = 8 * 1024
"""Bytes of a body for which an answer gets one more second."""
DEFAULT_SECONDS = 60.0
"""Seconds for an answer to a client that gave no limit."""
MAX_HEADER_BYTES = 256 * 1024
"""Bytes of an answer's status and headers, including the part of the body received with them."""


class TooSlow(TimeoutError):
    """An answer that was not complete within its time limit."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"timed out: the answer was not complete within {seconds:g} s")


def install_limits() -> None:
    """Apply a time limit to every HTTP client of this process.

    That is requests and urllib3, and with them the clients of GitHub, Azure and Kubernetes. Call it where a client is
    created; calling it again does no harm.
    """
    http_client.HTTPConnection.response_class = _response_class()


@cache
def _response_class() -> type[HTTPResponse]:
    class LimitedResponse(http_client.HTTPResponse):
        """An answer read from a stream that has a time limit."""

        def __init__(self, sock: socket.socket, *arguments: Any, **more: Any) -> None:
            super().__init__(sock, *arguments, **more)
            self._stream: _Stream | None = None
            if not _is_unlimited_local(sock):
                self._stream = _Stream(self.fp.detach(), sock)
                self.fp = io.BufferedReader(self._stream)

        def begin(self) -> None:
            """Read status and headers."""
            super().begin()
            if self._stream is not None:
                self._stream.in_body = True

    return LimitedResponse


def _is_unlimited_local(sock: socket.socket) -> bool:
    # urllib3's TLS within TLS, to a proxy that is reached by TLS, is no socket and has no family.
    return getattr(sock, "family", None) == socket.AF_UNIX and sock.gettimeout() is None


class _Stream(io.RawIOBase):
    """The bytes that a socket receives, until the time limit.

    Attributes:
        in_body: whether the headers are complete: what is received from then on extends the time limit.
    """

    def __init__(self, raw: Any, sock: Any) -> None:
        self.in_body = False
        self._raw = raw
        self._socket = sock
        self._timeout = sock.gettimeout()
        self._seconds = self._timeout or DEFAULT_SECONDS
        self._began = time.monotonic()
        self._received = self._headers = 0

    def readable(self) -> bool:
        """Return True: the stream can be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Receive what is available; raise TooSlow after the time limit, TimeoutError if nothing came in it."""
        remaining = self._began + self._seconds + self._received / MIN_BYTES_PER_SECOND - time.monotonic()
        if remaining <= 0:
            raise TooSlow(self._seconds)
        self._socket.settimeout(remaining if self._received else min(remaining, self._seconds))
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            if self._received or self._headers:
                raise TooSlow(self._seconds) from None
            raise
        finally:
            # The connection may be reused, with its client's own limit.
            if self._socket.fileno() >= 0:
                self._socket.settimeout(self._timeout)
        if self.in_body:
            self._received += count or 0
        else:
            self._headers += count or 0
            if self._headers > MAX_HEADER_BYTES:
                raise http_client.HTTPException(f"got more than {MAX_HEADER_BYTES} bytes of headers")
        return count

    def close(self) -> None:
        """Release the socket."""
        try:
            self._raw.close()
        finally:
            super().close()
