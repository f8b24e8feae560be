"""What runs on a cluster: every image of every Pod, by the digest that the kubelet pulled; image volumes included."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from s3c_actions.cluster import image_places as places
from s3c_actions.cluster.client import Cluster, Object
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference

SYSTEM = ("kube-system", "kube-public", "kube-node-lease")


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """One image that runs.

    Attributes:
        image: pinned, with the tag it was deployed by, if it was by one.
        places: `NAMESPACE/NAME` of what runs it, each once.
    """

    image: str
    places: tuple[str, ...]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; `unknown` are images whose digest the cluster does not tell, with their places."""

    running: tuple[Running, ...]
    unknown: tuple[Running, ...] = ()


def look(cluster: Cluster, namespaces: Iterable[str] = ()) -> Look:
    """List what runs.

    Args:
        cluster: to ask.
        namespaces: only these; without any, all but Kubernetes' own.

    Raises:
        OutsideError: the cluster does not answer or does not let us list Pods.
    """
    pods = cluster.resource("v1", "Pod")
    wanted = tuple(namespaces)
    found = [pod for name in wanted for pod in cluster.list(pods, name)] if wanted else cluster.list(pods)
    running: dict[str, dict[str, None]] = {}
    unknown: dict[str, dict[str, None]] = {}
    for pod in found:
        about = pod.get("metadata") or {}
        if (not wanted and about.get("namespace") in SYSTEM) or _over(pod):
            continue
        for image, known in _images(pod):
            (running if known else unknown).setdefault(image, {})[_place(about)] = None
    listed = [
        [Running(image=one, places=tuple(places)) for one, places in sorted(of.items())] for of in (running, unknown)
    ]
    return Look(running=tuple(listed[0]), unknown=tuple(listed[1]))


def _over(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _place(about: dict[str, Any]) -> str:
    """What runs it, as people know it: the name without what its controllers append."""
    owners = about.get("ownerReferences") or []
    name = str(owners[0].get("name", "")) if owners else str(about.get("name", ""))
    suffix = str((about.get("labels") or {}).get("pod-template-hash", ""))
    return f"{about.get('namespace', '')}/{name.removesuffix(f'-{suffix}') if suffix else name}"


def _images(pod: Object) -> list[tuple[str, bool]]:
    """The image in each place of a Pod, pinned where the cluster tells the digest, and whether it does."""
    status = pod.get("status") or {}
    pulled = {place: places.pulled(status, place) for place in places.PLACES}
    return [_pinned(one.image, pulled[one.place].get(one.name, "")) for one in places.images(pod.get("spec") or {})]


def _pinned(image: str, pulled: str) -> tuple[str, bool]:
    try:
        asked = Reference.parse(image)
        if asked.digest:
            return str(asked), True
        # Older runtimes say `docker-pullable://NAME@DIGEST`; some only say the digest of the configuration.
        digest = Reference.parse(pulled.rpartition("://")[2]).digest
    except InputError:
        return image, False
    return (f"{asked}@{digest}", True) if digest else (image, False)
