"""A fleet of what runs in a cluster: a real API server, with the rights that `s3c fleet manifests` gives a planner.

The planner is one in a Pod: it has the kubeconfig of the manifests' ConfigMap and a token of their ServiceAccount.
There is no node, so that the test itself says what a kubelet would: that the Pods run, and by which digest.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.cluster.client import MERGE_PATCH, ApiError, Cluster, Resource, connect
from s3c_actions.fleet import manifests
from s3c_actions.fleet import plan as plans
from tests.support.api_server import api_server
from tests.support.cluster import pod, pod_spec
from tests.support.debian_registry import debian_registry
from tests.support.fleet_manifests import SETTINGS
from tests.support.oci import Repository, layer
from tests.support.signing import s3c

PODS = Resource(path="/api/v1", plural="pods", namespaced=True)
NAMESPACES = Resource(path="/api/v1", plural="namespaces", namespaced=False)
GIVEN = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding")
"""Kinds of the manifests that let a planner in."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Cluster]]:
    """The folder of an API server's certificates, and a client with all rights."""
    folder = tmp_path_factory.mktemp("api")
    with api_server(folder) as (_, admin):
        yield folder, admin


@pytest.fixture(scope="module")
def planner(server: tuple[Path, Cluster], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of the planner's kubeconfig."""
    certificates, cluster = server
    folder = tmp_path_factory.mktemp("planner")
    objects = manifests.objects(replace(SETTINGS, cluster_images=True))
    for document in objects:
        namespace = document["metadata"].get("namespace", "")
        if document["kind"] in GIVEN and namespace in {"", SETTINGS.namespace}:
            resource = cluster.resource(document["apiVersion"], document["kind"])
            cluster.apply(resource, document, namespace, dry_run=False, force=True)
    account = f"/api/v1/namespaces/{SETTINGS.namespace}/serviceaccounts/{manifests.NAME}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    (folder / "token").write_text(cluster.request("POST", account, body=request)["status"]["token"])
    (text,) = (document["data"]["kubeconfig"] for document in objects if "kubeconfig" in document.get("data", {}))
    mounted = "/var/run/secrets/kubernetes.io/serviceaccount"
    for in_cluster, local in (
        ("https://kubernetes.default.svc", cluster.address),
        (f"{mounted}/ca.crt", str(certificates / "ca.crt")),
        (f"{mounted}/token", str(folder / "token")),
    ):
        assert in_cluster in text
        text = text.replace(in_cluster, local)
    (folder / "kubeconfig").write_text(text)
    await_rights(connect(str(folder / "kubeconfig"), "", timeout=30, temp=folder, hide=lambda _: None))
    return folder / "kubeconfig"


def await_rights(planner: Cluster) -> None:
    """Wait until the API server knows a binding that it was just given: it authorizes by a copy of its own."""
    ends = time.monotonic() + 60
    while True:
        try:
            planner.list(PODS)
            planner.request("GET", "/api/v1")  # discovery is a right too
        except ApiError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)
        else:
            return


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with debian_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


def push(registry: str, name: str, content: str) -> str:
    """Push an image, and return it by tag and digest."""
    image = Repository(registry, name).image([layer({"etc/content": content.encode()})], "1.0")
    return f"{registry}/{name}:1.0@{image['digest']}"


def run(cluster: Cluster, namespace: str, image: str, *, phase: str = "Running") -> None:
    """Have a Pod whose image a kubelet has pulled by its digest, as it says when the image has one."""
    name, tagged = image.rpartition("/")[2].partition(":")[0], image.partition("@")[0]
    document: dict[str, Any] = pod(name, {**pod_spec(tagged), "nodeName": "a-node"})
    document["metadata"]["namespace"] = namespace
    cluster.create(PODS, document, namespace, dry_run=False)
    (container,) = document["spec"]["containers"]
    pulled = f"{tagged.rpartition(':')[0]}@{image.partition('@')[2]}" if "@" in image else ""
    state = {"name": container["name"], "image": tagged, "imageID": pulled}
    status = {"phase": phase, "containerStatuses": [{**state, "ready": True, "restartCount": 0}]}
    path = f"{PODS.url(namespace, name)}/status"
    cluster.request("PATCH", path, body={"status": status}, content_type=MERGE_PATCH)


def test_what_runs_in_a_cluster_is_planned_by_the_digest_that_runs(
    server: tuple[Path, Cluster], planner: Path, registry: str, tmp_path: Path
) -> None:
    cluster = server[1]
    for namespace in ("shop", "labs"):
        cluster.create(NAMESPACES, {"kind": "Namespace", "metadata": {"name": namespace}}, dry_run=False)
    runs = {namespace: push(registry, f"{namespace}/app", "runs") for namespace in ("shop", "labs", "kube-system")}
    for namespace, image in runs.items():
        run(cluster, namespace, image)
    run(cluster, "shop", push(registry, "shop/done", "done"), phase="Succeeded")
    run(cluster, "shop", f"{registry}/shop/pulling:1.0", phase="Pending")
    # The tag has moved on; what runs has not.
    moved = push(registry, "shop/app", "moved")
    assert moved != runs["shop"]

    def planned(cluster_section: str) -> tuple[set[str], dict[str, str]]:
        (tmp_path / "fleet.yaml").write_text(f"version: 1\nimages: [{{cluster: {cluster_section}}}]\n")
        s3c(tmp_path, "fleet", "plan", "--kubeconfig", planner, "--output", "plan.json")
        plan = plans.read(tmp_path / "plan.json")
        return {image.image for image in plan.images}, {entry.image: entry.what for entry in plan.unplanned}

    pulling = {f"{registry}/shop/pulling:1.0": "The cluster does not tell its digest."}
    assert planned("{}") == ({runs["shop"], runs["labs"]}, pulling)
    assert planned("{namespaces: [shop]}") == ({runs["shop"]}, pulling)
    assert planned("{namespaces: [labs, kube-system]}") == ({runs["labs"], runs["kube-system"]}, {})


def test_a_planner_may_list_pods_and_nothing_else(planner: Path, tmp_path: Path) -> None:
    own = connect(str(planner), "", timeout=30, temp=tmp_path, hide=lambda _: None)
    assert own.list(PODS) is not None
    for plural in ("secrets", "configmaps", "serviceaccounts"):
        with pytest.raises(ApiError) as refused:
            own.list(Resource(path="/api/v1", plural=plural, namespaced=True))
        assert refused.value.status == 403
