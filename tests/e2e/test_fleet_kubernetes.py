"""A fleet on Kubernetes: what `s3c fleet manifests` writes, on the lab's node behind its gate, with a BuildKit pool."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from s3c_lab import buildkit_image, own_image
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node.cluster import node_name
from tests.support import ROOT, fleet_images, warm
from tests.support.cluster import Kubectl
from tests.support.oci import Repository, copy_image, digest_of
from tests.support.scanning import push_database
from tests.support.signing import s3c as run_s3c

GATEWAY = "10.244.0.1"
"""The node's address in the network of its Pods."""
NAMESPACE = "s3c-fleet"
PREFIX = "indexed"
"""Of the repositories of the fleet that the Job keeps."""
BUILDKITD = """\
[worker.oci]
  enabled = true
  gc = true
[worker.containerd]
  enabled = false
[registry."{registry}"]
  http = true
[registry."docker.io"]
  mirrors = ["{registry}"]
[registry."ghcr.io"]
  mirrors = ["{registry}"]
"""


@pytest.fixture(scope="module")
def registry(gated: Lab) -> str:
    """The lab's registry under a name that Pods have it by."""
    port = gated.registry.rpartition(":")[2]
    listen = f"TCP-LISTEN:{port},bind={GATEWAY},fork,reuseaddr"
    forward = ["socat", listen, "UNIX-CONNECT:/var/lib/s3c-registry/socket"]
    subprocess.run(["docker", "exec", "--detach", node_name(gated.name), *forward], check=True)
    return f"{GATEWAY}:{port}"


@pytest.fixture(scope="module")
def guarded(gated: Lab, private: str) -> str:
    """The registry behind a login under a name that Pods have it by, forwarded as the lab's own is."""
    port, socket = private.rpartition(":")[2], "/var/lib/s3c-registry/private"
    forward = ["socat", f"UNIX-LISTEN:{socket},fork,unlink-early", f"TCP:127.0.0.1:{port}"]
    subprocess.run(["docker", "exec", "--detach", f"{node_name(gated.name)}-registry", *forward], check=True)
    forward = ["socat", f"TCP-LISTEN:{port},bind={GATEWAY},fork,reuseaddr", f"UNIX-CONNECT:{socket}"]
    subprocess.run(["docker", "exec", "--detach", node_name(gated.name), *forward], check=True)
    return f"{GATEWAY}:{port}"


def pinned(reference: str) -> str:
    """A reference of the lab's registry by digest."""
    host, _, rest = reference.partition("/")
    name, _, tag = rest.rpartition(":")
    return f"{host}/{name}@{digest_of(Repository(host, name).raw(tag)[0])}"


