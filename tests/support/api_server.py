"""The real API server of Kubernetes with its etcd, on this machine's loopback interface and without a node."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from s3c_actions.cli.run import cache_path
from s3c_actions.cluster.client import Cluster, Resource, connect
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Silent
from s3c_actions.programs.install.locate import ProgramRequest, locate_all
from s3c_lab import registry_server
from s3c_lab.node import files, pki
from s3c_lab.node.programs import NODE

NAMESPACES = Resource(path="/api/v1", plural="namespaces", namespaced=False)


@contextmanager
def started(argv: list[str], log: Any, environment: Mapping[str, str]) -> Iterator[None]:
    """A program that runs until the end of the block."""
    process = subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ, **environment})
    try:
        yield
    finally:
        process.kill()
        process.wait(120)


def write_kubeconfig(folder: Path, port: int) -> Path:
    """Write a cluster's certificates into a folder, and the kubeconfig of its administrator, whose path is returned."""
    certificates = pki.node_certificates("s3c-contract")
    for name, content in certificates.items():
        (folder / name).write_bytes(content)
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(files.kubeconfig("admin", port, certificates))
    return kubeconfig


@contextmanager
def api_server(folder: Path) -> Iterator[tuple[Path, Cluster]]:
    """The kubeconfig of an API server that answers, and a client of it, until the end of the block.

    Args:
        folder: for its files: certificates by the names of `pki.node_certificates`, what it keeps, its log.
    """
    requests = [ProgramRequest(pin=pin) for pin in NODE if pin.name in {"etcd", "kube-apiserver"}]
    located = locate_all(requests, cache=cache_path(os.environ), runner=Runner(os.environ), progress=Silent())
    programs = {program.name: str(program.path) for program in located}
    client, peer, secure = (registry_server.free_port() for _ in range(3))
    kubeconfig = write_kubeconfig(folder, secure)
    etcd = [
        *(programs["etcd"], "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--log-level", "warn"),
        *("--listen-client-urls", f"http://127.0.0.1:{client}"),
        *("--advertise-client-urls", f"http://127.0.0.1:{client}"),
        *("--listen-peer-urls", f"http://127.0.0.1:{peer}"),
    ]
    server = [
        *(programs["kube-apiserver"], f"--etcd-servers=http://127.0.0.1:{client}", f"--secure-port={secure}"),
        "--bind-address=127.0.0.1",
        f"--tls-cert-file={folder}/apiserver.crt",
        f"--tls-private-key-file={folder}/apiserver.key",
        *(f"--client-ca-file={folder}/ca.crt", f"--service-account-key-file={folder}/service-accounts.pub"),
        f"--service-account-signing-key-file={folder}/service-accounts.key",
        *("--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16"),
        *("--authorization-mode=Node,RBAC", "--disable-admission-plugins=ServiceAccount"),
    ]
    log_file = folder / "server.log"
    with log_file.open("wb") as log, started(etcd, log, {}), started(server, log, {}):
        cluster = connect(str(kubeconfig), "", timeout=30, temp=folder, hide=lambda _: None)
        until = time.monotonic() + 180
        while not _answers(cluster):
            assert time.monotonic() < until, log_file.read_text()[-3000:]
            time.sleep(0.3)
        yield kubeconfig, cluster


def _answers(cluster: Cluster) -> bool:
    try:
        return cluster.get(NAMESPACES, "default") is not None
    except OutsideError:
        return False
