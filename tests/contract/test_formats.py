"""What other tools read: the in-toto statements beside an image, by the real Trivy and a registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from s3c_actions.cli.console import LogProgress
from s3c_actions.cli.run import cache_path
from s3c_actions.core.artifact_types import PREDICATES
from s3c_actions.core.process import Runner
from s3c_actions.core.reference import Reference
from s3c_actions.evidence.openvex import render_openvex
from s3c_actions.findings import trivy_report
from s3c_actions.programs.install.pins import TRIVY
from s3c_lab import daemons, registry_server
from s3c_lab.certificates import make
from s3c_lab.machine import Machine, with_system_path
from tests.support import scanning
from tests.support.oci import Repository, layer
from tests.support.signing import Ended, s3c


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = with_system_path(dict(os.environ))
    machine = Machine(runner=Runner(environment), progress=LogProgress(sys.stderr), cache=cache_path(environment))
    folder, port = tmp_path_factory.mktemp("registry"), registry_server.free_port()
    registry_server.start(folder, port, machine)
    yield f"localhost:{port}"
    daemons.stop(folder / "registry.pid", machine)


class World:
    """A registry, a vulnerability database and a key."""

    def __init__(self, registry: str, folder: Path) -> None:
        self.registry, self.folder = registry, folder
        self.cache = scanning.database(folder)
        self.key, self.certificate = make("s3c-formats").write(folder, "signing")

    def image(self, name: str) -> str:
        """Push an image with findings; its reference by digest."""
        pushed = Repository(self.registry, name).image([layer(scanning.debian())], "1")
        return f"{self.registry}/{name}@{pushed['digest']}"

    def index(self, name: str) -> str:
        """Push an image of two platforms; its reference by the digest of the index."""
        repository = Repository(self.registry, name)
        images = [
            repository.image([layer({**scanning.debian(), "arch": platform.encode()})], platform, architecture=platform)
            for platform in ("amd64", "arm64")
        ]
        return f"{self.registry}/{name}@{repository.index(images, 'both')['digest']}"

    def trivy(self, image: str, *flags: str) -> tuple[dict[str, str], str]:
        """Scan with Trivy itself; finding → `affected` or the status by which VEX set it aside, and what it wrote."""
        words = ["image", "--cache-dir", str(self.cache), "--skip-db-update", "--skip-java-db-update"]
        words += ["--scanners", "vuln", "--format", "json", "--show-suppressed", *flags, image]
        ended = subprocess.run(
            [scanning.program(TRIVY), *words], capture_output=True, text=True, check=True, cwd=self.folder
        )
        statuses: dict[str, str] = {}
        for result in json.loads(ended.stdout)["Results"]:
            statuses |= {
                vulnerability["VulnerabilityID"]: "affected" for vulnerability in result.get("Vulnerabilities") or ()
            }
            for modified in result.get("ExperimentalModifiedFindings") or ():
                statuses[modified["Finding"]["VulnerabilityID"]] = modified["Status"]
        return statuses, ended.stderr

    def report(self, image: str, *flags: str) -> Path:
        path = self.folder / "report.json"
        words = ["image", "--cache-dir", str(self.cache), "--skip-db-update", "--scanners", "vuln", "--format", "json"]
        words += ["--list-all-pkgs", "--output", str(path), *flags, image]
        subprocess.run([scanning.program(TRIVY), *words], capture_output=True, check=True, cwd=self.folder)
        return path

    def vex(self, image: str, *names: str) -> Path:
        """Our own OpenVEX document, which says that these findings are fixed."""
        findings = trivy_report.read(self.report(image)).findings
        fixed = [finding for finding in findings if finding.id in names]
        path = self.folder / "fixed.openvex.json"
        path.write_bytes(render_openvex(Reference.parse(image), fixed, datetime(2026, 11, 29, tzinfo=UTC), "1"))
        return path

    def attach(self, image: str, kinds: str, *flags: str | Path) -> Ended:
        words = ("attach", image, "--attach", kinds, "--trivy-cache-dir", self.cache, "--scanners", "vuln")
        key = ("--key", self.key, "--certificate", self.certificate)
        ended = s3c(self.folder, *words, "--offline", *key, *flags)
        assert ended.code == 0, ended.stderr
        return ended


@pytest.fixture(scope="module")
def world(registry: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(registry, tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("kind", ["image", "index"])
def test_trivy_honours_our_openvex(world: World, kind: str) -> None:
    image = world.image("vexed") if kind == "image" else world.index("vexed-index")
    every = {scanning.HIGH: "affected", scanning.MEDIUM: "affected", scanning.LOW: "affected"}
    vex = world.vex(image, scanning.HIGH)
    # The document alone, of OpenVEX's own type, is one that Trivy does not look for.
    world.attach(image, "vex", "--openvex", vex)
    assert world.trivy(image, "--vex", "oci")[0] == every
    world.attach(image, "vex,intoto", "--openvex", vex)
    statuses, written = world.trivy(image, "--vex", "oci")
    assert statuses == {**every, scanning.HIGH: "fixed"}, written
    assert world.trivy(image)[0] == every


def test_our_gate_uses_no_vex_that_nobody_verified(world: World) -> None:
    """Whoever may push puts a statement beside the image, or hands on a report that Trivy made with it."""
    image = world.image("excused")
    everything = (scanning.HIGH, scanning.MEDIUM, scanning.LOW)
    world.attach(image, "intoto-vex", "--openvex", world.vex(image, *everything))
    assert set(world.trivy(image, "--vex", "oci")[0].values()) == {"fixed"}
    scan = ("scan", image, "--trivy-cache-dir", world.cache, "--scanners", "vuln", "--offline", "--fail-on", "HIGH")
    ended = s3c(world.folder, *scan, "--vex", "oci")
    assert ended.code == 1, ended.stderr
    assert "`--vex`" in ended.stderr and "not used" in ended.stderr
    assert ended.image["scan"]["findings"]["high"] == 1
    report = world.report(image, "--vex", "oci", "--show-suppressed")
    assert s3c(world.folder, "report", report, "--fail-on", "HIGH").code == 1


def test_every_statement_is_attached_once_and_signed_and_traced(world: World) -> None:
    image = world.image("stated")
    policy = world.folder / "s3c-policy.yaml"
    policy.write_text("version: 1\nfindings: {refuse: [CRITICAL]}\n")
    flags = ("--openvex", world.vex(image, scanning.HIGH), "--policy", policy)
    first = world.attach(image, "true,intoto", *flags, "--report", world.report(image)).image["attach"]
    again = world.attach(image, "true,intoto", *flags, "--report", world.folder / "report.json").image["attach"]
    kinds = [document["kind"] for document in first["documents"]]
    # Nothing was patched by this run, and the report does not tell of its database: neither is stated.
    assert kinds == [
        "spdx", "cyclonedx", "vex", "result", "intoto-vex", "intoto-spdx", "intoto-cyclonedx", "vsa", "sarif"
    ]  # fmt: skip
    assert [document["digest"] for document in again["documents"]] == [
        document["digest"] for document in first["documents"]
    ]
    assert again["skipped"]
    scanned = world.attach(image, "intoto", "--policy", policy).image["attach"]
    assert "intoto-vulns" in [document["kind"] for document in scanned["documents"]]
    traced = s3c(world.folder, "trace", image, "--trust-store", world.certificate)
    assert traced.code == 0, traced.stderr
    story = json.loads((world.folder / "s3c-out" / "stated" / "trace.json").read_text())
    documents = [document for document in story["subject"]["documents"] if document["kind"] == "in-toto statement"]
    assert {document["predicate_type"] for document in documents} == set(PREDICATES.values()) - {
        PREDICATES["provenance"]
    }
    assert {document["problem"] for document in documents} == {""}
    assert {signature["trust"] for document in documents for signature in document["signatures"]} == {"trusted"}
    for listed in documents:
        name, _, _ = image.partition("@")
        repository = Repository(*name.split("/", 1))
        content = repository.blob(repository.get(listed["digest"])["layers"][0]["digest"])
        read = json_format.Parse(content, statement_pb2.Statement())
        Statement.copy_from_pb(read).validate()
        assert [f"sha256:{subject.digest['sha256']}" for subject in read.subject] == [image.partition("@")[2]]


def test_another_job_states_how_the_patch_was_made(world: World) -> None:
    """By the result of the job that patched, as `sign` and `attach` take it."""
    image = world.image("handed")
    scan = ("scan", image, "--trivy-cache-dir", world.cache, "--scanners", "vuln", "--offline")
    assert s3c(world.folder, *scan).code == 0
    left = world.folder / "left"
    shutil.copytree(world.folder / "s3c-out", left)
    document = json.loads((left / "result.json").read_text())
    original = f"{image.partition('@')[0]}@sha256:{64 * 'b'}"
    document["images"][0]["patch"] = {
        "original": original, "reference": image, "tag": "1-1", "patched": True, "skipped": False, "reason": "",
        "before": document["images"][0]["scan"]["findings"], "after": None, "fixed": [], "left": [], "new": [],
        "upgraded": {"libssl3": "3.0.13"}, "platforms": [], "vex": None, "seconds": 1.0,
        "programs": {"s3c": "1.0.0", "copa": "0.14.2", "trivy": "0.74.0"},
    }  # fmt: skip
    (left / "result.json").write_text(json.dumps(document))
    attached = world.attach(image, "provenance", "--results", left).image["attach"]
    (listed,) = attached["documents"]
    repository = Repository(*image.partition("@")[0].split("/", 1))
    statement = json.loads(repository.blob(repository.get(listed["digest"])["layers"][0]["digest"]))
    details = statement["predicate"]["runDetails"]
    assert details["builder"]["version"] == {"s3c": "1.0.0", "copa": "0.14.2", "trivy": "0.74.0"}
    (dependency,) = statement["predicate"]["buildDefinition"]["resolvedDependencies"][:1]
    assert dependency["digest"] == {"sha256": 64 * "b"}
    # Of a job that used an earlier patch again nothing is known of how it was made.
    document["images"][0]["patch"]["programs"] = {}
    (left / "result.json").write_text(json.dumps(document))
    assert world.attach(image, "provenance", "--results", left).image["attach"]["documents"] == []
