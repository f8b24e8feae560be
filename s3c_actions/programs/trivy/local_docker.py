"""Whether the local Docker has an image: one question to its API, before Trivy is installed to ask the same.

https://docs.docker.com/reference/api/engine/version/v1.51/#tag/Image/operation/ImageInspect
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote

DEFAULT_SOCKET = "/var/run/docker.sock"
_SECONDS = 5.0


class _Connection(HTTPConnection):
    """A connection to a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def lacks_image(image: str, environment: Mapping[str, str]) -> bool:
    """Return whether the local Docker answers that it has no such image.

    Args:
        image: as given: a reference or an id.
        environment: DOCKER_HOST names another socket. Another kind of address is not asked, and then this is False.
    """
    scheme, _, path = (environment.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}").partition("://")
    if scheme != "unix":
        return False
    connection = _Connection(path)
    try:
        connection.request("GET", f"/images/{quote(image, safe='/:@')}/json")
        return connection.getresponse().status == 404
    except (OSError, HTTPException):
        return False  # Trivy says what is wrong with it
    finally:
        connection.close()
