"""Gatekeeper does not run, and the machine restarts: the node keeps its lease and comes back, and Pods stay refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3c_lab import lab as labs
from s3c_lab.machine import Machine
from s3c_lab.node.cluster import node_name
from tests.e2e.conftest import PREFIX
from tests.support.cluster import CONSTRAINT, GATE, Kubectl, pod, pod_spec

pytestmark = pytest.mark.usefixtures("on_the_node")
STRANGE = pod("x", pod_spec(f"localhost:1/x@sha256:{64 * '1'}"))


@pytest.fixture
def own(machine: Machine, kubectl: Kubectl) -> Iterator[tuple[str, Kubectl]]:
    """A lab of the test's own, whose node may restart."""
    name = f"{PREFIX}{os.getpid()}-stopped"
    made = labs.up(name, 0, machine, node=True)
    try:
        yield node_name(name), Kubectl(kubectl.program, made.kubeconfig)
    finally:
        labs.down(name, machine)


def test_without_gatekeeper_the_node_keeps_its_lease_restarts_and_returns_and_pods_stay_refused(
    own: tuple[str, Kubectl], tmp_path: Path
) -> None:
    node, kubectl = own
    lease = ("get", "lease", node, "-n", "kube-node-lease", "-o", "jsonpath={.spec.renewTime}")
    kubectl("scale", "-n", GATE, "deployment/gatekeeper-controller-manager", "--replicas=0")
    kubectl("wait", "-n", GATE, "--for=delete", "pod", "-l", "control-plane=controller-manager", "--timeout=180s")
    kubectl.until_denied(STRANGE, "failed calling webhook")
    renewed = {kubectl(*lease)}
    until = time.monotonic() + 60
    while len(renewed) < 3:
        assert time.monotonic() < until, renewed
        time.sleep(1)
        renewed.add(kubectl(*lease))

    # As after `az aks stop`, or when the last node is replaced: the node that returns is new to the cluster.
    uid = ("get", "node", node, "-o", "jsonpath={.metadata.uid}")
    before = kubectl(*uid)
    kubectl.run("delete", "node", node, "--wait=false")  # without a Node, the machine's kube-proxy ends, and the rest
    subprocess.run(["docker", "restart", "--time=5", node], check=True, capture_output=True)
    kubectl = _again(node, kubectl, tmp_path)
    ready = ("get", "node", node, "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')
    until = time.monotonic() + 240
    while (said := kubectl.run(*ready)).stdout != "True":
        assert time.monotonic() < until, said.stdout + said.stderr
        time.sleep(1)
    assert kubectl(*uid) != before
    until = time.monotonic() + 60
    while (lately := kubectl.run(*lease).stdout) in {"", *renewed}:
        assert time.monotonic() < until, lately
        time.sleep(1)

    assert "failed calling webhook" in kubectl.tried(STRANGE)
    # The gate's own objects can be mended meanwhile.
    paused = {"spec": {"parameters": {"allowTags": False}}}
    kubectl("patch", CONSTRAINT, "--dry-run=server", "--type=merge", "-p", json.dumps(paused))
    kubectl("scale", "-n", GATE, "deployment/gatekeeper-controller-manager", "--replicas=1")
    until = time.monotonic() + 240
    while "[ratify-verification]" not in (denied := kubectl.tried(STRANGE)):
        assert time.monotonic() < until, denied
        time.sleep(1)


def _again(node: str, before: Kubectl, folder: Path) -> Kubectl:
    """kubectl on a node that was restarted: Docker gives its API server another port."""
    inspected = subprocess.run(["docker", "inspect", node], check=True, capture_output=True, text=True).stdout
    port = json.loads(inspected)[0]["NetworkSettings"]["Ports"]["6443/tcp"][0]["HostPort"]
    file = folder / "kubeconfig"
    text = Path(before.kubeconfig).read_text()
    file.write_text(re.sub(r"https://127\.0\.0\.1:[0-9]+", f"https://127.0.0.1:{port}", text))
    kubectl = Kubectl(before.program, str(file))
    until = time.monotonic() + 180
    while kubectl.run("get", "--raw", "/readyz").returncode != 0:
        assert time.monotonic() < until, subprocess.run(["docker", "logs", node], capture_output=True, check=False)
        time.sleep(1)
    return kubectl
