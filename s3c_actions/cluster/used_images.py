"""Every image that a cluster uses or will use: of what runs, and of the templates by which its workloads start Pods.

An image is listed as a new Pod would name it, and by the digest that the kubelet pulled, which can be another one: a
tag may have moved since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from s3c_actions.cluster import image_places as places
from s3c_actions.cluster.apply import is_finished
from s3c_actions.cluster.client import Cluster, KubernetesObject, Resource
from s3c_actions.cluster.deployed import _place as workload_place
from s3c_actions.cluster.deployed import has_ended
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference

_MIRROR = "kubernetes.io/config.mirror"
# https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/


class ImageUse(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A place in which an image is used.

    Attributes:
        namespace: of the workload.
        workload: `NAMESPACE/NAME`, of a Pod that something made without what was appended to its name.
        noun: what names it there: `init container`.
        running: whether a Pod has it now; otherwise only a template has.
        static: of a Pod that a kubelet starts from a file of its node, whatever the API server says.
    """

    namespace: str
    workload: str
    noun: str
    running: bool
    static: bool = False


def list_used(cluster: Cluster, namespaces: Iterable[str] = ()) -> dict[str, tuple[ImageUse, ...]]:
    """List the images that are used: image → where.

    Args:
        cluster: to query.
        namespaces: only these; without any, all.

    Raises:
        OutsideError: the cluster does not answer, or does not allow listing a kind of workload.
    """
    selected = tuple(dict.fromkeys(namespaces)) or ("",)
    used: dict[str, dict[ImageUse, None]] = {}
    for workload in places.WORKLOADS:
        path = f"/apis/{workload.group}/{workload.version}" if workload.group else f"/api/{workload.version}"
        resource = Resource(path=path, plural=workload.plural, namespaced=True)
        for namespace in selected:
            for document in cluster.list(resource, namespace):
                for image, use in _uses(workload, document):
                    used.setdefault(image, {})[use] = None
    return {image: tuple(sorted(uses)) for image, uses in sorted(used.items())}


def _uses(workload: places.Workload, document: KubernetesObject) -> Iterator[tuple[str, ImageUse]]:
    is_pod = workload.kind == "Pod"
    metadata = document.get("metadata") or {}
    if has_ended(document) if is_pod else _is_made(metadata) or _is_over(workload, document):
        return
    spec: Any = document
    for step in workload.template:
        spec = spec.get(step) if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping):
        return
    static = _MIRROR in (metadata.get("annotations") or {})
    status = document.get("status") or {}
    for pod_image in places.pod_images(spec):
        use = ImageUse(
            namespace=str(metadata.get("namespace") or ""),
            workload=workload_place(metadata),
            noun=pod_image.place.noun,
            running=is_pod,
            static=static,
        )
        yield pod_image.image, use
        pulled = places.pulled_images(status, pod_image.place).get(pod_image.name, "") if is_pod else ""
        if running := _pulled_reference(pod_image.image, pulled):
            yield running, use


def _is_made(metadata: Mapping[str, Any]) -> bool:
    """Return whether a workload was made by another one, whose template has its images."""
    owners = metadata.get("ownerReferences") or ()
    return any(
        places.is_built_in(str(owner.get("apiVersion")).rpartition("/")[0], str(owner.get("kind"))) for owner in owners
    )


def _is_over(workload: places.Workload, document: KubernetesObject) -> bool:
    return workload.kind == "Job" and is_finished(document)


def _pulled_reference(image: str, pulled: str) -> str:
    """Return what runs, by the digest that the kubelet tells; empty where it tells none, or the image has one."""
    try:
        reference = Reference.parse(image)
        digest = Reference.parse(pulled.rpartition("://")[2]).digest if pulled else ""
    except InputError:
        return ""
    return f"{reference.name}@{digest}" if digest and not reference.digest else ""
