"""Azure Container Registry: its login in front of a real docker-registry, which checks the tokens that are given here.

The endpoints as published, each with its page:

- the challenge, `/oauth2/exchange`, `/oauth2/token` and the claims of the tokens: https://azure.github.io/acr/AAD-OAuth.html
- `POST /oauth2/exchange`:
  https://learn.microsoft.com/rest/api/containerregistry/refresh-tokens/get-from-exchange
- `POST /oauth2/token`: https://learn.microsoft.com/rest/api/containerregistry/access-tokens/get
- `GET /oauth2/token`, what `docker login` with the null GUID comes to:
  https://learn.microsoft.com/rest/api/containerregistry/access-tokens/get-from-login
- roles: https://learn.microsoft.com/azure/container-registry/container-registry-roles
- the network's rules: https://learn.microsoft.com/azure/container-registry/container-registry-access-selected-networks
- tokens for the Resource Manager refused:
  https://learn.microsoft.com/azure/container-registry/container-registry-disable-authentication-as-arm

Debian's docker-registry has no referrers API, which Azure's has: clients list referrers themselves here.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from s3c_lab import registry_server
from s3c_lab.certificates import Identity, make, pem
from tests.support.azure.entra import MANAGEMENT, BadToken, Entra
from tests.support.azure.web import Answer, Request, json_answer
from tests.support.azure.world import World

AUDIENCE = "https://containerregistry.azure.net"
ISSUER = "Azure Container Registry"
NULL_GUID = "00000000-0000-0000-0000-000000000000"
ROLES = {
    "AcrPull": frozenset({"pull", "metadata_read"}),
    "AcrPush": frozenset({"pull", "push", "metadata_read", "metadata_write"}),
    "AcrDelete": frozenset({"delete"}),
}


@dataclass
class ContainerRegistry:
    """One registry.

    Attributes:
        name: the host is `NAME.azurecr.io`.
        entra: the tenant whose tokens it takes.
        port: of the docker-registry behind it.
        identity: whose key signs its tokens.
        roles: object id of a principal → its roles on the registry.
        repositories: object id → the only repositories that its roles are for; all where it has no entry.
        refresh_lifetime, access_lifetime: of its tokens, in seconds.
        denied_address: whom its network's rules turn away; empty when they let everybody in.
        arm_tokens: whether tokens for the Resource Manager are taken.
        anonymous_pull: whether everybody may pull.
        failures: answers to the next exchanges, the first one first.
        given: every token given out.
    """

    name: str
    entra: Entra
    port: int
    identity: Identity = field(repr=False)
    roles: dict[str, set[str]] = field(default_factory=dict)
    repositories: dict[str, set[str]] = field(default_factory=dict)
    refresh_lifetime: float = 10_800.0
    access_lifetime: float = 4_500.0
    denied_address: str = ""
    arm_tokens: bool = False
    anonymous_pull: bool = False
    failures: list[Answer] = field(default_factory=list)
    given: list[str] = field(default_factory=list, repr=False)

    @property
    def host(self) -> str:
        return f"{self.name}.azurecr.io"

    def __call__(self, request: Request) -> Answer:
        if self.denied_address:
            message = (
                f"client with IP '{self.denied_address}' is not allowed access. Refer https://aka.ms/acr/firewall to "
                "grant access."
            )
            return _error(403, "DENIED", message)
        if request.path == "/oauth2/exchange" and request.method == "POST":
            if self.failures:
                return self.failures.pop(0)
            return self._exchange(request)
        if request.path == "/oauth2/token" and request.method == "POST":
            form = parse_qs(request.body.decode())
            scopes = [scope for text in form.get("scope", []) for scope in text.split(" ")]
            kind, service = form.get("grant_type", [""])[0], form.get("service", [""])[0]
            if kind == "refresh_token":
                return self._token(form.get("refresh_token", [""])[0], service, scopes)
            # What Docker and BuildKit make of a name and a password.
            if kind == "password" and form.get("username") == [NULL_GUID]:
                return self._token(form.get("password", [""])[0], service, scopes)
            return _error(400, "UNSUPPORTED", "grant_type is not supported")
        if request.path == "/oauth2/token" and request.method == "GET":
            query = parse_qs(urlsplit(request.target).query)
            name, _, password = _basic(request).partition(":")
            scopes = [scope for text in query.get("scope", []) for scope in text.split(" ")]
            if not name and self.anonymous_pull:
                return self._access("anonymous", scopes, {"pull"})
            if name != NULL_GUID:
                return _unauthorized([])
            return self._token(password, query.get("service", [""])[0], scopes)
        if request.path.startswith("/v2/"):
            return forward(request, self.port)  # which checks the token
        return Answer(404)

    def _exchange(self, request: Request) -> Answer:
        form = request.form()
        if form.get("grant_type") != "access_token" or form.get("service") != self.host:
            return _error(400, "UNSUPPORTED", "grant_type or service is not supported")
        claims: dict[str, Any] = {}
        for audience in (AUDIENCE, *([MANAGEMENT] if self.arm_tokens else [])):
            try:
                claims = self.entra.checked(form.get("access_token", ""), audience)
                break
            except BadToken:
                continue
        if not claims or form.get("tenant", claims.get("tid")) != self.entra.tenant:
            return _unauthorized([])
        roles = self.roles.get(claims["oid"], set())
        token = self._issue(
            {
                "sub": claims["oid"],
                "grant_type": "refresh_token",
                "tenant": claims["tid"],
                "permissions": {
                    "actions": sorted({f"{action}" for role in roles for action in ROLES[role]}),
                    "notActions": [],
                },
                "roles": [],
            },
            self.refresh_lifetime,
        )
        return json_answer({"refresh_token": token})

    def _token(self, refresh: str, service: str, scopes: list[str]) -> Answer:
        try:
            claims = self._checked(refresh)
        except jwt.PyJWTError:
            return _unauthorized([])
        if claims.get("grant_type") != "refresh_token" or service != self.host:
            return _unauthorized([])
        subject = claims["sub"]
        allowed = {action for role in self.roles.get(subject, set()) for action in ROLES[role]}
        return self._access(subject, scopes, allowed)

    def _access(self, subject: str, scopes: Iterable[str], allowed: set[str]) -> Answer:
        access = []
        for scope in filter(None, scopes):
            match = re.fullmatch(r"(repository|registry):([a-z0-9/._-]+):([a-z_,*]+)", scope)
            if match is None:
                return _error(400, "INVALID_SCOPE", f"scope {scope} is not valid")
            kind, name, wanted = match.groups()
            only = self.repositories.get(subject)
            granted = allowed if only is None or name in only else set()
            if not set(wanted.split(",")) <= granted:
                return _unauthorized([{"Type": kind, "Name": name, "Action": action} for action in wanted.split(",")])
            access.append({"type": kind, "name": name, "actions": wanted.split(",")})
        claims = {"sub": subject, "access": access, "roles": [], "grant_type": "access_token"}
        return json_answer({"access_token": self._issue(claims, self.access_lifetime)})

    def _issue(self, claims: dict[str, Any], lifetime: float) -> str:
        now = time.time()
        times = {"jti": str(uuid.uuid4()), "nbf": int(now), "exp": int(now + lifetime), "iat": int(now)}
        certificate = base64.b64encode(self.identity.certificate.public_bytes(Encoding.DER)).decode()
        assert isinstance(self.identity.key, RSAPrivateKey)
        payload = {**times, "iss": ISSUER, "aud": self.host, "version": "1.0", **claims}
        token = jwt.encode(payload, self.identity.key, "RS256", {"x5c": [certificate]})
        self.given.append(token)
        return token

    def _checked(self, token: str) -> dict[str, Any]:
        assert isinstance(self.identity.key, RSAPrivateKey)
        return dict(jwt.decode(token, self.identity.key.public_key(), ["RS256"], audience=self.host, issuer=ISSUER))


def forward(request: Request, port: int) -> Answer:
    """Ask a registry on loopback, with the client's own token."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    dropped = {"connection", "transfer-encoding", "content-length"}
    headers = {name: value for name, value in request.headers.items() if name not in dropped}
    headers["X-Forwarded-Proto"] = "https"  # of the uploads' addresses
    try:
        connection.request(request.method, request.target, request.body, headers)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    kept = {name: value for name, value in response.getheaders() if name.lower() not in {"connection", "date"}}
    return Answer(response.status, body, kept)


