"""Registries other than the lab's: crane's, which has the Referrers API, and a proxy that makes any one's tags immutable."""

from __future__ import annotations

import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import Pin
from s3c_lab import registry_server
from s3c_lab.machine import Machine

CRANE = Pin(
    name="crane",
    version="0.21.7",
    module="github.com/google/go-containerregistry",
    package="github.com/google/go-containerregistry/cmd/crane",
    licence="Apache-2.0",
    modules=Path(__file__).parent / "modules",
)
_ENDED = (
    b'{"errors":[{"code":"TAG_INVALID","message":"the tag exists, and cannot be overwritten: tags are immutable"}]}'
)


@contextmanager
def crane(machine: Machine) -> Iterator[str]:
    """The address of `crane registry serve`, in memory."""
    program = locate(CRANE, cache=machine.cache, runner=machine.runner, progress=machine.progress).path
    port = registry_server.free_port()
    argv = [str(program), "registry", "serve", "--address", f"127.0.0.1:{port}"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 30
            while not registry_server.answers(port):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            yield f"localhost:{port}"
        finally:
            process.terminate()


@contextmanager
def immutable(registry: str) -> Iterator[str]:
    """The address of a registry whose tags stay what they are: the given one, behind a proxy that refuses to move any.

    It answers as Amazon's registry does: 400 and TAG_INVALID.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            _, _, name = self.path.partition("/manifests/")
            if self.command == "PUT" and name and ":" not in name and self.is_moved(body):
                return self.answer(400, _ENDED, {"Content-Type": "application/json"})
            # The Host stays ours: so do the addresses that the registry gives for uploads.
            headers = {key: value for key, value in self.headers.items() if key.lower() not in {"content-length"}}
            request = urllib.request.Request(
                f"http://{registry}{self.path}", body or None, headers, method=self.command
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    return self.answer(response.status, response.read(), dict(response.headers))
            except urllib.error.HTTPError as error:
                return self.answer(error.code, error.read(), dict(error.headers))

        def is_moved(self, body: bytes) -> bool:
            accept = {"Accept": self.headers.get("Content-Type", "*/*")}
            try:
                request = urllib.request.Request(f"http://{registry}{self.path}", headers=accept)
                with urllib.request.urlopen(request, timeout=60) as response:
                    return bool(response.read() != body)
            except urllib.error.HTTPError:
                return False

        def answer(self, code: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(code)
            for key, value in headers.items():
                if key.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                    self.send_header(key, value)
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