@pytest.fixture(scope="module")
def images(gated: Lab, machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """s3c's own image and BuildKit's, signed, as the gate asks of all that runs."""
    (base,) = (image for image in gated.images if "/voting-app:" in image)
    names = {
        "s3c": pinned(own_image.push(gated.registry, base, gated.buildkit, machine)),
        "buildkit": pinned(buildkit_image.push(gated.registry, machine)),
    }
    flags = ("--key", gated.key, "--certificate", gated.certificate)
    ended = run_s3c(tmp_path_factory.mktemp("sign"), "sign", *names.values(), *flags)
    assert ended.code == 0, ended.stderr
    return names


@pytest.fixture(scope="module")
def written(
    gated: Lab, registry: str, guarded: str, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder in which the manifests were made; the pool is privileged, as the lab has no rootless BuildKit."""
    folder = tmp_path_factory.mktemp("fleet")
    push_database(Repository(gated.registry, "trivy-db"), Path(gated.trivy_cache))
    (folder / "fleet.yaml").write_text(fleet_images.fleet(registry, PREFIX, guarded))
    (folder / "s3c-policy.yaml").write_text(fleet_images.policy("signing.crt"))
    (folder / "signing.crt").write_text(Path(gated.certificate).read_text())
    (folder / "buildkitd.toml").write_text(BUILDKITD.format(registry=registry))
    variables = {
        "S3C_INSECURE_REGISTRY": "true",
        "S3C_DB_REPOSITORY": f"{registry}/trivy-db:2",
        "S3C_POLICY": "s3c-policy.yaml",
    }
    argv = ["fleet", "manifests", "fleet.yaml", "--files", "s3c-policy.yaml", "--files", "signing.crt"]
    argv += ["--folder", "k8s", "--s3c-image", images["s3c"], "--store", f"{registry}/plans"]
    argv += ["--key-secret", "signing", "--pods", "2", "--parallel-pods", "2", "--deadline", "20m"]
    argv += ["--buildkit-mode", "privileged", "--buildkit-image", images["buildkit"]]
    argv += ["--buildkit-config", "buildkitd.toml", "--egress-ports"]
    argv += [",".join(host.rpartition(":")[2] for host in (registry, guarded))]
    argv += [word for name, value in variables.items() for word in ("--variables", f"{name}={value}")]
    ended = warm.run(argv, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return folder / "k8s"


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(scope="module")
def fleet(gated: Lab, kubectl: Kubectl, written: Path) -> Iterator[Path]:
    """The manifests, applied; the node has no room for what they ask for, so requests are left out."""
    small = []
    for document in documents(written / "s3c-fleet.yaml"):
        pods = [document["spec"]["template"]["spec"]] if document["kind"] == "StatefulSet" else []
        if document["kind"] == "CronJob":
            pods = [document["spec"]["jobTemplate"]["spec"]["template"]["spec"]]
        for pod in pods:
            for container in pod["containers"]:
                container["resources"]["requests"] = {"cpu": "10m", "memory": "64Mi"}
        small.append(document)
    kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(small))
    kubectl("apply", "--server-side", "-f", str(written / "s3c-fleet-secrets.yaml"))
    key = {
        name: Path(path).read_text()
        for name, path in {"signing.key": gated.key, "signing.crt": gated.certificate}.items()
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "signing", "namespace": NAMESPACE}}
    kubectl("apply", "-f", "-", stdin=json.dumps({**secret, "stringData": key}))
    yield written
    for namespace in (NAMESPACE, f"{NAMESPACE}-buildkit"):
        kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


def test_the_api_server_accepts_all_of_it(kubectl: Kubectl, fleet: Path) -> None:
    """As it was written: fields, values, Pod Security, and the gate's own view of the images."""
    for name in ("s3c-fleet.yaml", "s3c-fleet-secrets.yaml"):
        arguments = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
        ended = kubectl.run(*arguments, "-f", str(fleet / name))
        assert ended.returncode == 0, ended.stderr
        assert "would violate PodSecurity" not in ended.stderr
        assert ended.stdout.count("serverside-applied") == len(documents(fleet / name))


def test_the_pool_is_up_and_a_worker_patches_with_it(kubectl: Kubectl, gated: Lab, registry: str, fleet: Path) -> None:
    """A Pod as the Job makes them, that patches one image in place of a shard."""
    kubectl("rollout", "status", f"--namespace={NAMESPACE}-buildkit", "statefulset/s3c-buildkit", "--timeout=180s")
    (original,) = (image for image in gated.images if "/voting-app:" in image)
    copy = copy_image(original, "pool/voting-app").partition("/")[2]
    (job,) = [each for each in documents(fleet / "s3c-fleet.yaml") if each["kind"] == "CronJob"]
    template = job["spec"]["jobTemplate"]["spec"]["template"]
    container = template["spec"]["containers"][0]
    container |= {"command": ["s3c", "chain", f"{registry}/{copy}"], "resources": {}}
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {"name": "patches", "namespace": NAMESPACE, "labels": template["metadata"]["labels"]}
    container["env"] = [entry for entry in container["env"] if "valueFrom" not in entry]
    created = kubectl.create(pod)
    assert created.returncode == 0, created.stderr
    kubectl.run(
        "wait", "pod/patches", f"--namespace={NAMESPACE}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=240s"
    )
    log = kubectl("logs", "patches", f"--namespace={NAMESPACE}")
    state = kubectl("get", "pod/patches", f"--namespace={NAMESPACE}", "-o", "jsonpath={.status.phase}")
    assert state == "Succeeded", log


def night(kubectl: Kubectl, written: Path, name: str) -> str:
    """Run the CronJob's Job once under a name; return what its Pods wrote."""
    (cron,) = [each for each in documents(written / "s3c-fleet.yaml") if each["kind"] == "CronJob"]
    template = cron["spec"]["jobTemplate"]
    template["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"] = {"cpu": "10m", "memory": "64Mi"}
    metadata = {**template["metadata"], "name": name, "namespace": NAMESPACE}
    created = kubectl.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]})
    assert created.returncode == 0, created.stderr
    ends = time.monotonic() + 900
    conditions: list[str] = []
    while not {"Complete", "Failed"} & set(conditions) and time.monotonic() < ends:
        time.sleep(2)
        state = kubectl("get", f"job/{name}", f"--namespace={NAMESPACE}", "-o", "json")
        conditions = [entry["type"] for entry in json.loads(state)["status"].get("conditions", ())]
    selector = f"--selector=batch.kubernetes.io/job-name={name}"
    log = kubectl("logs", selector, f"--namespace={NAMESPACE}", "--prefix", "--tail=-1", "--max-log-requests=20")
    assert {"Complete", "Failed"} & set(conditions), log
    return log


@pytest.fixture(scope="module")
def pushed(gated: Lab) -> dict[str, str]:
    """The fleet's images in the lab's registry, by short name."""
    (app,) = (image for image in gated.images if "/voting-app:" in image)
    return fleet_images.push(gated.registry, app, prefix=PREFIX)


def test_an_indexed_job_keeps_the_fleet_and_a_second_night_pushes_nothing(
    kubectl: Kubectl, gated: Lab, pushed: dict[str, str], guarded: str, fleet: Path, tmp_path: Path
) -> None:
    kubectl("rollout", "status", f"--namespace={NAMESPACE}-buildkit", "statefulset/s3c-buildkit", "--timeout=180s")
    log = night(kubectl, fleet, "night-1")
    first = run_s3c(tmp_path, "fleet", "report", "--plan", f"oci://{gated.registry}/plans:night-1")
    assert first.code == 3, f"{first.stderr}\n{log}"
    fleet_images.check(first.result["images"], fleet_images.REPORTED)
    planned = json.loads(plan(gated, "night-1"))
    assert {image["shard"] for image in planned["images"]} == {1, 2}
    fleet_images.check_private(planned, guarded)
    before = fleet_images.tags(gated.registry, PREFIX)
    log = night(kubectl, fleet, "night-2")
    assert fleet_images.tags(gated.registry, PREFIX) == before, log
    images = [fleet_images.short(entry["image"]) for entry in json.loads(plan(gated, "night-2"))["images"]]
    assert {name.partition("-")[0] for name in images} == {"ended", "broken"}, log


def plan(lab: Lab, tag: str) -> bytes:
    """The plan that a night published."""
    repository = Repository(lab.registry, "plans")
    content: bytes = repository.blob(repository.get(tag)["layers"][0]["digest"])
    return content
