"""How long the first demo on a machine takes, and why: programs that no cache has are built from source."""

from __future__ import annotations

from collections.abc import Iterable

from s3c_actions.programs.install.locate import ProgramRequest, find_present
from s3c_actions.programs.install.pins import BUILDKITD, COPA, NOTATION, TRIVY, Pin
from s3c_lab.machine import Machine
from s3c_lab.node.programs import GATE, NODE
from s3c_lab.programs import TRIVY_DB

CHAIN = (TRIVY, COPA, NOTATION, BUILDKITD, TRIVY_DB)
"""The programs of a demo that does not go to a cluster."""
BUILD_SECONDS = {
    **{"trivy": 350, "copa": 63, "notation": 7, "buildkitd": 76, "trivy-db": 23},
    **{"containerd": 56, "runc": 8, "etcd": 19, "coredns": 95, "helm": 66, "gatekeeper": 130, "ratify": 130},
    **{"kube-apiserver": 258, "kube-controller-manager": 85, "kube-scheduler": 9, "kubelet": 23, "kube-proxy": 11},
}
"""Of a build on two idle cores from empty caches, where it is more than the linker's few seconds.

Measured in the order of the node's programs: those of Kubernetes share what the first of them compiled.
"""
LINK_SECONDS = 5


def missing(pins: Iterable[Pin], machine: Machine) -> tuple[Pin, ...]:
    """The programs that are neither on PATH nor in the cache."""
    return tuple(
        pin
        for pin in pins
        if find_present(ProgramRequest(pin=pin), cache=machine.cache, runner=machine.runner, progress=machine.progress)
        is None
    )


def expect(machine: Machine, *, cluster: bool) -> str:
    """Say how many minutes of building are ahead, and why; empty when every program is there.

    Args:
        machine: of the lab.
        cluster: the demo goes on to a cluster.
    """
    pins = missing((*CHAIN, *(NODE + GATE if cluster else ())), machine)
    if not pins:
        return ""
    minutes = -(-sum(BUILD_SECONDS.get(pin.name, LINK_SECONDS) for pin in pins) // 60)
    names = ", ".join(pin.name for pin in pins)
    return (
        f"Not on this machine yet: {len(pins)} of the programs ({names}). Those whose release "
        f"cannot be downloaded are built from their pinned sources: up to {minutes} min on two idle cores, once. "
        "What is built is kept, also when this is interrupted: run the same command again to go on."
    )
