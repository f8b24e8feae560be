"""The Gateway API on a cluster: its real definitions, and a stand-in for the controller, a cloud's own service.

The stand-in writes what the specification has a controller write, through the status subresource, so the definitions
check its form. It runs no proxy: no request passes. Nothing of AKS's `approuting-istio` runs here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.pins import Pin
from s3c_lab.machine import Machine
from tests.support.cluster import Kubectl

API = Pin(
    name="gateway-api",
    version="1.5.1",
    module="sigs.k8s.io/gateway-api",
    package="",
    licence="Apache-2.0",
    modules=Path(__file__).parent / "modules",
)
_MOMENT = "2026-11-01T00:00:00Z"


def definitions(machine: Machine, into: Path) -> Path:
    """A folder with the definitions of the standard channel, from the pinned module."""
    fetched = into / "fetched"
    tools = {"cache": machine.cache, "runner": machine.runner, "progress": machine.progress}
    gobuild.copy_folder(API, "config/crd/standard", fetched, **tools)  # type: ignore[arg-type]
    kept = into / "definitions"
    kept.mkdir()
    for name in ("gatewayclasses", "gateways", "httproutes", "referencegrants"):
        shutil.copyfile(fetched / f"gateway.networking.k8s.io_{name}.yaml", kept / f"{name}.yaml")
    return kept


def condition(kind: str, generation: int, reason: str = "", status: str = "True") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason or kind,
        "message": "",
        "observedGeneration": generation,
        "lastTransitionTime": _MOMENT,
    }


def write_status(kubectl: Kubectl, thing: str, namespace: str, status: dict[str, Any]) -> None:
    """Write the status of an object as a controller does."""
    patch = json.dumps({"status": status})
    kubectl("patch", thing, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)


def generation(kubectl: Kubectl, thing: str, namespace: str) -> int:
    return int(kubectl("get", thing, "-n", namespace, "-o", "jsonpath={.metadata.generation}"))


def program_gateway(kubectl: Kubectl, name: str, namespace: str, addresses: Sequence[str]) -> None:
    """Write the status of a Gateway that is set up."""
    now = generation(kubectl, f"gateway/{name}", namespace)
    status = {
        "conditions": [condition("Accepted", now), condition("Programmed", now)],
        "addresses": [{"type": "IPAddress", "value": value} for value in addresses],
    }
    write_status(kubectl, f"gateway/{name}", namespace, status)


def answer_route(kubectl: Kubectl, name: str, namespace: str, *conditions: dict[str, Any]) -> None:
    """Write a controller's answer to a route, for each of its parents."""
    route = json.loads(kubectl("get", f"httproute/{name}", "-n", namespace, "-o", "json"))
    parents = [
        {"parentRef": reference, "controllerName": "stand-in.example/gateway", "conditions": list(conditions)}
        for reference in route["spec"]["parentRefs"]
    ]
    write_status(kubectl, f"httproute/{name}", namespace, {"parents": parents})
