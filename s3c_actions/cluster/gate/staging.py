"""Change the stages of a live gate, and prove them."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime

from s3c_actions.cluster.client import Cluster, KubernetesObject
from s3c_actions.cluster.gate import constraints, inspection, proof, stages
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.cluster.gate.manifests import CONSTRAINT_KIND
from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.gate_stage import Stage

TAKEN_SECONDS = 30.0
"""Seconds for Gatekeeper to take up a constraint."""
_POLL = 0.5
_UNINSTALL = "Where Gatekeeper itself does not run, only `s3c gate uninstall` opens the cluster."


def prove_stages(cluster: Cluster, looked: inspection.GateInspection) -> proof.GateProof | S3CError:
    """Prove, in each namespace that was looked at, what its stage is to do with an image that does not exist.

    In `audit` and `warn` it is admitted, and the same Pod with the label of a preview is denied.

    Returns:
        The first proof, or the error that there is none (yet).

    Raises:
        OutsideError: a Pod was rejected for a reason other than admission.
    """
    first: proof.GateProof | None = None
    names = (*looked.constraints, stages.PREVIEW)
    for namespace, stage in looked.stages.items():
        preview = stage is not Stage.DENY
        proved = proof.prove_closed_by_absent_image(cluster, namespace, names, preview=preview)
        if not isinstance(proved, proof.GateProof):
            return proved
        if preview and (denied := proof.try_images(cluster, namespace, proof.ABSENT_IMAGE)) is not None:
            return OutsideError(
                f"In {namespace} the gate refuses an image, although it is in the stage {stage}.",
                cause="Gatekeeper has not read its constraint yet, or another policy refuses the image.",
                remedy="Look at the constraints: `kubectl get constraints`.",
                original=denied.original,
            )
        first = first or proved
    return first or OutsideError("The gate was not proved: it was not looked at in any namespace.")


def remove_stages(cluster: Cluster, kept: Collection[str]) -> list[str]:
    """Remove the constraints that carry stages, without those of given names; return the names of the removed."""
    resource = constraints.resource(CONSTRAINT_KIND)
    live = {str(entry["metadata"]["name"]) for entry in gate_objects.list_if_served(cluster, resource)}
    removed = sorted((live & stages.OWN_NAMES) - {*kept, stages.BASE})
    if stages.constraint_name(Stage.DENY) in removed:  # what takes its place has to be in force before
        await_taken(cluster, {**(cluster.get(resource, stages.BASE) or {}), "kind": CONSTRAINT_KIND})
    for name in removed:
        cluster.delete(resource, name)
    return removed


def await_taken(cluster: Cluster, constraint: KubernetesObject, *, seconds: float = TAKEN_SECONDS) -> None:
    """Wait until each Gatekeeper Pod that answers the webhook has read the current version of a constraint.

    https://open-policy-agent.github.io/gatekeeper/website/docs/audit#constraint-status
    """
    name, generation = str(constraint["metadata"]["name"]), int(constraint["metadata"].get("generation") or 0)
    deadline = time.monotonic() + seconds
    while True:
        live = cluster.get(constraints.resource(str(constraint["kind"])), name) or {}
        pods = [
            pod for pod in (live.get("status") or {}).get("byPod") or () if "webhook" in (pod.get("operations") or ())
        ]
        if pods and all(int(pod.get("observedGeneration") or 0) >= generation for pod in pods):
            return
        if time.monotonic() > deadline:
            raise OutsideError(
                f"{name} is changed, and Gatekeeper has not confirmed within {seconds:g} s that it goes by it.",
                cause="It does not run, or is too busy; it goes by it once it has read it.",
                remedy=f"Look at its Pods: `kubectl get pods -n gatekeeper-system`. {_UNINSTALL}",
            )
        time.sleep(_POLL)


def server_time(changed: KubernetesObject) -> datetime:
    """Return the API server's time, which it notes in an object with each change."""
    times = [str(entry.get("time")) for entry in changed["metadata"].get("managedFields") or () if entry.get("time")]
    try:
        return datetime.fromisoformat(max(times))
    except ValueError:
        raise OutsideError("The API server does not say when it changed the constraint.") from None
