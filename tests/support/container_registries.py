"""Registries of the internet at their worst, in front of the lab's: GitHub's, and mirrors without a login.

- https://docs.github.com/packages/working-with-a-github-packages-registry/working-with-the-container-registry: a login
  is any name and a token; a push needs `packages: write`; a new package is private.
- https://distribution.github.io/distribution/spec/auth/token/: the challenge and the token.
- GitHub's answers themselves are those that its users quote: `DENIED: permission_denied: write_package`, 405 to DELETE,
  no referrers API.
"""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.support.azure.registry import forward
from tests.support.azure.web import Answer, Request, json_answer

_REPOSITORY = re.compile(r"/v2/(.+)/(?:manifests|blobs|tags|referrers)/.*")


@dataclass
class PackagesRegistry:
    """ghcr.io: tokens by scope, and what may be done with one.

    Attributes:
        port: of the registry behind it, on loopback.
        rights: token of a job → its permission on packages: `read` or `write`.
        public: repositories that everybody may read.
        pushed: the paths of what was put, in their order.
        given: every token given out.
    """

    port: int
    rights: dict[str, str] = field(default_factory=dict, repr=False)
    public: set[str] = field(default_factory=set)
    pushed: list[str] = field(default_factory=list)
    given: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict, repr=False)

    host = "ghcr.io"

    def __call__(self, request: Request) -> Answer:
        if request.path == "/token":
            return self._token(request)
        if not request.path.startswith("/v2/"):
            return Answer(404)
        path = _REPOSITORY.fullmatch(request.path)
        repository = path[1] if path else re.sub(r"/blobs/uploads/?.*", "", request.path.removeprefix("/v2/"))
        right, scopes = self.given.get(request.bearer, ("", frozenset()))
        reading = request.method in {"GET", "HEAD"}
        wanted = f"repository:{repository}:{'pull' if reading else 'push'}"
        if not request.bearer or (repository and wanted not in scopes):
            return self._challenge(repository, "pull" if reading else "pull,push")
        if request.method == "DELETE":
            return _error(405, "UNSUPPORTED", "The operation is unsupported.")
        if not reading and right != "write":
            return _error(403, "DENIED", "permission_denied: write_package")
        if repository and not right and repository not in self.public:
            return _error(401, "UNAUTHORIZED", "authentication required")
        if not reading:
            self.pushed.append(request.path)
        return forward(request, self.port)

    def _token(self, request: Request) -> Answer:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        password = base64.b64decode(value).decode().partition(":")[2] if kind.lower() == "basic" else ""
        texts = parse_qs(urlsplit(request.target).query).get("scope", [])
        if request.method == "POST":  # what Docker and BuildKit try first, which GitHub does not have
            return Answer(404, b"404 page not found\n")
        if password and password not in self.rights:
            return _error(403, "DENIED", "denied")
        scopes = set()
        for text in " ".join(texts).split():
            name, _, actions = text.rpartition(":")
            scopes |= {f"{name}:{action}" for action in actions.split(",")}
        token = secrets.token_urlsafe(24)
        self.given[token] = (self.rights.get(password, ""), frozenset(scopes))
        return json_answer({"token": token})

    def _challenge(self, repository: str, actions: str) -> Answer:
        scope = f"repository:{repository or 'user/image'}:{actions}"
        header = f'Bearer realm="https://{self.host}/token",service="{self.host}",scope="{scope}"'
        answer = _error(401, "UNAUTHORIZED", "authentication required")
        return Answer(answer.status, answer.body, {**answer.headers, "WWW-Authenticate": header})


@dataclass
class Mirror:
    """A registry that everybody reads from, and that has some repositories only.

    Attributes:
        port: of the registry behind it, on loopback.
        prefixes: of the repositories that it has.
        read: the paths that were asked for.
    """

    port: int
    prefixes: tuple[str, ...]
    read: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        self.read.append(request.path)
        if request.method not in {"GET", "HEAD"}:
            return _error(405, "UNSUPPORTED", "The operation is unsupported.")
        if request.path not in {"/v2", "/v2/"} and not request.path.startswith(
            tuple(f"/v2/{prefix}" for prefix in self.prefixes)
        ):
            return _error(404, "NAME_UNKNOWN", "repository name not known to registry")
        return forward(request, self.port)


def overloaded(_request: Request) -> Answer:
    """Docker Hub to a runner that shares its address with many."""
    return _error(429, "TOOMANYREQUESTS", "You have reached your unauthenticated pull rate limit.")


def _error(status: int, code: str, message: str) -> Answer:
    return json_answer({"errors": [{"code": code, "message": message}]}, status)
