"""Wrong input is reported before any program is installed: with an empty cache and a mirror that notes each request."""

import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from s3c_actions.cli.console import LogProgress
from s3c_actions.cli.run import cache_path
from s3c_actions.core.process import Runner
from s3c_lab import docker_engine
from s3c_lab.certificates import make
from s3c_lab.machine import Machine, with_system_path
from tests.support import ROOT, bare
from tests.support.oci import Repository, layer
from tests.support.other_registries import DEBIAN, real_registries

DIGEST = f"sha256:{'0' * 64}"
SIGNER = ("--key", "signing.key", "--certificate", "signing.crt")
DOWN = "localhost:1/app:1"

ABSENT = ("scan", "absent-from-docker:1", "--image-source", "docker")

# Command line, exit code, and the message. {registry} has the image app:1.4.0.
CASES = [
    (("scan", "help"), 2, "`s3c help scan`"),
    (("scan", "help:1"), 3, "help"),
    (("scan", "{registry}/app:1.4"), 2, "tags there: 1.4.0"),
    (("scan", "{registry}/nothing:1"), 2, "does not exist"),
    (("scan", f"{{registry}}/app@{DIGEST}"), 2, "does not exist"),
    (("scan", DOWN), 3, "localhost:1"),
    (("scan", "--input", "missing.tar"), 2, "'missing.tar' does not exist"),
    (("scan", "{registry}/app:1.4.0", "--policy", "missing.yaml"), 2, "missing.yaml' does not exist"),
    (("scan", "{registry}/app:1.4.0", "--ignore-files", "missing"), 2, "missing' does not exist"),
    (("scan", "{registry}/app:1.4.0", "--baseline", "missing.json"), 2, "missing.json"),
    (("scan", "{registry}/app:1.4.0", "--dockerfile", "missing"), 2, "missing"),
    (("scan", "{registry}/app:1.4.0", "--trivy-path", "missing"), 2, "missing"),
    (("scan", "{registry}/app:1.4.0", "--trivy-version", "0.1.0"), 2, "no pinned checksum"),
    (ABSENT, 2, "is not in the local Docker"),
    (("report", "missing.json"), 2, "missing.json"),
    (("patch", "{registry}/app:1.4"), 2, "tags there: 1.4.0"),
    (("patch", "{registry}/app:1.4.0", "--report", "missing.json"), 2, "missing.json"),
    (("patch", "{registry}/app:1.4.0", "--copa-path", "missing"), 2, "missing"),
    (("patch", "{registry}/app:1.4.0", "--trust-store", "missing.crt"), 2, "missing.crt"),
    (("chain", "{registry}/app:1.4", *SIGNER), 2, "tags there: 1.4.0"),
    (("chain", "{registry}/app:1.4.0", "--key", "missing.key", "--certificate", "signing.crt"), 2, "missing.key"),
    (("chain", DOWN, *SIGNER), 3, "localhost:1"),
    (("chain", "{registry}/app:1.4.0", *SIGNER, "--deploy", "--manifests", "missing"), 2, "missing"),
    (("sign", "{registry}/app:1.4", *SIGNER), 2, "tags there: 1.4.0"),
    (("sign", f"{{registry}}/app@{DIGEST}", *SIGNER), 2, "does not exist"),
    (("sign", DOWN, "--certificate", "signing.crt"), 2, "S3C_KEY_PEM"),
    (("sign", DOWN, *SIGNER), 3, "localhost:1"),
    (("sign", "{registry}/app:1.4.0", *SIGNER, "--attach", "true", "--results", "missing"), 2, "missing"),
    (("attach", "{registry}/app:1.4", *SIGNER), 2, "tags there: 1.4.0"),
    (("attach", "{registry}/app:1.4.0", "--key", "missing.key", "--certificate", "signing.crt"), 2, "missing.key"),
    (("verify", "{registry}/app:1.4", "--trust-store", "signing.crt"), 2, "tags there: 1.4.0"),
    (("verify", f"{{registry}}/app@{DIGEST}", "--trust-store", "signing.crt"), 2, "does not exist"),
    (("verify", "{registry}/app:1.4.0", "--trust-store", "missing.crt"), 2, "missing.crt"),
    (("verify", DOWN, "--trust-store", "signing.crt"), 3, "localhost:1"),
    (("trust", "list-signed", "--image", DOWN, "--certificate", "signing.crt"), 3, "localhost:1"),
    (("trace", "{registry}/app:1.4"), 2, "tags there: 1.4.0"),
    (("trace", "{registry}/app:1.4.0", "--trust-store", "missing.crt"), 2, "missing.crt"),
    (("trace", "{registry}/app:1.4.0", "--kubeconfig", "missing"), 2, "missing is not a file"),
    (("deploy", "missing.yaml", "--trust-store", "signing.crt"), 2, "missing.yaml"),
    (("deploy", "app.yaml", "--trust-store", "signing.crt", "--kubeconfig", "missing"), 2, "missing is not a file"),
    (("deploy", "app.yaml", "--trust-store", "signing.crt", "--kubeconfig", "kubeconfig"), 2, "tags there: 1.4.0"),
    (("policy", "check", "{registry}/app:1.4", "--policy", "policy.yaml"), 2, "tags there: 1.4.0"),
    (("policy", "check", "{registry}/app:1.4.0", "--policy", "missing.yaml"), 2, "missing.yaml"),
    (("gate", "check", "--image", "{registry}/app:1.4.0", "--kubeconfig", "missing"), 2, "missing is not a file"),
    (("gate", "install", "--trust-store", "missing.crt", "--kubeconfig", "kubeconfig"), 2, "missing.crt"),
    (("gate", "install", "--trust-store", "signing.crt", "--kubeconfig", "missing"), 2, "missing is not a file"),
    (("refresh", "{registry}/app:1.4"), 2, "tags there: 1.4.0"),
    (("refresh", "--namespaces", "shop", "--kubeconfig", "missing"), 2, "missing is not a file"),
    (("mirror", "{registry}/app:1.4", "{registry}/copy"), 2, "tags there: 1.4.0"),
    (("propose", "missing.yaml", "--image", f"{{registry}}/app@{DIGEST}"), 2, "missing.yaml"),
    (("comment", "missing.json"), 2, "missing.json"),
    (("upload", "missing.sarif"), 2, "missing.sarif"),
]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with real_registries(tmp_path_factory.mktemp("registry")) as real:
        Repository(real[DEBIAN], "app").image([layer({"etc/os-release": b"ID=debian\nVERSION_ID=12\n"})], "1.4.0")
        yield real[DEBIAN]


