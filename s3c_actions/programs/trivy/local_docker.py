"""Whether a local Docker is there and has an image: one question to its API, before Trivy is installed to ask it.

https://docs.docker.com/reference/api/engine/version/v1.51/#tag/Image/operation/ImageInspect
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from s3c_actions.core.web import accepts_connections, status_at_socket

DEFAULT_SOCKET = "/var/run/docker.sock"
_SECONDS = 5.0
_NOT_FOUND = 404


def is_available(environment: Mapping[str, str]) -> bool:
    """Return whether a Docker may answer here: its socket accepts connections, or it is at another kind of address.

    A daemon that was killed leaves its socket behind.

    Args:
        environment: DOCKER_HOST names another address than the default.
    """
    scheme, _, path = _address(environment)
    if scheme != "unix":
        return True
    # The client's module takes long to import, and is needed only where there is a socket.
    if not Path(path).exists():
        return False

    return accepts_connections(path, _SECONDS)


def lacks_image(image: str, environment: Mapping[str, str]) -> bool:
    """Return whether the local Docker answers that it has no such image; of any other answer Trivy says what it means.

    Args:
        image: as given: a reference or an id.
        environment: DOCKER_HOST names another socket. Another kind of address is not asked, and then this is False.
    """
    scheme, _, path = _address(environment)
    if scheme != "unix":
        return False
    # A report of a file asks no Docker, and an HTTP client takes long to import.

    return status_at_socket(path, f"/images/{quote(image, safe='/:@')}/json", _SECONDS) == _NOT_FOUND


def _address(environment: Mapping[str, str]) -> tuple[str, str, str]:
    return (environment.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}").partition("://")
