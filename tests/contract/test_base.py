"""Bases with the real Trivy, notation, BuildKit and a registry: whose findings count, and which tag has fewer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.cli.console import LogProgress
from s3c_actions.cli.run import cache_path
from s3c_actions.core.process import Runner
from s3c_actions.programs.install.pins import BUILDKITD, NOTATION
from s3c_actions.registry.base_images import DIGEST, NAME
from s3c_lab import daemons, registry_server
from s3c_lab.certificates import make
from s3c_lab.machine import Machine, with_system_path
from s3c_lab.programs import BUILDCTL
from tests.support import scanning
from tests.support.oci import Repository, layer
from tests.support.signing import Ended, s3c

OLD = scanning.debian()
NEW = {**OLD, "var/lib/dpkg/status": OLD["var/lib/dpkg/status"].replace(b"3.0.11-1~deb12u2", b"3.0.13-1~deb12u1")}
DEAD = scanning.debian("8")
OWN = {"app/": b"", "app/key.env": scanning.planted()["app/key.env"]}


class World:
    """A registry with a base whose tag has moved on, images built on it, and a vulnerability database."""

    def __init__(self, registry: str, folder: Path) -> None:
        self.registry, self.folder = registry, folder
        self.cache = scanning.database(folder)
        base = Repository(registry, "base/debian")
        self.old = base.image([layer(OLD)], "12-slim")["digest"]
        base.image([layer(NEW)], "12-slim")
        base.image([layer(NEW)], "12.1-slim")
        base.image([layer(DEAD)], "13-slim")
        base.image([layer({"etc/x": b""})], "14-slim")
        base.image([layer(NEW)], "15")
        self.name = f"{registry}/base/debian"

    def image(self, name: str, *layers: dict[str, bytes], **annotations: str) -> str:
        """Push an image with annotations of its manifest; returns its reference."""
        repository = Repository(self.registry, name)
        repository.image([layer(files) for files in layers], "1")
        manifest = {**repository.get("1"), "annotations": annotations}
        repository.put_manifest(manifest, "1")
        return f"{self.registry}/{name}:1"

    def annotated(self) -> str:
        return self.image("app", OLD, OWN, **{NAME: f"{self.name}:12-slim", DIGEST: self.old})

    def run(self, command: str, *arguments: str | Path, folder: Path | None = None) -> Ended:
        return s3c(folder or self.folder, command, *arguments, "--offline", "--trivy-cache-dir", self.cache)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    environment = with_system_path(dict(os.environ))
    machine = Machine(runner=Runner(environment), progress=LogProgress(sys.stderr), cache=cache_path(environment))
    folder, port = tmp_path_factory.mktemp("registry"), registry_server.free_port()
    registry_server.start(folder, port, machine)
    yield World(f"localhost:{port}", tmp_path_factory.mktemp("world"))
    daemons.stop(folder / "registry.pid", machine)


def base_image(ended: Ended) -> dict[str, Any]:
    assert ended.result, ended.stderr
    return dict(ended.image["base_image"])


def test_findings_are_counted_apart_and_the_gate_counts_its_own(world: World) -> None:
    image = world.annotated()
    everything = world.run("scan", image, "--fail-on", "LOW", "--base-image", f"{world.registry}/base/*")
    assert everything.code == 1
    base = base_image(everything)
    assert (base["name"], base["reference"]) == (f"{world.name}:12-slim", f"{world.name}@{world.old}")
    assert (base["own"], base["inherited"]) == ({"CRITICAL": 1}, {"HIGH": 1, "MEDIUM": 1, "LOW": 1})
    own = ("--scope", "own", "--base-image", f"{world.registry}/base/*", "--fail-on")
    refused = world.run("scan", image, *own, "HIGH")
    assert [finding["kind"] for finding in refused.image["scan"]["refused"]] == ["secret"]
    assert world.run("scan", image, *own, "HIGH", "--scanners", "vuln").code == 0


def test_nobody_makes_findings_the_bases_by_a_name(world: World, tmp_path: Path) -> None:
    """A stranger's Dockerfile, annotation and an image of their own with the same layers."""
    evil = world.image("strangers/base", OLD, OWN)
    image = world.image("victim", OLD, OWN, **{NAME: evil})
    (tmp_path / "Dockerfile").write_text(f"FROM {evil}\n")
    own = ("--scope", "own", "--fail-on", "HIGH", "--scanners", "vuln", "--base-image")
    ended = world.run("scan", image, *own, f"{world.registry}/base/*", folder=tmp_path)
    assert ended.code == 1
    assert "base_image" not in ended.image
    assert "all findings count as its own" in ended.stderr
    # Named by whoever runs it, the Dockerfile's stage is a hint, and the layers of that tag are not the image's.
    (tmp_path / "Dockerfile").write_text(f"FROM {world.name}:12-slim\n")
    ended = world.run("scan", image, *own, f"{world.registry}/base/*", folder=tmp_path)
    assert ended.code == 1
    assert "does not begin with the layers" in ended.stderr


