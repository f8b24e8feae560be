"""List what runs on a cluster: every image of every Pod, by the digest that the kubelet pulled; also image volumes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from s3c_actions.cluster import image_places as places
from s3c_actions.cluster.client import Cluster, KubernetesObject
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import join_words, plural

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")


class RunningImage(msgspec.Struct, frozen=True, kw_only=True):
    """A running image.

    Attributes:
        image: pinned, with the tag it was deployed by, if any.
        places: `NAMESPACE/NAME` of the workloads that run it, each once.
    """

    image: str
    places: tuple[str, ...]


class DeployedImages(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a look; `unknown` are images whose digest the cluster does not state, with their places."""

    running: tuple[RunningImage, ...]
    unknown: tuple[RunningImage, ...] = ()

    def find_idle(self, namespaces: Iterable[str]) -> tuple[str, ...]:
        """Return those of some namespaces in which nothing runs: the API lists no Pods of one that is not there."""
        busy = {place.partition("/")[0] for image in (*self.running, *self.unknown) for place in image.places}
        return tuple(name for name in dict.fromkeys(namespaces) if name not in busy)


def list_deployed(cluster: Cluster, namespaces: Iterable[str] = ()) -> DeployedImages:
    """List the running images.

    Args:
        cluster: to query.
        namespaces: only these; without any, all but Kubernetes' own.

    Raises:
        OutsideError: the cluster does not answer or does not allow listing Pods.
    """
    pods = cluster.resource("v1", "Pod")
    selected = tuple(namespaces)
    listed_pods = [pod for name in selected for pod in cluster.list(pods, name)] if selected else cluster.list(pods)
    running: dict[str, dict[str, None]] = {}
    unknown: dict[str, dict[str, None]] = {}
    for pod in listed_pods:
        metadata = pod.get("metadata") or {}
        if (not selected and metadata.get("namespace") in SYSTEM_NAMESPACES) or has_ended(pod):
            continue
        for image, pinned in _images(pod):
            (running if pinned else unknown).setdefault(image, {})[_place(metadata)] = None
    listed = [
        [RunningImage(image=image, places=tuple(places)) for image, places in sorted(images.items())]
        for images in (running, unknown)
    ]
    return DeployedImages(running=tuple(listed[0]), unknown=tuple(listed[1]))


def describe_idle(namespaces: Sequence[str]) -> str:
    """Return a sentence on namespaces in which nothing runs, whose names may be misspelt."""
    of = f"the {plural(len(namespaces), 'namespace')} {join_words(namespaces)}"
    return f"Nothing runs in {of}: look whether {'it is' if len(namespaces) == 1 else 'they are'} there."


def has_ended(pod: KubernetesObject) -> bool:
    """Return whether a Pod runs no more."""
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _place(metadata: dict[str, Any]) -> str:
    """Return the workload as people know it: the name without suffixes that its controllers append."""
    owners = metadata.get("ownerReferences") or []
    name = str(owners[0].get("name", "")) if owners else str(metadata.get("name", ""))
    suffix = str((metadata.get("labels") or {}).get("pod-template-hash", ""))
    return f"{metadata.get('namespace', '')}/{name.removesuffix(f'-{suffix}') if suffix else name}"


def _images(pod: KubernetesObject) -> list[tuple[str, bool]]:
    """Return the image in each place of a Pod, pinned where the cluster states the digest, and whether it does."""
    status = pod.get("status") or {}
    pulled = {place: places.pulled_images(status, place) for place in places.PLACES}
    return [
        _pinned(image.image, pulled[image.place].get(image.name, ""))
        for image in places.pod_images(pod.get("spec") or {})
    ]


def _pinned(image: str, pulled: str) -> tuple[str, bool]:
    try:
        reference = Reference.parse(image)
        if reference.digest:
            return str(reference), True
        # Older runtimes report `docker-pullable://NAME@DIGEST`; some report only the digest of the configuration.
        digest = Reference.parse(pulled.rpartition("://")[2]).digest
    except InputError:
        return image, False
    return (f"{reference}@{digest}", True) if digest else (image, False)
