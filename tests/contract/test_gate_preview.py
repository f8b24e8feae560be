"""`s3c gate preview` by a policy to come: a real API server, a real registry, and signatures of the real notation.

There is no gate, and nothing runs. What it says of each image is what `s3c policy check` says of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.cluster.client import Cluster, Resource
from s3c_actions.core import artifact_types
from s3c_actions.core.reference import Reference
from s3c_actions.registry import Registry, Writer
from s3c_actions.registry.artifacts import push_artifact
from s3c_actions.registry.credentials import Logins
from s3c_lab import registry_server
from s3c_lab.certificates import make
from tests.support import evidence, oci
from tests.support.api_server import NAMESPACES, api_server
from tests.support.cluster import pod, pod_spec
from tests.support.debian_registry import debian_registry
from tests.support.signing import Ended, s3c

NOW = datetime.now(UTC)
POLICY = "version: 1\nsigners: [{name: lab, certificate: lab.crt}]\nfindings: {refuse: [HIGH, CRITICAL]}\n"
PODS = Resource(path="/api/v1", plural="pods", namespaced=True)
CRON_JOBS = Resource(path="/apis/batch/v1", plural="cronjobs", namespaced=True)
REFUSED = {
    "dirty": "it has 1 refused finding, CVE-2024-1",
    "unsigned": "it has no signature",
    "stranger": "signed by nobody whom the policy allows",
    "stale": "older than 7d",
    "no-report": "it has no scan report",
}
ADMITTED = ("clean", "moved")


@dataclass
class World:
    """Images by row, in a registry, and a cluster that uses them."""

    registry: str
    folder: Path
    cluster: Cluster
    kubeconfig: Path
    images: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str | Path, code: int = 0) -> Ended:
        ended = s3c(self.folder, *arguments)
        assert ended.code == code, ended.stderr
        return ended

    def preview(self, *more: str | Path, code: int = 0) -> tuple[Ended, dict[str, Any]]:
        """The command, and its `preview` of result.json."""
        ended = self.run(
            *("gate", "preview", "--policy", "s3c-policy.yaml", "--kubeconfig", self.kubeconfig), *more, code=code
        )
        return ended, ended.result["preview"]

    def use(self, name: str, image: str, namespace: str = "shop") -> None:
        """A Pod of an image, which stays as it was made: there is no node."""
        self.cluster.create(PODS, pod(name, pod_spec(image)), namespace, dry_run=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    here = tmp_path_factory.mktemp("preview")
    for name in ("lab", "stranger"):
        make(name).write(here, name)
    (here / "s3c-policy.yaml").write_text(POLICY)
    with (
        debian_registry(tmp_path_factory.mktemp("registry")) as address,
        api_server(tmp_path_factory.mktemp("api")) as (kubeconfig, cluster),
    ):
        world = World(address, here, cluster, kubeconfig)
        _fill(world)
        _deploy(world)
        yield world


def _fill(world: World) -> None:
    """Push, attach and sign what the rows say."""
    client = Registry(Logins(environment={"HOME": str(world.folder)}), timeout=10)
    signed: dict[str, list[str]] = {"lab": [], "stranger": []}
    for row in (*REFUSED, *ADMITTED):
        repository = oci.Repository(world.registry, f"shop/{row}")
        pushed = repository.image([oci.layer({"row": row.encode()})], "1.0")
        image = world.images[row] = f"{world.registry}/shop/{row}@{pushed['digest']}"
        signer = signed["stranger" if row == "stranger" else "lab"]
        if row != "unsigned":
            signer.append(image)
        if row == "no-report":
            continue
        reference = Reference.parse(image)
        created = NOW - (timedelta(days=8) if row == "stale" else timedelta(hours=1))
        findings = (evidence.finding("CVE-2024-1"),) if row == "dirty" else ()
        report = push_artifact(
            Writer(client),
            reference.tagged(""),
            artifact_types.SARIF,
            evidence.sarif(evidence.run(created, findings, subject=reference.digest)),
            annotations={artifact_types.CREATED: evidence.stamp(created)},
            subject=client.resolve(reference),
        )
        signer.append(reference.at(report.digest).pinned)
    for name, references in signed.items():
        world.run("sign", *references, "--key", f"{name}.key", "--certificate", f"{name}.crt")


def _deploy(world: World) -> None:
    for name in ("shop", "lost"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        world.cluster.create(NAMESPACES, namespace, dry_run=False)
    for row in ("dirty", "unsigned", "stranger", "clean"):
        world.use(row, world.images[row])
    world.use("again", world.images["dirty"])
    world.use("moved", f"{world.registry}/shop/moved:1.0")
    world.use("dns", world.images["unsigned"], "kube-system")
    # Of these nothing runs: the next start of one would be refused all the same.
    spec = {**pod_spec(world.images["stale"]), "restartPolicy": "Never"}
    spec["initContainers"] = [{"name": "first", "image": world.images["no-report"]}]
    job = {"spec": {"template": {"spec": spec}}}
    nightly = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": job},
    }
    world.cluster.create(CRON_JOBS, nightly, "shop", dry_run=False)


def test_it_says_of_each_image_what_the_registry_holds_against_it(world: World) -> None:
    ended, preview = world.preview("--namespaces", "shop")
    images = {image["image"]: image for image in preview["images"]}
    assert set(images) == set(world.images.values()), "each image once, a tag by the digest that it leads to"
    for row, reason in REFUSED.items():
        image = images[world.images[row]]
        assert (image["verdict"], reason in image["reason"]) == ("refused", True), image
        assert image["command"].startswith("s3c "), image
        assert world.images[row] in image["command"]
    assert [images[world.images[row]]["verdict"] for row in ADMITTED] == ["admitted", "admitted"]
    assert images[world.images["moved"]]["names"] == [f"{world.registry}/shop/moved:1.0"]
    assert images[world.images["dirty"]]["places"] == ["shop/again (container)", "shop/dirty (container)"]
    nightly = {row: (images[world.images[row]]["places"], images[world.images[row]]["running"]) for row in REFUSED}
    assert nightly["stale"] == (["shop/nightly (container)"], False)
    assert nightly["no-report"] == (["shop/nightly (init container)"], False)
    assert ended.stdout.startswith("✘ 5 of 7 images would be refused by the policy sha256:")
    assert (preview["stages"], preview["policy"].startswith("sha256:")) == ({}, True)
    page = (world.folder / "s3c-out" / "gate-preview.html").read_text()
    assert all(image in page for image in (images[world.images[row]]["command"] for row in REFUSED))


def test_it_refuses_what_policy_check_refuses(world: World) -> None:
    """By the same sentences: both are read from the registry at this moment."""
    _, preview = world.preview("--namespaces", "shop")
    ended = world.run("policy", "check", *world.images.values(), "--policy", "s3c-policy.yaml", code=1)
    checked = {
        image["reference"]: "; ".join(refusal["text"] for refusal in image["judgement"]["refusals"])
        for image in ended.result["images"]
    }
    assert {image["image"]: image["reason"] for image in preview["images"]} == checked
    assert sum(bool(reason) for reason in checked.values()) == len(REFUSED)


def test_what_a_gate_would_leave_out_stands_apart(world: World) -> None:
    ended, preview = world.preview("--namespaces", "kube-system")
    assert preview["images"] == []
    assert [image["image"] for image in preview["exempt"]] == [world.images["unsigned"]]
    assert "kube-system" in preview["exempt_namespaces"]
    assert ended.stdout.startswith("✔ no image is used where the gate looks")


def test_what_is_not_there_is_refused_and_what_nobody_can_ask_is_not_known(world: World) -> None:
    absent = f"{world.registry}/shop/clean@sha256:{'0' * 64}"
    silent = f"localhost:{registry_server.free_port()}/shop/clean@sha256:{'1' * 64}"
    world.use("absent", absent, "lost")
    world.use("silent", silent, "lost")
    ended, preview = world.preview("--namespaces", "lost", code=3)
    verdicts = {image["image"]: image["verdict"] for image in preview["images"]}
    assert verdicts == {absent: "refused", silent: "unknown"}
    assert "1 of 2 images would be refused" in ended.stdout
    assert "and 1 could not be judged" in ended.stdout
    assert json.loads((world.folder / "s3c-out" / "result.json").read_text())["exit_code"] == 3