@contextmanager
def mirror():
    """A mirror of releases that has nothing, and the requests that reached it."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", paths
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("argv", "code", "message"), CASES, ids=[" ".join(argv) for argv, _, _ in CASES])
def test_nothing_is_installed_for_what_is_wrong(argv, code, message, registry, tmp_path):
    if argv == ABSENT:
        environment = with_system_path(dict(os.environ))
        runner = Runner(environment=environment)
        docker_engine.ensure(Machine(runner=runner, progress=LogProgress(sys.stderr), cache=cache_path(environment)))
    bare.furnish(tmp_path, make("signer"))
    (tmp_path / "app.yaml").write_text(bare.POD % f"{registry}/app:1.4")
    with mirror() as (address, paths):
        around = {
            "PATH": str(tmp_path / "programs"),
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "S3C_CACHE": str(tmp_path / "cache"),
            "S3C_STATE": str(tmp_path / "state"),
            "S3C_PROGRAMS_MIRROR": address,
            "REQUESTS_CA_BUNDLE": os.environ.get("REQUESTS_CA_BUNDLE", ""),
            "HTTPS_PROXY": "http://127.0.0.1:1",
            "NO_PROXY": "localhost,127.0.0.1",
            "GITHUB_TOKEN": "abcdef",
            "GITHUB_REPOSITORY": "octo/shop",
        }
        if argv[:2] == ("sign", DOWN) and "--key" not in argv:
            around["S3C_KEY_PEM"] = "garbage"
        ended = subprocess.run(
            [sys.executable, "-m", "s3c_actions", *(word.format(registry=registry) for word in argv)],
            cwd=tmp_path,
            env=around,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert (ended.returncode, message in ended.stderr) == (code, True), ended.stderr
    assert not paths
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not (tmp_path / "cache" / "programs").exists()
    assert shutil.which("trivy", path=around["PATH"]) is None