def test_a_layer_that_undoes_what_the_base_repaired_is_its_own(world: World) -> None:
    repaired = world.image("base/repaired", OLD, {"var/lib/dpkg/status": NEW["var/lib/dpkg/status"]})
    image = world.image("undone", OLD, {"var/lib/dpkg/status": NEW["var/lib/dpkg/status"]}, OLD)
    ended = world.run(
        "scan", image, "--scanners", "vuln", "--base-image", repaired, "--scope", "own", "--fail-on", "HIGH"
    )
    assert ended.code == 1
    assert base_image(ended)["own"]["HIGH"] == 1


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_provenance_of_a_real_build_names_the_base(world: World, tmp_path: Path, mode: str) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(
        f"FROM {world.name}:12.1-slim AS other\nFROM {world.name}@{world.old}\nCOPY --from=other /etc/os-release /x\n"
    )
    image = f"{world.registry}/built:{mode}"
    with buildkit(tmp_path, world.registry) as address:
        words = ["--addr", address, "build", "--frontend", "dockerfile.v0", "--opt", f"attest:provenance=mode={mode}"]
        words += ["--local", f"context={tmp_path}/context", "--local", f"dockerfile={tmp_path}/context"]
        words += ["--output", f"type=image,name={image},push=true,registry.insecure=true"]
        subprocess.run([scanning.program(BUILDCTL), *words], check=True, capture_output=True, text=True)
    ended = world.run("scan", image, "--scanners", "vuln", "--base-image", f"{world.registry}/base/*")
    base = base_image(ended)
    assert (base["source"], base["reference"]) == ("the build's provenance", f"{world.name}@{world.old}")
    assert (base["own"], base["inherited"]) == ({}, {"HIGH": 1, "MEDIUM": 1, "LOW": 1})


@contextmanager
def buildkit(folder: Path, registry: str) -> Iterator[str]:
    """A BuildKit that may use a registry without TLS."""
    address = f"unix://{folder}/buildkitd.sock"
    (folder / "buildkitd.toml").write_text(f'[registry."{registry}"]\nhttp = true\ninsecure = true\n')
    argv: list[str | Path] = [scanning.program(BUILDKITD), f"--config={folder}/buildkitd.toml", f"--addr={address}"]
    argv += [f"--root={folder}/state", f"--otel-socket-path={folder}/otel.sock"]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 60
            while "running server" not in (folder / "log").read_text():
                assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
            yield address
        finally:
            process.terminate()
            process.wait(120)


def test_other_tags_are_compared(world: World) -> None:
    ended = world.run("base", world.annotated(), "--jobs", "2")
    assert ended.code == 0, ended.stderr
    advice = ended.image["base_advice"]
    assert advice["current"]["findings"] == {"HIGH": 1, "MEDIUM": 1, "LOW": 1}
    facts = [
        (
            option["tag"],
            option["change"],
            option.get("findings"),
            option["fixed"],
            option["same_as"],
            bool(option["problem"]),
        )
        for option in advice["options"]
    ]
    assert facts == [
        ("12-slim", "same tag", {"LOW": 1}, 2, "", False),
        ("12.1-slim", "patch", {"LOW": 1}, 2, "12-slim", False),
        ("14-slim", "major version", None, None, "", True),
        ("13-slim", "major version", None, None, "", True),
    ]
    assert "12-slim (same tag): removes 2 findings of the base." in ended.stdout
    assert "13-slim (major" not in ended.stdout.splitlines()[-1]
    again = world.run("scan", world.annotated(), "--base-advice", "--base-image", f"{world.registry}/base/*")
    assert again.image["base_advice"]["options"][0]["fixed"] == 2
    summary = (world.folder / "s3c-out" / "summary.md").read_text()
    assert f"Of `{world.name}`, `12-slim` (same tag) removes 2 findings of the base." in summary


def test_without_a_known_base_there_is_no_advice(world: World) -> None:
    image = world.image("unknown", OLD, OWN)
    ended = world.run("base", image)
    assert ended.code == 2
    assert "the base of" in ended.stderr
    scanned = world.run("scan", image, "--base-advice", "--base-image", f"{world.registry}/base/*")
    assert scanned.code == 0
    assert "Other bases of" in scanned.stderr


def test_what_is_signed_says_whose_findings_are(world: World) -> None:
    """Attached by a policy for its own findings, and judged by that, a stricter and another policy."""
    image = world.image("signed", OLD, **{NAME: f"{world.name}:12-slim", DIGEST: world.old})
    key, certificate = make("s3c-base").write(world.folder, "signing")
    rules = {
        "own": f'scope: own, bases: ["{world.registry}/base/*"]',
        "all": f'scope: all, bases: ["{world.registry}/base/*"]',
        "others": f'scope: own, bases: ["{world.registry}/others/*"]',
    }
    policies = {}
    for name, rule in rules.items():
        policies[name] = world.folder / f"{name}.yaml"
        policies[name].write_text(
            f"version: 1\nsigners: [{{name: release, certificate: {certificate}}}]\n"
            f"findings: {{refuse: [HIGH], {rule}}}\n"
        )
    signing = ("--key", key, "--certificate", certificate, "--notation-path", scanning.program(NOTATION))
    signed = s3c(world.folder, "sign", image, *signing)
    assert signed.code == 0, signed.stderr
    attached = world.run("attach", image, "--policy", policies["own"], "--attach", "sarif", *signing)
    assert attached.code == 0, attached.stderr
    results = {
        name: s3c(world.folder, "policy", "check", image, "--policy", path, "--notation-path", signing[-1])
        for name, path in policies.items()
    }
    codes = {
        name: [refusal["code"] for refusal in ended.image["judgement"]["refusals"]] for name, ended in results.items()
    }
    assert codes == {"own": [], "all": ["laxer-report"], "others": ["laxer-report"]}
    assert json.loads((world.folder / "s3c-out" / "result.json").read_text())["version"] == 1
