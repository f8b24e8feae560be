"""The lab's Kubernetes node with the real Gatekeeper and Ratify: what gets in, what does not, and what stays behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3c_actions.cluster.client import connect
from s3c_actions.cluster.deployed import list_deployed
from s3c_lab import lab as labs
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node.cluster import node_name
from s3c_lab.node.programs import KUBECTL
from tests.support.cluster import Kubectl, image_volume, pod, pod_spec, workload
from tests.support.signing import Ended


@pytest.fixture
def name(request: pytest.FixtureRequest, kubectl: Kubectl) -> Iterator[str]:
    """A name for this test's objects, which are removed at its end."""
    mine = f"t{abs(hash(request.node.nodeid)) % 10**9}-{os.getpid()}"
    yield mine
    kinds = "deployments,statefulsets,daemonsets,replicasets,replicationcontrollers,podtemplates,jobs,cronjobs,pods"
    kubectl("delete", kinds, "--ignore-not-found", "--wait=false", f"--field-selector=metadata.name={mine}")


def test_the_node_is_ready_and_reports_the_pinned_version(gated: Lab, kubectl: Kubectl) -> None:
    (node,) = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    conditions = {condition["type"]: condition["status"] for condition in node["status"]["conditions"]}
    assert conditions["Ready"] == "True"
    assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{KUBECTL.version}"


def test_the_gate_fails_closed(kubectl: Kubectl) -> None:
    hooks = json.loads(kubectl("get", "validatingwebhookconfigurations", "-o", "json"))["items"]
    (hook,) = (h for item in hooks for h in item["webhooks"] if h["name"] == "validation.gatekeeper.sh")
    provider = json.loads(kubectl("get", "provider", "ratify-provider", "-o", "json"))
    assert hook["failurePolicy"] == "Fail"
    assert hook["timeoutSeconds"] >= provider["spec"]["timeout"]


@pytest.mark.parametrize(
    "kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"]
)
def test_an_unsigned_image_is_denied_in_every_kind_that_makes_pods(
    kind: str, kubectl: Kubectl, unsigned: str, name: str
) -> None:
    denied = kubectl.create(workload(kind, name, pod_spec(unsigned)))
    assert denied.returncode != 0
    assert "[ratify-verification]" in denied.stderr
    assert unsigned in denied.stderr
    assert "s3c sign" in denied.stderr
    assert "trace " in denied.stderr


def test_an_unsigned_image_is_denied_in_a_bare_pod(kubectl: Kubectl, unsigned: str, name: str) -> None:
    denied = kubectl.create(pod(name, pod_spec(unsigned)))
    assert denied.returncode != 0
    assert "[ratify-verification]" in denied.stderr


def test_an_unsigned_image_is_denied_in_a_template_of_pods(kubectl: Kubectl, unsigned: str, name: str) -> None:
    template = {"metadata": {"labels": {"app": name}}, "spec": pod_spec(unsigned)}
    manifest = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name}, "template": template}
    denied = kubectl.create(manifest)
    assert denied.returncode != 0
    assert "[ratify-verification]" in denied.stderr


def test_an_image_signed_by_somebody_else_is_denied(
    kubectl: Kubectl,
    unsigned: str,
    signing_key: tuple[Path, Path],
    s3c: Callable[..., Ended],
    name: str,
) -> None:
    key, certificate = signing_key
    assert s3c("sign", unsigned, "--key", key, "--certificate", certificate).code == 0
    denied = kubectl.create(pod(name, pod_spec(unsigned)))
    assert denied.returncode != 0
    assert "[ratify-verification]" in denied.stderr
    assert "it has no signature" not in denied.stderr


def test_an_unsigned_init_container_is_denied_beside_a_signed_one(
    kubectl: Kubectl, unsigned: str, signed: str, name: str
) -> None:
    spec = pod_spec(signed, initContainers=[{"name": "before", "image": unsigned}])
    denied = kubectl.create(pod(name, spec))
    assert denied.returncode != 0
    assert unsigned in denied.stderr
    assert signed not in denied.stderr


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "Job", "CronJob"])
def test_an_unsigned_image_volume_is_denied_beside_a_signed_container(
    kind: str, kubectl: Kubectl, unsigned: str, signed: str, name: str
) -> None:
    spec = pod_spec(signed, **image_volume(unsigned))
    denied = kubectl.create(pod(name, spec) if kind == "Pod" else workload(kind, name, spec))
    assert denied.returncode != 0
    assert f"[ratify-verification] {unsigned} is not trusted: it has no signature" in denied.stderr
    assert signed not in denied.stderr


def test_a_signed_image_volume_is_mounted_and_listed_among_what_runs(
    gated: Lab,
    kubectl: Kubectl,
    signed: str,
    fresh: Callable[[str], str],
    sign: Callable[..., str],
    name: str,
    tmp_path: Path,
) -> None:
    mounted = sign(fresh("voting-db"))
    spec = pod_spec(signed, **image_volume(mounted))
    spec["containers"][0] |= {
        "command": ["sleep", "infinity"],
        "volumeMounts": [{"name": "tools", "mountPath": "/tools", "readOnly": True}],
    }
    created = kubectl.create(pod(name, spec))
    assert created.returncode == 0, created.stderr
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=180s")
    assert "etc" in kubectl("exec", name, "--", "ls", "/tools").split()
    cluster = connect(gated.kubeconfig, "", timeout=30, temp=tmp_path, hide=lambda _: None)
    running = list_deployed(cluster, ["default"]).running
    places = {deployed.image: deployed.places for deployed in running}
    assert f"default/{name}" in places[mounted]
    assert f"default/{name}" in places[signed]


