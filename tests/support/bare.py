"""A machine on which nothing answers and no program starts, and a folder with the files that command lines name."""

import io
import json
import socket
import subprocess
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests  # noqa: F401 - urllib3 tries, when it is imported, whether a port can be opened

from s3c_actions.cli import run
from s3c_actions.core.records import Records, file_sha256
from s3c_actions.core.secrets import Secrets
from s3c_actions.fleet import plan
from s3c_actions.fleet.plan import Plan, PlannedImage
from s3c_actions.programs.install import locate
from s3c_actions.programs.install.pins import BUILDKITD, COPA, HELM, NOTATION, TRIVY, Platform
from s3c_actions.result import document
from s3c_lab.certificates import Identity
from tests.support import ROOT, samples

IMAGE = "registry.example/voting-app:1.0"
PINNED = f"registry.example/voting-app@{samples.DIGEST}"
KEY = ("--key", "signing.key", "--certificate", "signing.crt")
POD = "{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: app, image: %s}]}}"
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test}}]
clusters: [{name: test, cluster: {server: "http://cluster.example:8080"}}]
users: [{name: test, user: {token: abcdef}}]
"""
POLICY = """\
version: 1
signers: [{name: release, certificate: signing.crt}]
"""
GRANTING = """\
version: 1
signers: [{name: release, certificate: signing.crt, may: [sign, grant-exceptions]}]
"""
SARIF_RUN = {"tool": {"driver": {"name": "s3c"}}, "results": []}
GITHUB = {"GITHUB_TOKEN": "abcdef", "GITHUB_REPOSITORY": "octo/shop", "GITHUB_API_URL": "https://api.github.com"}


def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every connection is refused, every name leads nowhere, and no program is there."""

    def nobody(*_arguments: Any, **_named: Any) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    def nothing(*_arguments: Any, **_named: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(socket.socket, "connect", nobody)
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_a, **_n: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 9))]
    )
    monkeypatch.setattr(subprocess, "Popen", nothing)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(locate, "_UNREACHABLE", {})


PLAN = Plan(
    created="2026-11-29T12:00:00Z",
    fleet="0" * 64,
    shards=2,
    images=(
        PlannedImage(
            image=f"{IMAGE}@{samples.DIGEST}", names=(IMAGE,), seconds=60.0, reason="no report is beside it", shard=1
        ),
    ),
)


def furnish(folder: Path, identity: Identity) -> None:
    """Put the files there that command lines name: key, certificate, manifest, kubeconfig, policy, reports."""
    identity.write(folder, "signing")
    for name, text in {
        "app.yaml": POD % IMAGE,
        "kubeconfig": KUBECONFIG,
        "policy.yaml": POLICY,
        "granting.yaml": GRANTING,
        "fleet.yaml": f"version: 1\nimages: [{{image: {IMAGE}}}]\n",
        "plan.json": plan.render(PLAN).decode(),
        "report.sarif": json.dumps({"version": "2.1.0", "runs": [SARIF_RUN]}),
        "result.json": _result(),
    }.items():
        (folder / name).write_text(text)
    trivy = next((ROOT / "tests" / "data" / "trivy").glob("*.json"))
    (folder / "trivy.json").write_bytes(trivy.read_bytes())


@cache
def _result() -> str:
    return document.render_document(
        document.build_document(samples.outcome(samples.chained()), datetime.now(UTC), Secrets())
    )


def install_programs(folder: Path) -> None:
    """Put the programs where the cache keeps them, and record them, so that they are found; they do not start."""
    records = Records.of({})
    for pin in (TRIVY, COPA, NOTATION, BUILDKITD, HELM):
        home = folder / "cache" / "programs" / pin.name / f"{pin.version}-{Platform.here()}-{pin.key()}"
        home.mkdir(parents=True)
        (home / pin.name).write_text("#!/bin/false\n")
        (home / pin.name).chmod(0o755)
        digest = file_sha256(home / pin.name)
        (home / "origin.json").write_text(json.dumps({"sha256": digest}))
        records.add(f"programs/{pin.name}/{home.name}", digest, "release")


def ended(
    argv: tuple[str, ...], folder: Path, errors: io.StringIO | None = None, /, **environment: str
) -> tuple[int, str]:
    """How a command line ends there: its exit code, and everything it said, or without what went to `errors`."""
    output = io.StringIO()
    around = {
        "HOME": str(folder),
        "PATH": "",
        "S3C_CACHE": str(folder / "cache"),
        "KUBECONFIG": str(folder / "kubeconfig"),
        **GITHUB,
        **environment,
    }
    return run.run(argv[0], argv[1:], around, output, output if errors is None else errors), output.getvalue()
