"""The places of images on a cluster: the one list for manifests, the gate, its proof and `refresh`.

The Rego in manifests/gatekeeper/template.yaml has the same places; a test compares it with this list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec


class ImagePlace(msgspec.Struct, frozen=True, kw_only=True):
    """A list in a Pod's `spec` whose items may name an image.

    Attributes:
        field: of the `spec`.
        path: from an item to its image.
        noun: for people.
        statuses: list in the Pod's `status` with the `imageID` of each item; empty where there is none.
        creatable: whether a Pod may be created with it.
    """

    field: str
    path: tuple[str, ...]
    noun: str
    statuses: str = ""
    creatable: bool = True

    @property
    def phrase(self) -> str:
        """Return the place for people: `as an init container`."""
        return f"as {'an' if self.noun[0] in 'aei' else 'a'} {self.noun}"


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """A built-in kind of Kubernetes that is a Pod or creates Pods; `template` is the path of the Pod's `spec`."""

    group: str
    version: str
    kind: str
    plural: str
    template: tuple[str, ...]


class PodImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image in a Pod's `spec`: the item's name, and the image as written there; empty where none is named."""

    place: ImagePlace
    name: str
    image: str


CONTAINERS = ImagePlace(field="containers", path=("image",), noun="container", statuses="containerStatuses")
PLACES = (
    CONTAINERS,
    ImagePlace(field="initContainers", path=("image",), noun="init container", statuses="initContainerStatuses"),
    ImagePlace(
        field="ephemeralContainers",
        path=("image",),
        noun="ephemeral container",
        statuses="ephemeralContainerStatuses",
        creatable=False,
    ),
    # https://kubernetes.io/docs/concepts/storage/volumes/#image
    ImagePlace(field="volumes", path=("image", "reference"), noun="image volume"),
)
SUBRESOURCES = {"pods/ephemeralcontainers": "ephemeral containers"}
"""Subresources that change the images of an existing Pod, besides an update of the Pod itself → noun for people."""

_TEMPLATE = ("spec", "template", "spec")
WORKLOADS = (
    Workload(group="", version="v1", kind="Pod", plural="pods", template=("spec",)),
    Workload(group="", version="v1", kind="PodTemplate", plural="podtemplates", template=("template", "spec")),
    Workload(group="", version="v1", kind="ReplicationController", plural="replicationcontrollers", template=_TEMPLATE),
    *(
        Workload(group="apps", version="v1", kind=kind, plural=f"{kind.lower()}s", template=_TEMPLATE)
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
    ),
    Workload(group="batch", version="v1", kind="Job", plural="jobs", template=_TEMPLATE),
    Workload(
        group="batch",
        version="v1",
        kind="CronJob",
        plural="cronjobs",
        template=("spec", "jobTemplate", "spec", "template", "spec"),
    ),
)
WORKLOAD_KINDS = frozenset(workload.kind for workload in WORKLOADS)
TEMPLATE_PATHS = tuple(dict.fromkeys(workload.template for workload in WORKLOADS))
"""Paths of a Pod's `spec` in an object, whatever its kind: custom workloads have the same shape as built-in ones."""


def is_built_in(group: str, kind: str) -> bool:
    """Return whether a kind is one of `WORKLOADS`."""
    return any((workload.group, workload.kind) == (group, kind) for workload in WORKLOADS)


def pod_images(spec: Mapping[str, Any]) -> Iterator[PodImage]:
    """Yield every image of a Pod's `spec`, in the API's form."""
    for place in PLACES:
        for item in _mappings(spec.get(place.field)):
            holder: Any = item
            for step in place.path[:-1]:
                holder = holder.get(step) if isinstance(holder, Mapping) else None
            if isinstance(holder, Mapping):
                yield PodImage(
                    place=place, name=str(item.get("name") or ""), image=str(holder.get(place.path[-1]) or "")
                )


def pulled_images(status: Mapping[str, Any], place: ImagePlace) -> dict[str, str]:
    """Return what was pulled for the items of a place, from a Pod's `status`: name → the runtime's image ID."""
    if place.statuses:
        return {
            str(entry.get("name")): str(entry.get("imageID") or "") for entry in _mappings(status.get(place.statuses))
        }
    image_ids = {}
    for container in (entry for listed in PLACES for entry in _mappings(status.get(listed.statuses))):
        for mount in _mappings(container.get("volumeMounts")):
            image = (mount.get("volumeStatus") or {}).get("image") or {}
            if image.get("imageRef"):
                image_ids[str(mount.get("name"))] = str(image["imageRef"])
    return image_ids


def creates_pods(document: Mapping[str, Any]) -> bool:
    """Return whether an object creates Pods: built-in workloads, and custom ones that name an image anywhere."""
    group = str(document.get("apiVersion") or "").rpartition("/")[0]
    if is_built_in(group, str(document.get("kind") or "")):
        return True
    if "." not in group or group.endswith(".k8s.io"):
        return False  # other built-in kinds: a field named `image` there is not an image of a Pod
    pending: list[Any] = [document.get("spec"), document.get("template")]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            if value.get("image"):
                return True
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return False


def _mappings(value: object) -> list[Any]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