def test_a_tag_that_nothing_pins_is_refused_with_the_digest_to_write(
    kubectl: Kubectl, fresh: Callable[[str], str], sign: Callable[..., str], name: str
) -> None:
    """Ratify pins containers and no image volumes."""
    tag = fresh("voting-app")
    image = sign(tag)
    denied = kubectl.create(pod(name, pod_spec(image, **image_volume(tag))))
    assert denied.returncode != 0
    assert f"[ratify-verification] {tag} has no digest" in denied.stderr
    assert f"Write {image}." in denied.stderr
    assert kubectl.tried(pod(name, pod_spec(image, **image_volume(image)))) == ""
    assert kubectl.tried(pod(name, pod_spec(image, **image_volume(f"{tag}@{image.partition('@')[2]}")))) == ""
    # What makes Pods may keep it; then they are refused.
    assert kubectl.tried(workload("Deployment", name, pod_spec(image, **image_volume(tag)))) == ""


def test_a_pod_whose_tag_was_not_pinned_in_time_is_refused(
    kubectl: Kubectl, fresh: Callable[[str], str], sign: Callable[..., str], name: str
) -> None:
    tag = fresh("voting-app")
    image = sign(tag)
    hook = "mutatingwebhookconfiguration/gatekeeper-mutating-webhook-configuration"
    rules = json.loads(kubectl("get", hook, "-o", "json"))["webhooks"][0]["rules"]
    patch = '[{"op":"replace","path":"/webhooks/0/rules","value":%s}]'
    nothing = [{"apiGroups": ["nowhere.test"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"]}]
    with kubectl.patched(hook, patch % json.dumps(nothing), patch % json.dumps(rules)):
        denied = kubectl.until_denied(pod(name, pod_spec(tag)), "has no digest")
        assert f"Write {image}." in denied
        assert kubectl.tried(pod(name, pod_spec(image))) == ""


def test_a_signed_image_is_admitted_and_runs(kubectl: Kubectl, signed: str, name: str) -> None:
    created = kubectl.create(workload("Deployment", name, pod_spec(signed)))
    assert created.returncode == 0, created.stderr
    available = kubectl.run("wait", "--for=condition=Available", f"deployment/{name}", "--timeout=180s")
    assert available.returncode == 0, kubectl("describe", "pods", "-l", f"app={name}")


def test_a_running_deployment_is_not_changed_to_an_unsigned_image(
    kubectl: Kubectl, unsigned: str, signed: str, name: str
) -> None:
    assert kubectl.create(workload("Deployment", name, pod_spec(signed))).returncode == 0
    denied = kubectl.run("set", "image", f"deployment/{name}", f"main={unsigned}")
    assert denied.returncode != 0
    assert "[ratify-verification]" in denied.stderr


def test_an_unsigned_ephemeral_container_is_denied_in_a_signed_pod(
    kubectl: Kubectl, unsigned: str, signed: str, name: str
) -> None:
    assert kubectl.create(pod(name, pod_spec(signed))).returncode == 0
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=180s")
    denied = kubectl.run("debug", name, f"--image={unsigned}", "--container=late", "--attach=false", "--", "/bin/true")
    assert denied.returncode != 0
    assert "[ratify-verification]" in denied.stderr


def test_a_signed_tag_is_pinned_to_the_digest_that_was_verified(
    gated: Lab, kubectl: Kubectl, fresh: Callable[[str], str], s3c: Callable[..., Ended], name: str
) -> None:
    tag = fresh("voting-app")
    digest = s3c("sign", tag, "--key", gated.key, "--certificate", gated.certificate).image["reference"]
    created = kubectl.create(pod(name, pod_spec(tag)))
    assert created.returncode == 0, created.stderr
    (container,) = json.loads(kubectl("get", "pod", name, "-o", "json"))["spec"]["containers"]
    assert container["image"] == digest


def test_an_image_that_is_not_there_is_denied(gated: Lab, kubectl: Kubectl, name: str) -> None:
    denied = kubectl.create(pod(name, pod_spec(f"{gated.registry}/nowhere:1")))
    assert denied.returncode != 0
    assert f"{gated.registry}/nowhere:1" in denied.stderr


def test_up_again_leaves_the_node_and_the_gate_in_force(
    gated: Lab, kubectl: Kubectl, machine: Machine, signed: str, unsigned: str, name: str
) -> None:
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.uid}")
    assert labs.up(gated.name, None, machine) == gated
    assert kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.uid}") == node
    assert "s3c sign" in kubectl.create(pod(name, pod_spec(unsigned))).stderr
    assert kubectl.create(pod(name, pod_spec(signed))).returncode == 0


def test_the_node_with_the_gate_needs_less_than_a_gibibyte_and_a_half(gated: Lab) -> None:
    # Of memory that is the processes' own: pages of files the kernel takes back when it needs them.
    status = _output("docker", "exec", node_name(gated.name), "sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null || true")
    anonymous = [int(kib) for kib in re.findall(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)]
    assert 100_000 < sum(anonymous) < 1.5 * 2**20, sorted(anonymous)


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
