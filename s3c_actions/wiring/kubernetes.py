"""Connect to the cluster that inputs and environment name."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.azure import kubernetes_service
from s3c_actions.cluster.client import check_kubeconfig, connect
from s3c_actions.core import pasted_content
from s3c_actions.core.errors import InputError
from s3c_actions.options import deploy as inputs
from s3c_actions.options.deploy import ClusterOptions
from s3c_actions.wiring.azure import identity_from_inputs
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.azure.kubernetes_service import ClusterAccess
    from s3c_actions.cluster.client import Cluster


def connect_cluster(options: ClusterOptions, context: Context) -> Cluster:
    """Connect to the cluster that the inputs, KUBECONFIG or the home folder name.

    Raises:
        InputError: the kubeconfig or the context cannot be used, or the Azure cluster does not exist.
        OutsideError: Azure did not return the cluster's access data.
    """
    return _bind_connection(options, context)()


def start_connecting(options: ClusterOptions, context: Context) -> Callable[[], Cluster]:
    """Connect in a thread: importing Kubernetes' client takes 0.2 s, in which registry requests can run.

    Returns:
        A function that waits for the connection, and returns or raises as `connect_cluster` does.

    Raises:
        InputError, OutsideError: as `aks_access`.
    """
    # Two threads that import a package with circular imports at once may find it half imported. `requests` is the one
    # that both threads need; the rest of the client is imported by this thread only.

    connect = _bind_connection(options, context)

    def work() -> Cluster:
        cluster = connect()
        context.runner.meanwhile()
        return cluster

    pool = ThreadPoolExecutor(1)
    connected = pool.submit(work)
    pool.shutdown(wait=False)
    return connected.result


def _bind_connection(options: ClusterOptions, context: Context) -> Callable[[], Cluster]:
    """Ask Azure in the current thread, and return the rest of the connection as a function."""
    kubeconfig = find_kubeconfig(options, context)
    check_kubeconfig(kubeconfig)
    azure = aks_access(options, context)
    token = azure.token if azure is not None else None
    return partial(
        connect,
        kubeconfig,
        options.context,
        timeout=min(options.timeout, 60.0),
        temp=context.temp,
        hide=context.secrets.add,
        token=token,
    )


def find_kubeconfig(options: ClusterOptions, context: Context) -> str:
    """Return the kubeconfig that the inputs, KUBECONFIG or the home folder name; several files are separated by `:`.

    Raises:
        InputError: the Azure cluster does not exist, or a kubeconfig is given beside it.
        OutsideError: Azure did not return the cluster's access data.
    """
    azure = aks_access(options, context)
    if azure is not None:
        path = context.temp / "aks.kubeconfig"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(json.dumps(azure.document), encoding="utf-8")  # JSON is YAML
        return str(path)
    home = Path(context.environment.get("HOME") or Path.home()) / ".kube" / "config"
    kubeconfig = options.kubeconfig
    if kubeconfig:
        return str(Path(kubeconfig).expanduser())
    paths = context.environment.get("KUBECONFIG", "")
    kind = pasted_content.recognize_in_path(paths)
    if kind:
        raise InputError(
            "kubeconfig", f"the variable KUBECONFIG holds {kind}, not a path.", remedy="Give it as `kubeconfig`."
        )
    return paths or str(home)


def aks_access(options: ClusterOptions, context: Context) -> ClusterAccess | None:
    """Fetch the access data of the named Azure Kubernetes Service cluster, once a run; None when none is named.

    Raises:
        InputError: the cluster does not exist, a part of its name is missing, or a kubeconfig is given beside it.
        OutsideError: Azure did not return the cluster's access data.
    """
    if not options.aks_cluster:
        return None

    cached = context.shared.get("aks")
    if isinstance(cached, kubernetes_service.ClusterAccess):
        return cached
    if options.kubeconfig:
        raise InputError("kubeconfig", "it is given beside `aks-cluster`.", remedy="Give one of both.")
    subscription = options.subscription or context.environment.get("AZURE_SUBSCRIPTION_ID", "")
    for name, value in (
        (inputs.ClusterOptions.resource_group.name, options.resource_group),
        ("subscription", subscription),
    ):
        if not value:
            raise InputError(name, "it is missing, and `aks-cluster` is given.", remedy="Give both.")
    cluster = kubernetes_service.AksCluster(
        subscription=subscription, group=options.resource_group, name=options.aks_cluster
    )
    identity = identity_from_inputs(options, context)
    access = kubernetes_service.fetch_access(cluster, identity, context.secrets)
    how = f"with {identity.description}" if access.token is not None else "with the cluster's local account"
    context.progress.notice(f"{cluster.name}: logged in {how}.")
    context.shared["aks"] = access
    return access
