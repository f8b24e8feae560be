"""The container that is a whole Kubernetes node: start, wait until it is Ready, remove.

The registry is a process on the host's loopback interface, which containers do not reach. A second, tiny container in
the host's network forwards its connections through a socket in a shared folder; so localhost:PORT is the same registry
on the host, on the node and in Pods of the node's network.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3c_actions.core.errors import OutsideError
from s3c_lab import docker_engine
from s3c_lab.machine import Machine
from s3c_lab.node import files, pki
from s3c_lab.system.container import CONTROL_GROUPS, machine_options

if TYPE_CHECKING:
    from docker import DockerClient

READY = 180.0
ENTRY = Path(__file__).parent / "entry.sh"
SOCKET = "/var/lib/s3c-registry"
LABEL = "s3c-lab"


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """One node.

    Attributes:
        name: of the container, the host in it and the Kubernetes node.
        image: made by `NODE_IMAGE.load`.
        programs: the static programs of the node, by name.
        images: OCI archives that are imported into containerd.
        registry: `localhost:PORT`, the registry's one name on the host, the node and in Pods.
        folder: for keys, configuration and the kubeconfig.
    """

    name: str
    image: str
    programs: Mapping[str, Path]
    images: tuple[Path, ...]
    registry: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node that runs: `kubeconfig` for the host, `port` of its API server on 127.0.0.1."""

    name: str
    kubeconfig: Path
    port: int


def start(settings: NodeSettings, machine: Machine) -> Node:
    """Start the node and wait until it is Ready.

    Raises:
        OutsideError: Docker refuses the container, or a part of the node ends or is not ready in time.
    """
    from docker.errors import DockerException

    certificates = pki.node_certificates(settings.name)
    configuration = files.node_files(registry=settings.registry, pki=certificates)
    _write_files(settings.folder / "etc", configuration)
    (settings.folder / "registry").mkdir(parents=True, exist_ok=True)
    _link_programs(settings.programs, settings.folder / "bin")
    started = time.monotonic()
    with docker_engine.connect(machine) as docker:
        try:
            _run_container(
                docker,
                f"{settings.name}-registry",
                settings.image,
                _forwarder_options(settings),
                _forward_command(settings.registry),
            )
            _run_container(
                docker,
                settings.name,
                settings.image,
                _node_options(settings, docker, machine),
                ["/bin/bash", "/s3c-node.sh"],
            )
            ports = docker.api.inspect_container(settings.name)["NetworkSettings"]["Ports"]
            port = int(ports["6443/tcp"][0]["HostPort"])
        except (DockerException, KeyError, IndexError, TypeError) as error:
            raise OutsideError(
                f"Docker did not start the node {settings.name}.",
                cause="This machine may not let containers have the capabilities a node needs.",
                remedy="Use a machine where root may run such containers, or another cluster with --kubeconfig.",
                original=str(error),
            ) from error
        kubeconfig = settings.folder / "kubeconfig"
        _write_private(kubeconfig, files.kubeconfig("admin", port, certificates).encode())
        node = Node(name=settings.name, kubeconfig=kubeconfig, port=port)
        machine.progress.note(f"node {settings.name} is started: waiting for Kubernetes")
        _wait_until_ready(node, settings.programs["kubectl"], docker, machine, started)
    machine.progress.note(f"node {settings.name} is Ready after {time.monotonic() - started:.1f} s")
    return node


def remove(name: str, machine: Machine) -> bool:
    """Remove the node, with its volumes, interfaces and control groups; returns whether it existed."""
    from docker.errors import NotFound

    removed = False
    with docker_engine.connect(machine) as docker:
        for container in (name, f"{name}-registry"):
            try:
                docker.api.remove_container(container, v=True, force=True)
                removed = True
            except NotFound:
                continue
    return removed


def running(name: str, machine: Machine) -> bool:
    """Whether the node's containers run."""
    from docker.errors import NotFound

    with docker_engine.connect(machine) as docker:
        try:
            return all(
                docker.api.inspect_container(container)["State"]["Running"] is True
                for container in (name, f"{name}-registry")
            )
        except NotFound:
            return False


