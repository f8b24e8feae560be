"""The one place where HTTP sessions of `requests` are made: what is sent to a host is for that host alone.

`requests` looks for credentials in ~/.netrc: for each request that has none, and anew after each redirect, whatever
the request had. A registry or an API that redirects would choose who gets them. Our credentials are those of the inputs
and of Docker's configuration, so that file is never read. Proxies and CA bundles are those of the environment.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from s3c_actions.core import answers

if TYPE_CHECKING:
    from requests import PreparedRequest, Request, Response, Session


def session() -> Session:
    """A new session, whose answers come in time (`answers`); whoever takes it closes it."""
    answers.limit()
    made: Session = _session_class()()
    made.headers["User-Agent"] = "s3c"
    return made


@cache
def _session_class() -> type[Session]:
    import requests
    from requests.utils import get_auth_from_url

    class OwnCredentials(requests.Session):
        """A session that knows no credentials but those of the request."""

        def prepare_request(self, request: Request) -> PreparedRequest:
            """As the library does, without ~/.netrc: it is not read for a request that has some `auth`."""
            if request.auth is None and self.auth is None:
                inside = get_auth_from_url(str(request.url))
                request.auth = inside if any(inside) else _unchanged
            return super().prepare_request(request)

        def rebuild_auth(self, prepared_request: PreparedRequest, response: Response) -> None:
            """Drop the credentials where a redirect leads to another host, and look for no others."""
            before, now = str(response.request.url), str(prepared_request.url)
            other = self.should_strip_auth(before, now)  # type: ignore[no-untyped-call]
            if other and "Authorization" in prepared_request.headers:
                del prepared_request.headers["Authorization"]

    return OwnCredentials


def _unchanged(request: Any) -> Any:
    """An `auth` that adds nothing."""
    return request
