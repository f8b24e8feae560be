"""Registries other than the lab's: one with the Referrers API, and proxies that behave as services do.

Each proxy stands in front of a real registry and adds what a service does at its worst, by its documents, its source or
its users' reports, which docs/registries.md names.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import Pin
from s3c_lab import registry_server
from s3c_lab.machine import Machine
from tests.support.debian_registry import debian_registry, this_machine

REFERRERS_REGISTRY = Pin(
    name="referrers-registry",
    version="0.21.7",
    module="github.com/google/go-containerregistry",
    package=".",
    licence="Apache-2.0",
    modules=Path(__file__).parent / "modules",
)
_NOT_PASSED_ON = {"content-length", "transfer-encoding", "connection", "date", "server"}

Answer = tuple[int, bytes, Mapping[str, str]]


@contextmanager
def referrers_registry(machine: Machine) -> Iterator[str]:
    """The address of go-containerregistry's registry with the Referrers API, in memory."""
    program = locate(REFERRERS_REGISTRY, cache=machine.cache, runner=machine.runner, progress=machine.progress).path
    port = registry_server.free_port()
    argv = [str(program), "--address", f"127.0.0.1:{port}"]
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


DEBIAN = "Debian's docker-registry 2.8.2"
SERVED = f"go-containerregistry's {REFERRERS_REGISTRY.version}"


@contextmanager
def real_registries(folder: Path) -> Iterator[dict[str, str]]:
    """Debian's registry, and one with a Referrers API: name → address. `folder` is a new one."""
    with debian_registry(folder) as debian, referrers_registry(this_machine()) as served:
        yield {DEBIAN: debian, SERVED: served}


def error(status: int, code: str, message: str) -> Answer:
    """An answer in the specification's format of errors."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return status, body, {"Content-Type": "application/json"}


class Proxy(BaseHTTPRequestHandler):
    """Passes everything on; services override `intercept` and `path_there`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    registry: ClassVar[str]
    announces: ClassVar[bool] = False
    """Whether the answer to a manifest with a subject has `OCI-Subject`."""

    def intercept(self, body: bytes) -> Answer | None:
        """The service's own answer; None passes the request on."""
        return None

    def path_there(self) -> str:
        """The path of the request at the registry behind."""
        return self.path

    def tag_of(self, method: str) -> str:
        """The tag of a request for a manifest by tag, empty for every other."""
        _, _, name = self.path.partition("/manifests/")
        return name if self.command == method and ":" not in name else ""

    def ask(self, path: str, method: str = "GET", body: bytes = b"", accept: str = "") -> Answer:
        # The Host stays ours: so do the addresses that the registry gives for uploads.
        headers = {key: value for key, value in self.headers.items() if key.lower() != "content-length"}
        headers |= {"Accept": accept} if accept else {}
        request = urllib.request.Request(f"http://{self.registry}{path}", body or None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read(), dict(response.headers)
        except urllib.error.HTTPError as failed:
            return failed.code, failed.read(), dict(failed.headers)

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, content, headers = self.intercept(body) or self.ask(self.path_there(), self.command, body)
        if self.announces and self.command == "PUT" and "/manifests/" in self.path and status < 300:
            subject = json.loads(body).get("subject")
            headers = {**headers, "OCI-Subject": subject["digest"]} if subject else headers
        self.send_response(status)
        for key, value in headers.items():
            if key.lower() not in _NOT_PASSED_ON:
                self.send_header(key, value)
        head = self.command == "HEAD"
        self.send_header("Content-Length", headers.get("Content-Length", "0") if head else str(len(content)))
        self.end_headers()
        if not head:
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Immutable(Proxy):
    """A tag that exists stays what it is, also against the same content, as Amazon's registry has it."""

    def refusal(self, name: str, tag: str) -> Answer:
        message = f"The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten "
        return error(400, "TAG_INVALID", message + "because the tag is immutable.")

    def intercept(self, body: bytes) -> Answer | None:
        tag = self.tag_of("PUT")
        if not tag or self.ask(self.path, accept=self.headers.get("Content-Type", "*/*"))[0] != 200:
            return None
        return self.refusal(self.path.removeprefix("/v2/").partition("/manifests/")[0], tag)


class Amazon(Immutable):
    announces = True


class Harbor(Immutable):
    announces = True

    def refusal(self, name: str, tag: str) -> Answer:
        message = f"Failed to process request due to '{name.rpartition('/')[2]}:{tag}' configured as immutable."
        return error(412, "PRECONDITION", message)


class Quay(Immutable):
    """It has the Referrers API, and does not announce it when a manifest is pushed."""

    def refusal(self, name: str, tag: str) -> Answer:
        return error(409, "TAG_ALREADY_EXISTS", "tag was already pushed")


class Azure(Immutable):
    """Every tag is locked as soon as it is there."""

    announces = True

    def refusal(self, name: str, tag: str) -> Answer:
        message = "The operation is disallowed on this registry, repository or image. View troubleshooting steps at "
        return error(405, "REGISTRY_DISALLOWED_OPERATION", message + "https://aka.ms/acr/faq/")


class GitHub(Proxy):
    """No Referrers API: a redirect to web pages of another host. Nothing is deleted by the registry's own API."""

    def intercept(self, body: bytes) -> Answer | None:
        if "/referrers/" in self.path:
            # The pages are the same server, under its other name.
            port = str(self.headers.get("Host")).rpartition(":")[2]
            return 303, b"", {"Location": f"http://127.0.0.1:{port}/-/v2/packages"}
        if self.path.startswith("/-/"):
            return 404, b"<html>a page</html>", {"Content-Type": "text/html"}
        if self.command == "DELETE" and "/manifests/" in self.path:
            return error(405, "UNSUPPORTED", "The operation is unsupported.")
        return None


class GitLab(Proxy):
    """No Referrers API; the referrers tag is taken for the digest; only known types of artifacts are stored."""

    def path_there(self) -> str:
        return re.sub(r"/manifests/sha256-([0-9a-f]{64})$", r"/manifests/sha256:\1", self.path)

    def intercept(self, body: bytes) -> Answer | None:
        if self.command != "PUT" or "/manifests/" not in self.path:
            return None
        if self.path_there() != self.path:
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        kind = json.loads(body).get("artifactType", "")
        if kind.startswith("application/") and not kind.startswith("application/vnd.cncf.notary"):
            return error(400, "MANIFEST_INVALID", f"manifest invalid: unknown media type: {kind}")
        return None


class Guarded(Proxy):
    """It asks for a login by name and password, and takes ann's."""

    login: ClassVar[str] = base64.b64encode(b"ann:s3cret-word").decode()

    def intercept(self, body: bytes) -> Answer | None:
        if self.headers.get("Authorization") == f"Basic {self.login}":
            return None
        return 401, b"{}", {"WWW-Authenticate": 'Basic realm="x"'}


@contextmanager
def behaving(service: type[Proxy], registry: str) -> Iterator[str]:
    """The address of a registry behind a service's behaviour."""
    handler = type(service.__name__, (service,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
