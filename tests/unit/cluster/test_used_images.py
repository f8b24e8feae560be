"""Which images a cluster uses: of Pods in every place, by tag and by what was pulled, and of templates."""

from __future__ import annotations

from typing import Any

from s3c_actions.cluster import image_places
from s3c_actions.cluster.client import Cluster, Resource
from s3c_actions.cluster.used_images import ImageUse, list_used

INIT_DIGEST, APP_DIGEST = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


class Served(Cluster):
    """A cluster with objects by plural."""

    def __init__(self, **objects: list[dict[str, Any]]) -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        self.objects = objects

    def list(self, resource: Resource, namespace: str = "", **query: str) -> list[dict[str, Any]]:
        listed = self.objects.get(resource.plural, [])
        return [document for document in listed if namespace in {"", document["metadata"]["namespace"]}]


def pod(name: str, spec: dict[str, Any], status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": name, **metadata}, "spec": spec, "status": status or {}}


def template(kind: str, image: str, **metadata: Any) -> dict[str, Any]:
    (workload,) = (workload for workload in image_places.WORKLOADS if workload.kind == kind)
    document: dict[str, Any] = {"containers": [{"name": "x", "image": image}]}
    for step in reversed(workload.template):
        document = {step: document}
    return {**document, "metadata": {"namespace": "shop", "name": kind.lower(), **metadata}}


def test_every_place_of_a_pod_counts_by_its_name_and_by_what_runs():
    spec = {
        "containers": [{"name": "app", "image": "reg.example/app:1"}],
        "initContainers": [{"name": "init", "image": f"reg.example/init@{INIT_DIGEST}"}],
        "ephemeralContainers": [{"name": "debug", "image": "reg.example/debug:2"}],
        "volumes": [{"name": "data", "image": {"reference": "reg.example/data:3"}}, {"name": "none", "emptyDir": {}}],
    }
    status = {
        "phase": "Running",
        "containerStatuses": [{"name": "app", "imageID": f"docker-pullable://reg.example/app@{APP_DIGEST}"}],
        "initContainerStatuses": [{"name": "init", "imageID": f"reg.example/init@{INIT_DIGEST}"}],
        "ephemeralContainerStatuses": [{"name": "debug", "imageID": "sha256:" + "3" * 64}],
    }
    used = list_used(Served(pods=[pod("app-7d", spec, status)]))
    assert {image: uses[0].noun for image, uses in used.items()} == {
        "reg.example/app:1": "container",
        f"reg.example/app@{APP_DIGEST}": "container",
        f"reg.example/init@{INIT_DIGEST}": "init container",
        "reg.example/debug:2": "ephemeral container",
        "reg.example/data:3": "image volume",
    }
    assert all(use.running and use.workload == "shop/app-7d" for uses in used.values() for use in uses)


def test_templates_count_also_while_nothing_runs_of_them_and_what_they_made_does_not_count_twice():
    kinds = [workload for workload in image_places.WORKLOADS if workload.kind != "Pod"]
    served = Served(
        **{workload.plural: [template(workload.kind, f"reg.example/{workload.kind.lower()}:1")] for workload in kinds}
    )
    used = list_used(served)
    assert set(used) == {f"reg.example/{workload.kind.lower()}:1" for workload in kinds}
    assert not any(use.running for uses in used.values() for use in uses)
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}
    own = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "name": "app"}
    owned = Served(
        replicasets=[template("ReplicaSet", "reg.example/old:1", ownerReferences=[owner])],
        deployments=[template("Deployment", "reg.example/new:1", ownerReferences=[own])],
    )
    assert list(list_used(owned)) == ["reg.example/new:1"]


def test_what_is_over_does_not_count():
    finished = {
        **template("Job", "reg.example/done:1"),
        "status": {"conditions": [{"type": "Complete", "status": "True"}]},
    }
    ended = pod("x", {"containers": [{"name": "x", "image": "reg.example/x:1"}]}, {"phase": "Succeeded"})
    assert list_used(Served(jobs=[finished], pods=[ended])) == {}


def test_a_static_pod_is_told_apart_and_namespaces_limit_the_look():
    spec = {"containers": [{"name": "x", "image": "reg.example/proxy:1"}]}
    mirror = {"annotations": {"kubernetes.io/config.mirror": "hash"}}
    static, other = pod("proxy-node", spec, **mirror), pod("proxy", spec)
    other["metadata"]["namespace"] = "pay"
    served = Served(pods=[static, other])
    (uses,) = list_used(served).values()
    assert [(use.namespace, use.static) for use in uses] == [("pay", False), ("shop", True)]
    (limited,) = list_used(served, ["pay"]).values()
    assert limited == (ImageUse(namespace="pay", workload="pay/proxy", noun="container", running=True, static=False),)
