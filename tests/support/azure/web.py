"""What a stand-in is made of: a request comes in, an answer goes out, and every request is kept."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """`host` is the name that was asked, without a port; `target` the path with the query as it was sent.

    `headers` have lower-case names.
    """

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    target: str = ""

    def form(self) -> dict[str, str]:
        """The fields of an `application/x-www-form-urlencoded` body."""
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def bearer(self) -> str:
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind.lower() == "bearer" else ""


@dataclass(frozen=True)
class Answer:
    """`broken`: the connection ends before the answer begins (0), or after so many bytes of its body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    broken: int | None = None


def json_answer(document: Any, status: int = 200, **headers: str) -> Answer:
    """A document as JSON; underscores in the names of headers are dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json; charset=utf-8", **named})


def throttled(**headers: str) -> Answer:
    """An answer of a service that has too many requests."""
    return json_answer({"error": {"code": "Throttled", "message": "Too many requests."}}, 429, **headers)


Application = Callable[[Request], Answer]


@dataclass
class Sites:
    """Who answers for which host; `requests` are all that came, in their order.

    A host is a whole name, or `*.suffix` for all names below it.
    """

    applications: dict[str, Application] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        application = self.applications.get(request.host)
        application = application or self.applications.get("*." + request.host.partition(".")[2])
        if application is None:
            return json_answer({"error": f"nobody answers for {request.host}"}, 421)
        return application(request)

    def asked(self, host: str) -> list[Request]:
        """The requests to a host, or to `*.suffix`."""
        suffix = host.removeprefix("*")
        return [
            request
            for request in self.requests
            if request.host == host or (suffix != host and request.host.endswith(suffix))
        ]


def _handler(sites: Sites) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are sent apart: the second would wait 40 ms

        def _any(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(
                method=self.command,
                host=(self.headers.get("Host") or "").partition(":")[0].lower(),
                path=parts.path,
                query={name: values[0] for name, values in parse_qs(parts.query).items()},
                # Docker sends a line for each type that it accepts, in any order.
                headers={name.lower(): ", ".join(self.headers.get_all(name, ())) for name in self.headers},
                body=self._chunked() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length),
                target=self.path,
            )
            answer = sites.answer(request)
            if answer.broken is not None:
                self.close_connection = True
            if answer.broken == 0:
                return
            self.send_response_only(answer.status)
            if "Date" not in answer.headers:
                self.send_header("Date", self.date_time_string())
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: answer.broken])

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

        def _chunked(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    """On a socket that listens already, by TLS when there is a context."""

    def __init__(self, listening: socket.socket, sites: Sites, tls: ssl.SSLContext | None) -> None:
        super().__init__(("", 0), _handler(sites), bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_address = listening.getsockname()
        self._tls = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is not None:
            request.settimeout(60)
            try:
                request = self._tls.wrap_socket(request, server_side=True)
            except OSError:  # a client that does not trust us says so itself
                return
        with suppress(OSError):
            super().finish_request(request, client_address)


@contextmanager
def serving(listening: socket.socket, sites: Sites, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """Answer on a listening socket while the context lasts."""
    server = _Server(listening, sites, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
