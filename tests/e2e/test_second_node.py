"""A second lab with a node, which may restart: it stands beside the first, comes back, and leaves nothing behind.

The tests are in the order of its life.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from s3c_lab import lab as labs
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node.cluster import node_name
from tests.e2e.conftest import PREFIX
from tests.support.cluster import CONSTRAINT, GATE, Kubectl, pod, pod_spec

pytestmark = pytest.mark.usefixtures("on_the_node")
STRANGE = pod("x", pod_spec(f"localhost:1/x@sha256:{64 * '1'}"))


@pytest.fixture(scope="module")
def second(machine: Machine, on_the_node: None) -> Iterator[Lab]:
    """One for all tests of this file."""
    name = f"{PREFIX}{os.getpid()}-second"
    yield labs.up(name, 0, machine, node=True)
    labs.down(name, machine)


def test_it_stands_beside_the_first(gated: Lab, kubectl: Kubectl, second: Lab) -> None:
    other = Kubectl(kubectl.program, second.kubeconfig)
    assert second.registry != gated.registry
    assert other("get", "nodes", "-o", "name").split() == [f"node/{node_name(second.name)}"]
    assert kubectl("get", "nodes", "-o", "name").split() == [f"node/{node_name(gated.name)}"]


def test_without_gatekeeper_the_node_keeps_its_lease_restarts_and_returns_and_pods_stay_refused(
    kubectl: Kubectl, second: Lab, tmp_path: Path
) -> None:
    """As where Gatekeeper is down while nodes are replaced."""
    node, kubectl = node_name(second.name), Kubectl(kubectl.program, second.kubeconfig)
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
    while (status := kubectl.run(*ready)).stdout != "True":
        assert time.monotonic() < until, status.stdout + status.stderr
        time.sleep(1)
    assert kubectl(*uid) != before
    until = time.monotonic() + 60
    while (lately := kubectl.run(*lease).stdout) in {"", *renewed}:
        assert time.monotonic() < until, lately
        time.sleep(1)

    assert "failed calling webhook" in kubectl.tried(STRANGE)
    # The gate's own objects can be repaired meanwhile.
    paused = {"spec": {"parameters": {"allowTags": False}}}
    kubectl("patch", CONSTRAINT, "--dry-run=server", "--type=merge", "-p", json.dumps(paused))
    kubectl("scale", "-n", GATE, "deployment/gatekeeper-controller-manager", "--replicas=1")
    until = time.monotonic() + 240
    while "[ratify-verification]" not in (denied := kubectl.tried(STRANGE)):
        assert time.monotonic() < until, denied
        time.sleep(1)


def test_it_leaves_nothing_behind(second: Lab, machine: Machine) -> None:
    footprint = Footprint.of(second)
    before = footprint.traces()
    labs.down(second.name, machine)
    assert all(before.values()), "the test looks for traces where a node that runs has none"
    assert footprint.traces() == {kind: [] for kind in before}


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


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """By what to tell a node's traces from those of everything else on this machine."""

    folder: Path
    containers: list[str]
    volumes: list[str]
    link: str
    port: str

    @classmethod
    def of(cls, lab: Lab) -> Footprint:
        node = node_name(lab.name)
        inspected = json.loads(_output("docker", "inspect", node, f"{node}-registry"))
        mounts = (mount for container in inspected for mount in container["Mounts"])
        return cls(
            folder=Path(lab.folder),
            containers=[container["Id"] for container in inspected],
            volumes=[mount["Name"] for mount in mounts if mount["Type"] == "volume"],
            # The other end of the node's only cable.
            link=_output("docker", "exec", node, "cat", "/sys/class/net/eth0/iflink").strip(),
            port=inspected[0]["NetworkSettings"]["Ports"]["6443/tcp"][0]["HostPort"],
        )

    def traces(self) -> dict[str, list[str]]:
        """What there is of the node on the host."""
        # Containers of other tests come and go meanwhile: `rglob` fails where a group does.
        groups = (
            str(Path(above, name)) for above, folders, files in os.walk("/sys/fs/cgroup") for name in folders + files
        )
        return {
            "files": [str(self.folder)] if self.folder.exists() else [],
            "containers": self._ours(_output("docker", "ps", "--all", "--quiet", "--no-trunc")),
            "volumes": [
                volume for volume in _output("docker", "volume", "ls", "--quiet").split() if volume in self.volumes
            ],
            "control groups": self._ours("\n".join(groups)),
            "processes": self._ours("\n".join(_read(file) for file in Path("/proc").glob("[0-9]*/cgroup"))),
            "interfaces": [
                interface.name
                for interface in Path("/sys/class/net").iterdir()
                if _read(interface / "ifindex").strip() == self.link
            ],
            "rules": [rule for rule in _output("iptables-save").splitlines() if f"--dport {self.port} " in rule],
        }

    def _ours(self, lines: str) -> list[str]:
        return [line for line in lines.splitlines() if any(container in line for container in self.containers)]


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # it ended in the meantime