def _basic(request: Request) -> str:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return base64.b64decode(value).decode() if kind.lower() == "basic" else ""


def _error(status: int, code: str, message: str, detail: object = None) -> Answer:
    error: dict[str, Any] = {"code": code, "message": message}
    return json_answer({"errors": [error | ({"detail": detail} if detail else {})]}, status)


def _unauthorized(detail: list[dict[str, str]]) -> Answer:
    message = "authentication required, visit https://aka.ms/acr/authorization for more information."
    return _error(401, "UNAUTHORIZED", message, detail)


@contextmanager
def container_registry(
    world: World, entra: Entra, program: Path, folder: Path, name: str = "acrvoting"
) -> Iterator[ContainerRegistry]:
    """A registry that answers in a world while the context lasts.

    Args:
        world: where.
        entra: the tenant whose tokens it takes.
        program: Debian's docker-registry.
        folder: for its storage.
        name: of the registry.
    """
    folder.mkdir(parents=True, exist_ok=True)
    identity = make(f"{name} tokens", spec="RSA-2048")
    (folder / "tokens.pem").write_bytes(pem(identity.certificate))
    port = registry_server.free_port()
    registry = ContainerRegistry(name, entra, port, identity)
    config = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", "relativeurls": True},
        "auth": {
            "token": {
                "realm": f"https://{registry.host}/oauth2/token",
                "service": registry.host,
                "issuer": ISSUER,
                "rootcertbundle": str(folder / "tokens.pem"),
            }
        },
    }
    (folder / "registry.json").write_text(json.dumps(config))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "registry.json"], stdout=log, stderr=log)
        try:
            _await(port, process, folder / "registry.log")
            entra.resources.add(AUDIENCE)
            world.answer_for(registry, registry.host)
            yield registry
        finally:
            process.terminate()
            process.wait(120)


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1200):
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
