"""Apply objects server-side, in dependency order; record the changes, and undo them.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from s3c_actions.cluster.client import ApiError, Cluster, KubernetesObject, Resource
from s3c_actions.core.errors import InputError

INSTALL_ORDER = (
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
)
"""Kinds in Helm's order (`make contract` compares it); the other kinds follow, by name."""
# What they ask about would be denied while the workload behind them is not up.
_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


class ApplyTarget(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """An object and its destination; `source` is the manifest it comes from."""

    document: KubernetesObject
    resource: Resource
    namespace: str
    source: str

    @property
    def kind(self) -> str:
        """Return the object's kind."""
        return str(self.document["kind"])

    @property
    def name(self) -> str:
        """Return the object's name."""
        return str(self.document["metadata"]["name"])

    @property
    def group(self) -> str:
        """Return the object's API group, empty for the core group."""
        return str(self.document["apiVersion"]).rpartition("/")[0]

    @property
    def where(self) -> str:
        """Return a description for people: `Deployment shop/voting-app`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class ObjectChange(msgspec.Struct, frozen=True, kw_only=True):
    """The result of applying, deleting or restoring one object.

    Attributes:
        action: `created`, `configured`, `unchanged`, `pruned`, `restored` or `removed`.
        before: the previous object; None when it did not exist.
        after: the object now.
    """

    target: ApplyTarget
    action: str
    before: KubernetesObject | None
    after: KubernetesObject


def plan_targets(
    documents: Iterable[tuple[KubernetesObject, str]],
    cluster: Cluster,
    namespace: str,
    labels: dict[str, str] | None = None,
) -> tuple[ApplyTarget, ...]:
    """Return the objects with their destinations, in the order of application.

    Args:
        documents: object and the manifest it comes from.
        cluster: asked how it serves each kind.
        namespace: for objects that name none; where it was requested, the caller rejects objects that name another.
        labels: set on every object (not on Pod templates), to find later the objects that belong together.

    Raises:
        InputError: the cluster does not know a kind, or an object is given twice.
    """
    by_identity: dict[tuple[str, str, str, str], ApplyTarget] = {}
    for document, source in documents:
        metadata = {**document["metadata"]}
        if "name" not in metadata:
            raise InputError(
                "manifests",
                f"{source}: {document['kind']} {metadata.get('generateName')} has a generated name.",
                cause="A second run would make a second one.",
                remedy="Give it `metadata.name`.",
            )
        if labels:
            metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
        resource = cluster.resource(str(document["apiVersion"]), str(document["kind"]))
        scope = str(metadata.get("namespace") or namespace) if resource.namespaced else ""
        target = ApplyTarget(
            document={key: value for key, value in document.items() if key != "status"} | {"metadata": metadata},
            resource=resource,
            namespace=scope,
            source=source,
        )
        key = (resource.path, resource.plural, scope, target.name)
        if key in by_identity:
            raise InputError("manifests", f"{target.where} stands in {by_identity[key].source} and in {source}.")
        by_identity[key] = target
    return tuple(sorted(by_identity.values(), key=lambda target: _rank(target.kind)))


def _rank(kind: str) -> tuple[int, str]:
    if kind in INSTALL_ORDER:
        return INSTALL_ORDER.index(kind), ""
    if kind in _LAST:
        return len(INSTALL_ORDER) + 1 + _LAST.index(kind), ""
    return len(INSTALL_ORDER), kind


def read_object(cluster: Cluster, target: ApplyTarget) -> KubernetesObject | None:
    """Return the object as it is now; None when it does not exist. Raise as `Cluster.request` does."""
    return cluster.get(target.resource, target.name, target.namespace)


def apply(cluster: Cluster, target: ApplyTarget, before: KubernetesObject | None, *, force: bool) -> ObjectChange:
    """Apply one object, and determine from the server's answer whether it changed.

    Args:
        cluster: the destination.
        target: the object.
        before: as `look_up` returned it just before.
        force: take over fields of other field managers.

    Raises:
        S3CError: as `Cluster.apply` does.
    """
    after = cluster.apply(target.resource, target.document, target.namespace, dry_run=False, force=force)
    version = before and before["metadata"].get("resourceVersion")
    if before is None:
        action = "created"
    else:
        action = "unchanged" if version == after["metadata"].get("resourceVersion") else "configured"
    return ObjectChange(target=target, action=action, before=before, after=after)


def undo(cluster: Cluster, change: ObjectChange) -> ObjectChange | None:
    """Revert one change: delete the created object, or restore the previous one; None when there is nothing to do.

    Raises:
        S3CError: the cluster rejects it.
    """
    target = change.target
    if change.action == "created":
        cluster.delete(target.resource, target.name, target.namespace)
        return ObjectChange(target=target, action="removed", before=change.after, after={})
    if change.action != "configured" or change.before is None:
        return None
    metadata = {key: value for key, value in change.before["metadata"].items() if key != "resourceVersion"}
    document = {key: value for key, value in change.before.items() if key != "status"} | {"metadata": metadata}
    url = target.resource.url(target.namespace, target.name)
    after = cluster.request("PUT", url, body=document)
    return ObjectChange(target=target, action="restored", before=change.after, after=after)


def prune(
    cluster: Cluster,
    label: str,
    kept: Iterable[ApplyTarget],
    namespaces: Iterable[str],
    deleted: Callable[[ObjectChange], None],
) -> None:
    """Delete objects with a label that are no longer in the manifests, in the namespaces deployed to.

    Args:
        cluster: to delete from.
        label: `key=value`.
        kept: the objects to keep.
        namespaces: where to look.
        deleted: called with each deletion.
    """
    kept_keys = {(target.resource.plural, target.namespace, target.name) for target in kept}
    for api_version, kind in PRUNABLE:
        try:
            resource = cluster.resource(api_version, kind)
        except InputError:
            continue
        for namespace in namespaces:
            for live in cluster.list(resource, namespace, labelSelector=label):
                metadata = live["metadata"]
                if metadata.get("ownerReferences") or (resource.plural, namespace, metadata["name"]) in kept_keys:
                    continue
                document = {**live, "apiVersion": api_version, "kind": kind}
                target = ApplyTarget(document=document, resource=resource, namespace=namespace, source="")
                try:
                    cluster.delete(resource, metadata["name"], namespace)
                except ApiError as error:
                    error.what = f"{target.where} could not be pruned. {error.what}"
                    raise
                deleted(ObjectChange(target=target, action="pruned", before=live, after={}))


PRUNABLE = (
    ("networking.k8s.io/v1", "Ingress"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
)
"""Kinds that `prune` deletes: the parts of an application. Volumes and namespaces hold data, and are kept."""
