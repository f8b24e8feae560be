"""What the signing tests need around the real notation: images, a time-stamp authority, a plugin, odd registries."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from s3c_lab import registry_server
from s3c_lab.certificates import TIME_STAMPING, Identity, make, make_authority, pem
from tests.support import ROOT, warm

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Ended:
    """How `s3c` ended; `result` is its result.json, empty when there is none."""

    code: int
    stdout: str
    stderr: str
    result: dict[str, Any]

    @property
    def image(self) -> dict[str, Any]:
        (only,) = self.result["images"]
        return dict(only)


def s3c(
    folder: Path,
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = 300,
) -> Ended:
    """Run the command as people do, in a process of its own; reports go into the folder."""
    output = folder / "s3c-out"
    result = output / "result.json"
    result.unlink(missing_ok=True)
    ended = warm.run(
        [*map(str, arguments), "--output-dir", str(output)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdin=stdin,
        timeout=timeout,
    )
    document = json.loads(result.read_text()) if result.exists() else {}
    return Ended(ended.returncode, ended.stdout, ended.stderr, document)


def send(method: str, url: str, body: bytes | None = None, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    # Without a type, urllib calls a body a form, and the registry reads it as one.
    typed = {"Content-Type": "application/octet-stream", **{k.replace("_", "-"): v for k, v in headers.items()}}
    request = urllib.request.Request(url, body, typed, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def push_image(registry: str, repository: str, tag: str, author: str = "") -> str:
    """Push an image without layers; returns `registry/repository@digest`."""
    base = f"http://{registry}"

    def blob(content: bytes) -> dict[str, object]:
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        _, headers, _ = send("POST", f"{base}/v2/{repository}/blobs/uploads/", b"")
        place = headers["Location"] if "://" in headers["Location"] else base + headers["Location"]
        status, _, _ = send("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", content)
        assert status == 201
        return {"digest": digest, "size": len(content)}

    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "author": author}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(json.dumps(config).encode())},
        "layers": [],
    }
    return put_manifest(registry, repository, tag, manifest)


def put_manifest(registry: str, repository: str, tag: str, manifest: Mapping[str, object]) -> str:
    body = json.dumps(manifest).encode()
    status, _, answer = send(
        "PUT", f"http://{registry}/v2/{repository}/manifests/{tag}", body, Content_Type=str(manifest["mediaType"])
    )
    assert status == 201, answer
    return f"{registry}/{repository}@sha256:{hashlib.sha256(body).hexdigest()}"


def signatures(reference: str) -> list[str]:
    """Digests of the signatures listed at a reference's referrers tag, from the registry itself."""
    name, _, digest = reference.partition("@")
    registry, _, repository = name.partition("/")
    tag = digest.replace(":", "-")
    status, _, body = send("GET", f"http://{registry}/v2/{repository}/manifests/{tag}", Accept=INDEX)
    if status == 404:
        return []
    assert status == 200
    return [manifest["digest"] for manifest in json.loads(body)["manifests"]]


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """`host:port` of an HTTP server on the loopback interface."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def own_registry(folder: Path, program: Path, more: str = "") -> Iterator[str]:
    """`localhost:PORT` of a registry of our own with storage in the folder; `more` goes into its configuration."""
    import time

    host = f"localhost:{registry_server.free_port()}"
    (folder / "config.yml").write_text(
        f"""version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}/storage}}, delete: {{enabled: true}}}}
http: {{addr: "{host.replace("localhost", "127.0.0.1")}"}}
{more}
"""
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        for _ in range(600):
            try:
                if send("GET", f"http://{host}/v2/")[0] in {200, 401}:
                    break
            except OSError:
                time.sleep(0.1)
        else:
            raise AssertionError((folder / "log").read_text())
        yield host
    finally:
        process.terminate()
        process.wait(120)


@contextmanager
def answering(code: int) -> Iterator[str]:
    """A registry that answers every request with this HTTP code."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            if code == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="lab"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as host:
        yield host


@dataclass(frozen=True)
class TimeStamps:
    url: str
    root: Path


@contextmanager
def time_stamp_authority(folder: Path) -> Iterator[TimeStamps]:
    """A real RFC 3161 authority: OpenSSL's, behind HTTP."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = make_authority("tsa root")
    signer = make("tsa", issuer=authority, spec="RSA-2048", extended=(TIME_STAMPING,), extended_critical=True)
    signer.write(folder, "tsa")
    root = folder / "tsa-root.crt"
    root.write_bytes(pem(authority.certificate))
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(
        f"""[tsa]
default_tsa = lab
[lab]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.crt
certs = {folder}/tsa-root.crt
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""
    )
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with lock:
                query, reply = folder / "query.tsq", folder / "reply.tsr"
                query.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
                subprocess.run(
                    ["openssl", "ts", "-reply", "-config", folder / "tsa.cnf", "-queryfile", query, "-out", reply],
                    check=True,
                    capture_output=True,
                )
                body = reply.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as host:
        yield TimeStamps(f"http://{host}/", root)


# A notation plugin by the contract of the Notary Project's plugin-extensibility.md, signing with PEM files whose folder
# is the key's id. An id that names no folder is the error a real plugin gives.
PLUGIN = """
import base64, json, pathlib, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

def fail(code, message):
    json.dump({"errorCode": code, "errorMessage": message}, sys.stderr)
    sys.exit(1)

request = json.loads(sys.stdin.read() or "{}")
command = sys.argv[1]
if command == "get-plugin-metadata":
    answer = {"name": "lab", "description": "signs with PEM files", "version": "1.0.0", "url": "https://example.com",
              "supportedContractVersions": ["1.0"], "capabilities": ["SIGNATURE_GENERATOR.RAW"]}
else:
    folder = pathlib.Path(request["keyId"])
    if not (folder / "plugin.key").exists():
        fail("VALIDATION_ERROR", "there is no key " + request["keyId"])
    if request.get("pluginConfig", {}).get("tenant") != "lab":
        fail("ACCESS_DENIED", "this tenant may not sign")
    if command == "describe-key":
        answer = {"keyId": request["keyId"], "keySpec": "RSA-2048"}
    else:
        key = serialization.load_pem_private_key((folder / "plugin.key").read_bytes(), None)
        chain = x509.load_pem_x509_certificates((folder / "plugin.crt").read_bytes())
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        signature = key.sign(base64.b64decode(request["payload"]), pss, hashes.SHA256())
        answer = {"keyId": request["keyId"], "signature": base64.b64encode(signature).decode(),
                  "signingAlgorithm": "RSASSA-PSS-SHA-256", "certificateChain": [
                      base64.b64encode(c.public_bytes(serialization.Encoding.DER)).decode() for c in chain]}
json.dump(answer, sys.stdout)
"""


def write_plugin(folder: Path, identity: Identity, source: str = PLUGIN) -> Path:
    """Write the plugin's executable, and its key and certificates beside it; the folder is the key's id."""
    folder.mkdir(parents=True, exist_ok=True)
    identity.write(folder, "plugin")
    executable = folder / "notation-lab"
    executable.write_text(f"#!{sys.executable}\n{source}")
    executable.chmod(0o755)
    return executable
