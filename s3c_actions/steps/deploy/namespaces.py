"""The namespaces of a deployment: checked, created so that the rest can be tried, and removed again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from s3c_actions.cluster import apply
from s3c_actions.cluster.apply import ApplyTarget, ObjectChange
from s3c_actions.cluster.client import Cluster
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.steps.deploy.settings import DeploySettings
from s3c_actions.steps.deploy.state import DeployState

_DELETION = 60.0


def remove_namespaces(cluster: Cluster, state: DeployState, created: Sequence[ObjectChange]) -> None:
    """Remove the namespaces that were created to try the rest; one that stays is a warning, and listed as created.

    Args:
        cluster: has them.
        state: loses the changes that are taken back.
        created: what was created for the trial, in its order.
    """
    for change in reversed(created):
        try:
            apply.undo(cluster, change)
        except S3CError as error:
            state.warnings.append(f"{change.target.where} could not be taken back: {error.what}")
        else:
            state.changes.remove(change)


def check_namespace(targets: Sequence[ApplyTarget], namespace: str) -> None:
    """Check that no object names another namespace than the one that is given.

    Args:
        targets: the objects.
        namespace: as given.

    Raises:
        InputError: an object does.
    """
    for target in targets:
        if target.namespace and target.namespace != namespace:
            raise InputError(
                "namespace",
                f"{target.source}: {target.kind} {target.name} is in the namespace {target.namespace}, "
                f"not in {namespace}.",
                remedy="Leave `namespace` out, or the namespace in the manifest.",
            )


def create_namespaces(
    settings: DeploySettings, targets: Sequence[ApplyTarget], cluster: Cluster, state: DeployState
) -> list[ObjectChange]:
    """Create the namespaces that do not exist, since nothing can be tried in one that does not exist.

    Args:
        settings: whether namespaces are created that the manifests do not declare.
        targets: the objects to try.
        cluster: where they are tried.
        state: receives the changes.

    Returns:
        The changes, to take back when the trial fails or was all that is wanted.

    Raises:
        InputError: a namespace is missing, or does not end.
        OutsideError: the cluster failed.
    """
    declared = {entry.name: entry for entry in targets if entry.kind == "Namespace" and entry.group == ""}
    created = []
    for name in sorted({entry.namespace for entry in targets} - {""}):
        if _exists(cluster, name):
            continue
        if name not in declared and not settings.create_namespace:
            raise InputError(
                "namespace",
                f"the namespace {name} is not there.",
                remedy="Make it, or let it be made with `create-namespace: true`.",
            )
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        target = declared.get(name) or ApplyTarget(
            document=document, resource=gate_objects.NAMESPACES, namespace="", source=""
        )
        change = apply.apply(cluster, target, None, force=settings.force)
        created.append(change)
        state.changes.append(change)
    return created


def _exists(cluster: Cluster, namespace: str) -> bool:
    """Return whether a namespace exists; wait for the end of a namespace that is being deleted."""
    deadline = time.monotonic() + _DELETION
    while (live := cluster.get(gate_objects.NAMESPACES, namespace)) is not None:
        if not live["metadata"].get("deletionTimestamp"):
            return True
        if time.monotonic() > deadline:
            raise InputError(
                "namespace",
                f"the namespace {namespace} is being deleted, for more than {_DELETION:g} s now.",
                cause="Something in it has a finalizer that nobody handles.",
                remedy=f"Look at `kubectl get namespace {namespace} -o yaml`, or deploy to another.",
            )
        time.sleep(0.5)
    return False
