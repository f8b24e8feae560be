"""The stand-ins without a network: they get the real clients' requests in this process, and no wait takes time."""

from __future__ import annotations

import http.client
import io
import platform
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import NewConnectionError, ProtocolError

from s3c_actions.azure import identity
from s3c_actions.azure.identity import Identity, IdentitySettings
from s3c_actions.core import web
from s3c_actions.core.secrets import Secrets
from tests.support.azure.entra import Application, Entra
from tests.support.azure.web import Request, Sites

# The clients name it to the services; it starts `uname` the first time, which unit tests forbid.
platform.platform()


class _Wire(HTTPAdapter):
    """Hands each request to the sites, and makes a response of the answer as urllib3 does."""

    def __init__(self, sites: Sites) -> None:
        super().__init__()
        self._sites = sites

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        host = url.hostname or ""
        if host not in self._sites.applications:
            raise requests.ConnectionError(NewConnectionError(None, f"Failed to resolve '{host}'"))  # type: ignore[arg-type]
        body = request.body or b""
        answer = self._sites.answer(
            Request(
                method=str(request.method),
                host=host,
                path=url.path,
                query={name: values[0] for name, values in parse_qs(url.query).items()},
                headers={name.lower(): str(value) for name, value in request.headers.items()},
                body=body.encode() if isinstance(body, str) else bytes(body),
                target=f"{url.path}?{url.query}",
            )
        )
        if answer.broken == 0:
            gone = http.client.RemoteDisconnected("Remote end closed connection without response")
            raise requests.ConnectionError(ProtocolError("Connection aborted.", gone))
        raw = HTTPResponse(
            io.BytesIO(answer.body[: answer.broken]),
            {"Content-Length": str(len(answer.body)), **answer.headers},
            answer.status,
            reason=http.client.responses.get(answer.status, ""),
            preload_content=False,
        )
        return self.build_response(request, raw)


@dataclass
class Network:
    """What the clients reach, and how long they waited for it in all.

    Attributes:
        waits: seconds before each further try, in their order.
    """

    entra: Entra = field(default_factory=Entra)
    sites: Sites = field(default_factory=Sites)
    waits: list[float] = field(default_factory=list)
    application: Application = field(init=False)

    def __post_init__(self) -> None:
        self.application = self.entra.add(secret="not so secret")
        self.sites.applications["login.microsoftonline.com"] = self.entra

    def identity(self, **settings: Any) -> Identity:
        """The application, logged in with its secret."""
        environment = {"AZURE_CLIENT_SECRET": self.application.secret}
        given = {"tenant": self.entra.tenant, "client": self.application.client, **settings}
        return identity.choose(IdentitySettings(**given), environment, Secrets())

    def asked(self, path: str) -> list[Request]:
        """The requests whose path ends so."""
        return [request for request in self.sites.requests if request.path.endswith(path)]


def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """A network for the rest of the test; its clock goes on by every wait."""
    new_network = Network()
    create = web.create_session
    passed = [0.0]
    started = time.monotonic()

    def session() -> requests.Session:
        new = create()
        for scheme in ("https://", "http://"):
            new.mount(scheme, _Wire(new_network.sites))
        return new

    def wait(*arguments: Any) -> None:
        new_network.waits.append(arguments[-1])
        passed[0] += arguments[-1]

    monkeypatch.setattr(web, "create_session", session)
    monkeypatch.setattr(RequestsTransport, "sleep", wait)
    monkeypatch.setattr(time, "sleep", wait)
    monkeypatch.setattr(time, "monotonic", lambda: started + passed[0])
    return new_network
