"""Apply objects server-side, in dependency order; record the changes, and undo them.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import msgspec
from msgspec.structs import replace

from s3c_actions.cluster import custom_definitions
from s3c_actions.cluster.client import Cluster, KubernetesObject, Resource
from s3c_actions.core.errors import InputError, OutsideError, S3CError

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
    """An object and its destination.

    Attributes:
        source: the manifest it comes from.
        undefined: its kind is not served yet: its definition is in the same manifests.
    """

    document: KubernetesObject
    resource: Resource
    namespace: str
    source: str
    undefined: bool = False

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
        action: `created`, `recreated`, `configured`, `unchanged`, `pruned`, `restored` or `removed`.
        before: the previous object; None when it did not exist.
        after: the object now.
    """

    target: ApplyTarget
    action: str
    before: KubernetesObject | None
    after: KubernetesObject


@contextmanager
def naming_object(target: ApplyTarget) -> Iterator[None]:
    """Add the object and its manifest to errors in the block.

    Args:
        target: the object that the block is about.
    """
    try:
        yield
    except S3CError as error:
        error.what = f"{target.where} ({target.source}): {error.what}"
        raise


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
    listed = list(documents)
    defined = custom_definitions.defined_resources(document for document, _ in listed)
    for document, source in listed:
        metadata = {**document["metadata"]}
        if "name" not in metadata:
            raise InputError(
                "manifests",
                f"{source}: {document['kind']} {metadata.get('generateName')} has a generated name.",
                cause="Server-side apply needs a name, and a second run would create a second object.",
                remedy="Give it `metadata.name`, such as one with the commit in it, or use `kubectl create`.",
            )
        if labels:
            metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
        resource, undefined = _find_resource(cluster, str(document["apiVersion"]), str(document["kind"]), defined)
        scope = str(metadata.get("namespace") or namespace) if resource.namespaced else ""
        target = ApplyTarget(
            document={key: value for key, value in document.items() if key != "status"} | {"metadata": metadata},
            resource=resource,
            namespace=scope,
            source=source,
            undefined=undefined,
        )
        key = (resource.path, resource.plural, scope, target.name)
        if key in by_identity:
            raise InputError("manifests", f"{target.where} stands in {by_identity[key].source} and in {source}.")
        by_identity[key] = target
    return tuple(sorted(by_identity.values(), key=lambda target: _rank(target.kind)))


def _find_resource(
    cluster: Cluster, api_version: str, kind: str, defined: Mapping[tuple[str, str], Resource]
) -> tuple[Resource, bool]:
    """Return how a kind is served, and whether it is only once its definition is applied."""
    try:
        return cluster.resource(api_version, kind), False
    except InputError:
        if (api_version, kind) not in defined:
            raise
        return defined[api_version, kind], True


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


def is_finished(job: KubernetesObject) -> bool:
    """Return whether a Job is complete or has failed."""
    return any(
        condition.get("type") in {"Complete", "Failed"} and condition.get("status") == "True"
        for condition in (job.get("status") or {}).get("conditions") or ()
    )


def try_recreation(cluster: Cluster, target: ApplyTarget) -> None:
    """Check by dry run that a Job can be deleted and created anew.

    Raises:
        InputError: it still runs.
        S3CError: the cluster does not accept the new one.
    """
    live = read_object(cluster, target)
    if live is not None and not is_finished(live):
        raise InputError(
            "recreate",
            f"{target.where} still runs, and what it runs has changed.",
            remedy=f"Wait for its end, or delete it: `kubectl delete job {target.name} -n {target.namespace}`.",
        )
    # The name is taken as long as the old one is there.
    metadata = {**target.document["metadata"], "name": f"{target.name[:50]}-s3c-dry-run"}
    cluster.create(target.resource, {**target.document, "metadata": metadata}, target.namespace, dry_run=True)


def recreate(
    cluster: Cluster,
    target: ApplyTarget,
    before: KubernetesObject | None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> ObjectChange:
    """Delete a finished Job with its Pods, and create the new one.

    Raises:
        S3CError: the cluster rejects it, or the old one does not go.
    """
    cluster.delete(target.resource, target.name, target.namespace)
    _await_deletion(cluster, target, clock=clock, sleep=sleep)
    after = cluster.apply(target.resource, target.document, target.namespace, dry_run=False, force=False)
    return ObjectChange(target=target, action="recreated", before=before, after=after)


def keep_scaled(cluster: Cluster, target: ApplyTarget) -> tuple[ApplyTarget, str]:
    """Return an object without its `replicas` where an autoscaler has set them, and a sentence on it; else as it is.

    Raises:
        S3CError: as `Cluster.get` does.
    """
    spec = target.document.get("spec")
    if target.undefined or not isinstance(spec, dict) or "replicas" not in spec:
        return target, ""
    live = read_object(cluster, target)
    scaler = _find_scaler(live) if live is not None else ""
    if live is None or not scaler:
        return target, ""
    document = {**target.document, "spec": {key: value for key, value in spec.items() if key != "replicas"}}
    replicas = (live.get("spec") or {}).get("replicas")
    return replace(target, document=document), f"{target.where} keeps its {replicas} replicas: {scaler} scales it."


def _find_scaler(live: KubernetesObject) -> str:
    """Return the controller that set `replicas` through the subresource `scale`; a person's `kubectl scale` is none."""
    for entry in live["metadata"].get("managedFields") or ():
        manager = str(entry.get("manager") or "")
        fields = (entry.get("fieldsV1") or {}).get("f:spec") or {}
        if entry.get("subresource") == "scale" and "f:replicas" in fields and not manager.startswith("kubectl"):
            return manager
    return ""


def _await_deletion(
    cluster: Cluster, target: ApplyTarget, *, clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    deadline = clock() + _DELETION
    while read_object(cluster, target) is not None:
        if clock() > deadline:
            namespace = f" -n {target.namespace}" if target.namespace else ""
            raise OutsideError(
                f"The earlier {target.where} is still being deleted after {_DELETION:g} s.",
                remedy="Look at its finalizers: "
                f"`kubectl get {target.kind.casefold()} {target.name}{namespace} -o yaml`.",
            )
        sleep(0.2)


def undo(
    cluster: Cluster,
    change: ObjectChange,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> ObjectChange | None:
    """Revert one change: delete the created object, or restore the previous one; None when there is nothing to do.

    A Job that was created anew is deleted: restoring the earlier one would run it again. A definition of custom
    resources is gone when this returns: the API server deletes its objects first, and would reject what the next
    deployment applies to a definition that is still terminating.

    Raises:
        S3CError: the cluster rejects it, or a definition does not go.
    """
    target = change.target
    if change.action in {"created", "recreated"}:
        cluster.delete(target.resource, target.name, target.namespace)
        if target.kind == custom_definitions.KIND:
            _await_deletion(cluster, target, clock=clock, sleep=sleep)
        return ObjectChange(target=target, action="removed", before=change.after, after={})
    if change.action != "configured" or change.before is None:
        return None
    metadata = {key: value for key, value in change.before["metadata"].items() if key != "resourceVersion"}
    document = {key: value for key, value in change.before.items() if key != "status"} | {"metadata": metadata}
    url = target.resource.url(target.namespace, target.name)
    after = cluster.request("PUT", url, body=document)
    return ObjectChange(target=target, action="restored", before=change.after, after=after)


_DELETION = 60.0
