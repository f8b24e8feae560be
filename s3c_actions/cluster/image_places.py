"""Where an image can appear on a cluster: the one list that manifests, the gate, its proof and `refresh` go by.

The Rego in manifests/gatekeeper/template.yaml has the same places; a test holds it against this list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A list in a Pod's `spec` whose items may name an image.

    Attributes:
        field: of the `spec`.
        path: from an item to its image.
        noun: for people.
        statuses: list in the Pod's `status` with the `imageID` of each item; empty where there is none.
        creatable: a Pod may be created with it.
    """

    field: str
    path: tuple[str, ...]
    noun: str
    statuses: str = ""
    creatable: bool = True

    @property
    def phrase(self) -> str:
        """`as an init container`."""
        return f"as {'an' if self.noun[0] in 'aei' else 'a'} {self.noun}"


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of Kubernetes' own that is a Pod or makes Pods; `template` leads to the `spec` of the Pod."""

    group: str
    version: str
    kind: str
    plural: str
    template: tuple[str, ...]


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image in a Pod's `spec`: the item's name, and the image as it stands there; empty where none is named."""

    place: Place
    name: str
    image: str


CONTAINERS = Place(field="containers", path=("image",), noun="container", statuses="containerStatuses")
PLACES = (
    CONTAINERS,
    Place(field="initContainers", path=("image",), noun="init container", statuses="initContainerStatuses"),
    Place(
        field="ephemeralContainers",
        path=("image",),
        noun="ephemeral container",
        statuses="ephemeralContainerStatuses",
        creatable=False,
    ),
    # https://kubernetes.io/docs/concepts/storage/volumes/#image
    Place(field="volumes", path=("image", "reference"), noun="image volume"),
)
SUBRESOURCES = {"pods/ephemeralcontainers": "ephemeral containers"}
"""What changes the images of a Pod that is there, besides an update of the Pod itself, and what that is for people."""

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
KINDS = frozenset(one.kind for one in WORKLOADS)
TEMPLATES = tuple(dict.fromkeys(one.template for one in WORKLOADS))
"""Where a Pod's `spec` stands in an object, whatever its kind: custom workloads have the shape of Kubernetes' own."""


def built_in(group: str, kind: str) -> bool:
    """Whether a kind is one of `WORKLOADS`."""
    return any((one.group, one.kind) == (group, kind) for one in WORKLOADS)


def images(spec: Mapping[str, Any]) -> Iterator[Image]:
    """Every image of a Pod's `spec`, as the API has it."""
    for place in PLACES:
        for item in _list(spec.get(place.field)):
            holder: Any = item
            for step in place.path[:-1]:
                holder = holder.get(step) if isinstance(holder, Mapping) else None
            if isinstance(holder, Mapping):
                yield Image(place=place, name=str(item.get("name") or ""), image=str(holder.get(place.path[-1]) or ""))


def pulled(status: Mapping[str, Any], place: Place) -> dict[str, str]:
    """What a Pod's `status` says was pulled for the items of a place: name → the runtime's word for it."""
    if place.statuses:
        return {str(one.get("name")): str(one.get("imageID") or "") for one in _list(status.get(place.statuses))}
    found = {}
    for container in (container for one in PLACES for container in _list(status.get(one.statuses))):
        for mount in _list(container.get("volumeMounts")):
            image = (mount.get("volumeStatus") or {}).get("image") or {}
            if image.get("imageRef"):
                found[str(mount.get("name"))] = str(image["imageRef"])
    return found


def gets_images(document: Mapping[str, Any]) -> bool:
    """Whether Pods come of an object: of Kubernetes' own workloads, and of custom ones that name an image anywhere."""
    group = str(document.get("apiVersion") or "").rpartition("/")[0]
    if built_in(group, str(document.get("kind") or "")):
        return True
    if "." not in group or group.endswith(".k8s.io"):
        return False  # other kinds of Kubernetes' own: what is called an image there is somebody's text
    left: list[Any] = [document.get("spec"), document.get("template")]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            if value.get("image"):
                return True
            left += value.values()
        elif isinstance(value, list):
            left += value
    return False


def _list(value: object) -> list[Any]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
