"""Create the HTTP sessions of `requests`, in one place: credentials for a host are sent to that host alone.

`requests` looks for credentials in ~/.netrc: for each request that has none, and again after each redirect, whatever
the request had. A registry or an API that redirects could choose who receives them. Our credentials are those of the
inputs and of Docker's configuration, so that file is never read. Proxies and CA bundles are those of the environment.
"""

from __future__ import annotations

import socket
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Any

from s3c_actions.core import response_limits
from s3c_actions.core.libraries import http_client, requests

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from requests import PreparedRequest, Request, Response, Session


def create_session() -> Session:
    """Return a new session, whose answers have a time limit (`answers`); the caller closes it."""
    response_limits.install_limits()
    new: Session = _session_class()()
    new.headers["User-Agent"] = "s3c"
    return new


@cache
def _session_class() -> type[Session]:
    class OwnCredentials(requests.Session):
        """A session that uses no credentials but those of the request."""

        def prepare_request(self, request: Request) -> PreparedRequest:
            """Prepare a request without reading ~/.netrc, which the library skips for a request that has an `auth`."""
            if request.auth is None and self.auth is None:
                embedded = requests.utils.get_auth_from_url(str(request.url))
                request.auth = embedded if any(embedded) else _unchanged
            return super().prepare_request(request)

        def rebuild_auth(self, prepared_request: PreparedRequest, response: Response) -> None:
            """Drop the credentials where a redirect leads to another host, and look for no others."""
            before, now = str(response.request.url), str(prepared_request.url)
            leaves_host = self.should_strip_auth(before, now)  # type: ignore[no-untyped-call]
            if leaves_host and "Authorization" in prepared_request.headers:
                del prepared_request.headers["Authorization"]

    return OwnCredentials


def failure_reason(error: Exception, connect: float, read: float) -> str:
    """Return why a request of `requests` failed, a clause.

    Args:
        error: that the library raised.
        connect: seconds that it had for the connection.
        read: seconds that it had for each read.
    """
    known = (
        (requests.ConnectTimeout, f"no connection within {connect:g} s"),
        (requests.ReadTimeout, f"nothing was received for {read:g} s"),
        (requests.exceptions.SSLError, "its certificate is not trusted here"),
        (requests.exceptions.ProxyError, "the proxy refused"),
        (requests.exceptions.ChunkedEncodingError, "the answer broke off"),
        (requests.ConnectionError, "the host could not be reached"),
    )
    return next((words for kind, words in known if isinstance(error, kind)), "the request failed")


def _unchanged(request: Any) -> Any:
    """Return the request unchanged: an `auth` that adds nothing."""
    return request


def _connect_to_socket(path: str, seconds: float) -> HTTPConnection:
    """Return a connection to a UNIX socket."""
    connection = http_client.HTTPConnection("localhost", timeout=seconds)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(seconds)
    try:
        connection.sock.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def accepts_connections(path: str, seconds: float) -> bool:
    """Return whether something listens at a UNIX socket; one without permission counts, as somebody may.

    Args:
        path: of the socket.
        seconds: to wait at most.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(seconds)
        try:
            client.connect(path)
        except PermissionError:
            return True
        except OSError:
            return False
    return True


def status_at_socket(path: str, target: str, seconds: float) -> int:
    """Return the HTTP status of GET at a UNIX socket; 0 without an answer. The body is not read.

    Args:
        path: of the socket.
        target: of the request.
        seconds: for each read and write.
    """
    try:
        with closing(_connect_to_socket(path, seconds)) as connection:
            connection.request("GET", target)
            return connection.getresponse().status
    except (OSError, http_client.HTTPException):
        return 0
