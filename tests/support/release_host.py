"""A release host on this machine, which serves files of known checksums and fails in every way a host can."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Host:
    """Path → body, or a status, or a body that breaks off or hangs; with `ranges`, parts of a body."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    status: int = 200
    cut: bool = False
    hang: threading.Event | None = None
    reached: threading.Event = field(default_factory=threading.Event)
    ranges: bool = False
    asked: list[str] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)


@contextmanager
def release_host() -> Iterator[Host]:
    """A host on loopback, stopped at the end."""
    state = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.path)
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/moved"))
                self.end_headers()
                return
            body = state.files.get(self.path)
            status = 404 if body is None and state.status == 200 else state.status
            state.wanted.append(self.headers.get("Range", ""))
            if body is not None and state.ranges and state.wanted[-1]:
                start, size = int(state.wanted[-1].removeprefix("bytes=").removesuffix("-")), len(body)
                status, body = (206, body[start:]) if start < size else (416, b"")
                self.send_response(status)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}" if body else f"bytes */{size}")
            else:
                self.send_response(status)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            half = (body or b"")[: len(body or b"") // 2]
            if state.hang is not None:
                self.wfile.write(half)
                self.wfile.flush()
                state.reached.set()
                state.hang.wait(30)
            elif state.cut:
                self.wfile.write(half)
            else:
                self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    if state.hang is not None:
        state.hang.set()
    server.shutdown()
    server.server_close()


def script(says: str) -> bytes:
    """A program that prints a line."""
    return f"#!/bin/sh\necho '{says}'\n".encode()


def archive(program: bytes, member: str = "trivy") -> bytes:
    """A .tar.gz with a program and another file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, content in (("LICENSE", b"text"), (member, program)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    """The SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