def _node_options(settings: NodeSettings, docker: DockerClient, machine: Machine) -> dict[str, Any]:
    """The options of a privileged container, as far as this machine can grant them."""
    mounts = {
        settings.folder / "etc": "/etc/s3c-node",
        settings.folder / "bin": "/usr/local/bin",
        ENTRY: "/s3c-node.sh",
        CONTROL_GROUPS: "/s3c-control-groups.sh",
    }
    mounts |= {path: f"/var/lib/s3c-images/{path.name}" for path in settings.images}
    binds = [
        *(f"{source}:{target}:ro" for source, target in mounts.items()),
        f"{settings.folder / 'registry'}:{SOCKET}",
    ]
    host = machine_options(docker, binds, ports={6443: ("127.0.0.1",)})
    # Whoever lets the programs in Go around it take more memory and less of the processor means the node's, too.
    environment = {"GOGC": machine.environment["GOGC"]} if machine.environment.get("GOGC") else {}
    return {
        "host_config": host,
        "hostname": settings.name,
        "ports": [6443],
        "volumes": ["/var/lib/s3c-node"],
        "environment": environment,
    }


def _forwarder_options(settings: NodeSettings) -> dict[str, Any]:
    host = {"NetworkMode": "host", "Binds": [f"{settings.folder / 'registry'}:{SOCKET}"]}
    return {"host_config": host}


def _forward_command(registry: str) -> list[str]:
    port = registry.rpartition(":")[2]
    return ["socat", f"UNIX-LISTEN:{SOCKET}/socket,fork,unlink-early", f"TCP:127.0.0.1:{port}"]


def _run_container(docker: DockerClient, name: str, image: str, options: dict[str, Any], command: list[str]) -> None:
    container = docker.api.create_container(image, command, name=name, labels={LABEL: name}, detach=True, **options)
    docker.api.start(container["Id"])


def _wait_until_ready(node: Node, kubectl: Path, docker: DockerClient, machine: Machine, started: float) -> None:
    get: list[str | Path] = [kubectl, "--kubeconfig", node.kubeconfig, "--request-timeout=5s", "get"]
    ready = [*get, "node", node.name, "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}']
    account = [*get, "serviceaccount", "default"]  # without which no Pod is accepted
    last_error = ""
    while time.monotonic() - started < READY:
        completed = machine.runner.run(ready, check=False, timeout=30)
        if completed.stdout == "True":
            completed = machine.runner.run(account, check=False, timeout=30)
            if completed.code == 0:
                return
        last_error = completed.stderr or last_error
        if not docker.api.inspect_container(node.name)["State"]["Running"]:
            raise OutsideError(
                f"The node {node.name} ended before it was ready.",
                cause="One of its parts cannot run on this machine's kernel, or with what this machine permits.",
                remedy="Read what that part said last.",
                original=docker.api.logs(node.name, tail=40).decode(errors="replace").strip(),
            )
        time.sleep(0.3)
    raise OutsideError(
        f"The node {node.name} was not ready within {READY:.0f} s.",
        cause="The machine may be too busy or short of memory.",
        remedy=f"Look at `docker exec {node.name} tail -n 20 /var/log/s3c-node/kubelet.log`, or try again.",
        original=last_error.strip(),
    )


def _link_programs(programs: Mapping[str, Path], folder: Path) -> None:
    """Link all programs into one folder.

    They cannot be mounted individually: runc seals itself in an overlay of its folder, where such mounts are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in programs.items():
        (folder / name).unlink(missing_ok=True)
        try:
            (folder / name).hardlink_to(path)
        except OSError:  # on another disk, or of another user
            shutil.copy2(path, folder / name)


def _write_files(folder: Path, content: Mapping[str, bytes]) -> None:
    for path, data in content.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_private(target, data)


def _write_private(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
        file.write(data)
