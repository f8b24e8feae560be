"""A stand-in for GitHub: stateful, and held call by call to GitHub's own description.

It stands where GitHub's own services do, for PyGithub and for actions under act (GITHUB_API_URL, GITHUB_SERVER_URL).
What is not as described is answered 500, noted in `violations`, and fails the test that uses the fixture.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.github import routes
from tests.support.github.contract import Description, Violation, description, graphql_schema
from tests.support.github.state import State, Token


@dataclass
class Call:
    """One call that was made; `status` is what it was answered with."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    token: str
    body: Any
    status: int = 0


@dataclass
class Fault:
    """An answer put in the way of calls whose `METHOD path` the pattern is found in, so often."""

    pattern: str
    status: int
    times: int
    body: Any
    headers: Mapping[str, str]
    after: bool
    delay: float


class Answered(Exception):
    """Ends a call with a status, a JSON body and headers."""

    def __init__(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers or {})


@dataclass
class GitHub:
    """The stand-in.

    Attributes:
        url: of the server (`GITHUB_SERVER_URL`).
        prefix: where the API is below it: nothing, or `/api/v3` as on GitHub Enterprise Server.
        limit: calls that are left of the primary rate limit; `reset` is when there are more, in seconds of the epoch.
        calls: every call of the API, in order.
    """

    described: Description
    prefix: str = ""
    url: str = ""
    state: State = field(default_factory=State)
    limit: int = 5000
    reset: int = 0
    calls: list[Call] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def api(self) -> str:
        """The API's address (`GITHUB_API_URL`)."""
        return self.url + self.prefix

    def variables(self, token: str = "run-token") -> dict[str, str]:
        """The environment of a command that works on this repository with a token."""
        return {
            "GITHUB_API_URL": self.api,
            "GITHUB_SERVER_URL": self.url,
            "GITHUB_REPOSITORY": self.state.repository,
            "GITHUB_TOKEN": token,
        }

    def fail(
        self,
        pattern: str,
        status: int = 502,
        *,
        times: int = 1,
        message: str = "Server Error",
        headers: Mapping[str, str] | None = None,
        after: bool = False,
        delay: float = 0.0,
    ) -> None:
        """Put a fault in the way of calls.

        Args:
            pattern: searched for in `METHOD /path`.
            status: of the answer.
            times: how often.
            message: in the answer's body.
            headers: of the answer.
            after: the call is carried out all the same, and only its answer is lost.
            delay: seconds before the answer; longer than the client waits makes a time-out.
        """
        self.faults.append(Fault(pattern, status, times, {"message": message}, dict(headers or {}), after, delay))

    def call_lines(self, pattern: str = "") -> list[str]:
        """The calls made, as `METHOD /path → status`, that the pattern is found in."""
        lines = [f"{call.method} {call.path} → {call.status}" for call in self.calls]
        return [line for line in lines if re.search(pattern, line)]

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> Answered:
        """What one call is answered with."""
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        if parts.path.startswith("/_blobs/"):
            # Where archives lie is no part of the API: signed addresses that no token must be sent to.
            return routes.blob(self.state, parts.path, sent=headers.get("Authorization"))
        path = parts.path.removeprefix(self.prefix)
        call = Call(method, path, query, _token(headers), None)
        with self.state.lock:
            self.calls.append(call)
        try:
            self._limited(call)
            fault = self._fault(call)
            if fault is not None and not fault.after:
                raise Answered(fault.status, fault.body, fault.headers)
            answered = self._handled(call, parts.path, headers, body)
            if fault is not None:
                answered = Answered(fault.status, fault.body, fault.headers)
        except Answered as raised:
            answered = raised
        except Violation as violation:
            self.violations.append(str(violation))
            answered = Answered(500, {"message": f"not as GitHub describes it: {violation}"})
        call.status = answered.status
        answered.headers.setdefault("X-RateLimit-Remaining", str(self.limit))
        answered.headers.setdefault("X-RateLimit-Reset", str(self.reset or int(time.time()) + 3600))
        return answered

    def _handled(self, call: Call, full: str, headers: Message, body: bytes) -> Answered:
        if full in {"/graphql", "/api/graphql"}:
            token = self._authorized(call)
            content = json.loads(body)
            call.body = content
            root = routes.graphql(self, token)
            return Answered(200, graphql_schema().answer(content["query"], content.get("variables") or {}, root))
        operation = self.described.operation(call.method, call.path)
        call.body = self.described.check_request(operation, call.query, body)
        try:
            token = self._authorized(call)
            handler = routes.ROUTES.get((operation.method, operation.template))
            if handler is None:
                raise Violation(f"{call.method} {operation.template} is described, and the stand-in does not know it.")
            with self.state.lock:
                content = handler(routes.Request(self, token, operation.path, call.query, call.body))
            answered = content if isinstance(content, Answered) else Answered(200, content)
        except Answered as raised:
            answered = raised
        self.described.check_response(operation, answered.status, answered.body)
        if call.method == "GET" and answered.status == 200:
            tag = f'"{hashlib.sha256(json.dumps(answered.body).encode()).hexdigest()[:32]}"'
            if headers.get("If-None-Match") == tag:
                self.limit += 1
                return Answered(304, headers={"ETag": tag})
            answered.headers["ETag"] = tag
        return answered

    def _authorized(self, call: Call) -> Token:
        token = self.state.tokens.get(call.token)
        if token is None or token.revoked:
            raise Answered(401, {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"})
        return token

    def _limited(self, call: Call) -> None:
        if self.limit <= 0:
            raise Answered(
                403, {"message": "API rate limit exceeded for installation ID 1."}, {"X-RateLimit-Remaining": "0"}
            )
        if call.path != "/rate_limit":
            self.limit -= 1

    def _fault(self, call: Call) -> Fault | None:
        with self.state.lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.pattern, f"{call.method} {call.path}"):
                    fault.times -= 1
                    break
            else:
                return None
        time.sleep(fault.delay)
        return fault


def _token(headers: Message) -> str:
    return (headers.get("Authorization") or "").partition(" ")[2]


@contextmanager
def serving(name: str = "api.github.com", prefix: str = "") -> Iterator[GitHub]:
    """The stand-in on a port of its own.

    Args:
        name: of the description it is held to.
        prefix: `/api/v3` for GitHub Enterprise Server.
    """
    github = GitHub(description(name), prefix)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are sent apart: the second would wait 40 ms

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answered = github.answer(self.command, self.path, self.headers, body)
            raw = isinstance(answered.body, bytes)
            data = answered.body if raw else b"" if answered.body is None else json.dumps(answered.body).encode()
            self.send_response(answered.status)
            for key, value in answered.headers.items():
                self.send_header(key, value)
            if answered.status not in {204, 304}:
                self.send_header("Content-Type", "application/zip" if raw else "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if answered.status not in {204, 304}:
                self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that did not wait
                github.violations.append(traceback.format_exc())

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    github.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield github
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
