"""Delete what has a deployment's label and is no longer in its manifests, and list what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from s3c_actions.cluster.apply import ApplyTarget, ObjectChange
from s3c_actions.cluster.client import ApiError, Cluster, KubernetesObject, Resource
from s3c_actions.core.errors import InputError

PRUNABLE = (
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("gateway.networking.k8s.io/v1", "GRPCRoute"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("networking.k8s.io/v1", "Ingress"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "ReplicationController"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("v1", "ServiceAccount"),
)
"""Kinds that `prune` deletes: the parts of an application. Volumes, namespaces and other custom resources may hold
data, and are kept."""
# Kubernetes makes them of other objects, with their labels.
_DERIVED = frozenset({"Endpoints", "EndpointSlice", "Event", "ControllerRevision", "Lease"})
_NOT_LISTED = frozenset({403, 404, 405})
_SHOWN = 5


def prune(
    cluster: Cluster,
    label: str,
    kept: Iterable[ApplyTarget],
    namespaces: Sequence[str],
    deleted: Callable[[ObjectChange], None],
) -> list[str]:
    """Delete objects with a label that are no longer in the manifests, in the namespaces deployed to.

    Args:
        cluster: to delete from.
        label: `key=value`.
        kept: the objects to keep.
        namespaces: where to look.
        deleted: called with each deletion.

    Returns:
        Sentences on the objects with the label that are left, and on the kinds that could not be listed.

    Raises:
        S3CError: an object cannot be deleted, or the cluster does not answer.
    """
    search = _Search(cluster, label, kept, namespaces)
    for api_version, kind in PRUNABLE:
        try:
            resource = cluster.resource(api_version, kind)
        except InputError:
            continue
        for target in search.outdated(api_version, kind, resource):
            try:
                cluster.delete(resource, target.name, target.namespace)
            except ApiError as error:
                error.what = f"{target.where} could not be pruned. {error.what}"
                raise
            deleted(ObjectChange(target=target, action="pruned", before=target.document, after={}))
    left = [
        target.where
        for api_version, kind, resource in cluster.deletable_resources()
        if (api_version, kind) not in PRUNABLE and kind not in _DERIVED
        for target in search.outdated(api_version, kind, resource)
    ]
    sentences = []
    if left:
        sentences.append(
            f"prune leaves {', '.join(left)}: the label {label} is on it and the manifests do not have it. Volumes, "
            "namespaces, custom resources and what belongs to the whole cluster are not deleted."
        )
    if unlisted := search.unlisted:
        shown = ", ".join(unlisted[:_SHOWN]) + (f" and {len(unlisted) - _SHOWN} more" if len(unlisted) > _SHOWN else "")
        sentences.append(f"prune could not look for {shown}: the account may not list these kinds.")
    return sentences


class _Search:
    """A search for objects with a label; `unlisted` are the kinds that may not be listed."""

    def __init__(self, cluster: Cluster, label: str, kept: Iterable[ApplyTarget], namespaces: Sequence[str]) -> None:
        self._cluster = cluster
        self._label = label
        self._kept = {_key(target) for target in kept}
        self._namespaces = namespaces
        self.unlisted: list[str] = []

    def outdated(self, api_version: str, kind: str, resource: Resource) -> Iterator[ApplyTarget]:
        """Yield the objects of a kind that have the label, are not in the manifests, and that nothing owns."""
        for namespace in self._namespaces if resource.namespaced else ("",):
            for live in self._list(kind, resource, namespace):
                target = ApplyTarget(
                    document={**live, "apiVersion": api_version, "kind": kind},
                    resource=resource,
                    namespace=namespace,
                    source="",
                )
                if not live["metadata"].get("ownerReferences") and _key(target) not in self._kept:
                    yield target

    def _list(self, kind: str, resource: Resource, namespace: str) -> list[KubernetesObject]:
        try:
            return self._cluster.list(resource, namespace, labelSelector=self._label)
        except ApiError as error:
            if error.status not in _NOT_LISTED:
                raise
            if kind not in self.unlisted:
                self.unlisted.append(kind)
            return []


def _key(target: ApplyTarget) -> tuple[str, str, str, str]:
    return target.group, target.resource.plural, target.namespace, target.name
