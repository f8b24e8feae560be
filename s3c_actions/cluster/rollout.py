"""Wait for applied workloads to become ready; if not, explain why, from conditions, events and container states.

A Deployment is accepted even where its Pods are denied: the denial is then in the conditions of its ReplicaSet, or in
the events of the controller that creates the Pods.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from s3c_actions.cluster import image_places
from s3c_actions.cluster.apply import ApplyTarget, ObjectChange, read_object
from s3c_actions.cluster.client import AdmissionDenied, Cluster, KubernetesObject, Resource
from s3c_actions.cluster.gate import denials
from s3c_actions.core.errors import OutsideError, S3CError

WATCHED_KINDS = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "Pod"}
)
POLL = (0.02, 1.0)
_PODS = Resource(path="/api/v1", plural="pods", namespaced=True)
_EVENTS = Resource(path="/api/v1", plural="events", namespaced=True)
_SETS = Resource(path="/apis/apps/v1", plural="replicasets", namespaced=True)
REVISION_ANNOTATION = "deployment.kubernetes.io/revision"


class RolloutState(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a workload: `ready` of `wanted` Pods; `failed` is a sentence when it cannot recover by itself."""

    ready: int
    wanted: int
    done: bool
    failed: str = ""


def wait_for_rollout(
    cluster: Cluster,
    changes: Sequence[ObjectChange],
    *,
    timeout: float,
    note: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until every workload is ready.

    Args:
        cluster: to query.
        changes: the applied changes; objects that create no Pods are ignored.
        timeout: seconds for all together.
        note: called with the progress of each, when it changes.
        clock: returns seconds.
        sleep: waits a number of seconds.

    Raises:
        AdmissionDenied: Pods of an accepted workload are denied.
        OutsideError: one failed, or is not ready in time; the message has the reason.
    """
    deadline = clock() + timeout
    waiting = [change.target for change in changes if _watched(change.target) and change.action != "pruned"]
    reported: dict[str, str] = {}
    pause, longest = POLL
    while waiting:
        for target in list(waiting):
            live = read_object(cluster, target)
            if live is None:
                raise OutsideError(
                    f"{target.where} was deleted while it came up.", remedy="Look at who did, and try again."
                )
            progress = rollout_state(target.kind, live)
            line = f"{target.where}: {progress.ready} of {progress.wanted} ready"
            if reported.get(target.where) != line:
                reported[target.where] = line
                note(line)
            if progress.done:
                waiting.remove(target)
                continue
            if denied := _denied(cluster, target, live):
                raise denied
            if progress.failed:
                raise _failure(cluster, target, live, f"{target.where} failed: {progress.failed}")
        if not waiting:
            return
        if clock() > deadline:
            target = waiting[0]
            live = read_object(cluster, target) or {}
            raise _failure(cluster, target, live, f"{target.where} was not up within {timeout:g} s.")
        sleep(pause)
        pause = min(pause * 1.5, longest)


def unwatched_targets(changes: Sequence[ObjectChange]) -> tuple[ApplyTarget, ...]:
    """Return the applied objects that create Pods but whose kind reports its progress in its own way."""
    return tuple(
        change.target
        for change in changes
        if change.action in {"created", "configured"}
        and not image_places.is_built_in(change.target.group, change.target.kind)
        and image_places.creates_pods(change.target.document)
    )


def _watched(target: ApplyTarget) -> bool:
    return target.kind in WATCHED_KINDS and image_places.is_built_in(target.group, target.kind)


def rollout_state(kind: str, live: Mapping[str, Any]) -> RolloutState:
    """Return the progress of a workload, from its status in the API."""
    spec, status = live.get("spec") or {}, live.get("status") or {}
    observed = int(status.get("observedGeneration") or 0) >= int((live.get("metadata") or {}).get("generation") or 0)
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    if kind == "Pod":
        ready = conditions.get("Ready", {}).get("status") == "True" or status.get("phase") == "Succeeded"
        failed = "its containers ended with an error." if status.get("phase") == "Failed" else ""
        return RolloutState(ready=int(ready), wanted=1, done=ready, failed=failed)
    if kind == "Job":
        desired, done = int(spec.get("completions") or 1), int(status.get("succeeded") or 0)
        failure = conditions.get("Failed", {})
        failed = str(failure.get("message") or "its Pods failed.") if failure.get("status") == "True" else ""
        return RolloutState(ready=done, wanted=desired, done=done >= desired, failed=failed)
    if kind == "DaemonSet":
        desired, ready = int(status.get("desiredNumberScheduled") or 0), int(status.get("numberAvailable") or 0)
        updated = int(status.get("updatedNumberScheduled") or 0)
        return RolloutState(ready=ready, wanted=desired, done=observed and ready >= desired and updated >= desired)
    desired = int(spec["replicas"]) if spec.get("replicas") is not None else 1
    if kind == "StatefulSet":
        ready, updated = int(status.get("readyReplicas") or 0), int(status.get("updatedReplicas") or 0)
        current = status.get("currentRevision") == status.get("updateRevision") or updated >= desired
        return RolloutState(ready=ready, wanted=desired, done=observed and ready >= desired and current)
    ready = int(status.get("availableReplicas") or 0)
    if kind != "Deployment":
        return RolloutState(ready=ready, wanted=desired, done=observed and ready >= desired)
    updated, total = int(status.get("updatedReplicas") or 0), int(status.get("replicas") or 0)
    progressing = conditions.get("Progressing", {})
    late = observed and progressing.get("reason") == "ProgressDeadlineExceeded"
    return RolloutState(
        ready=min(ready, updated),
        wanted=desired,
        done=observed and updated >= desired and total <= updated and ready >= desired,
        failed=str(progressing.get("message") or "it made no progress.") if late else "",
    )


def _denied(cluster: Cluster, target: ApplyTarget, live: KubernetesObject) -> AdmissionDenied | None:
    """Return the denial of a workload's Pods, as their controller reports it now; a temporary one does not count."""
    messages = _replica_failures(live)
    if target.kind == "Deployment":
        messages += [
            message
            for replica_set in _newest_replica_sets(cluster, target, live)
            for message in _replica_failures(replica_set)
        ]
    elif target.kind in {"StatefulSet", "DaemonSet", "Job"}:
        messages += _event_messages(cluster, target.namespace, str(live["metadata"]["uid"]), latest=True)
    for message in messages:
        parsed = denials.parse(message)
        if parsed and not any(denial.unavailable for denial in parsed):
            denied = AdmissionDenied(parsed, message)
            denied.what = f"{target.where} was accepted, but its Pods are denied: {denied.what}"
            return denied
    return None


def _replica_failures(live: Mapping[str, Any]) -> list[str]:
    return [
        str(condition.get("message") or "")
        for condition in (live.get("status") or {}).get("conditions") or ()
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True"
    ]


def _newest_replica_sets(cluster: Cluster, target: ApplyTarget, live: KubernetesObject) -> list[KubernetesObject]:
    """Return the ReplicaSet of a Deployment's newest revision."""
    revision = (live["metadata"].get("annotations") or {}).get(REVISION_ANNOTATION)
    return [
        replica_set
        for replica_set in cluster.list(_SETS, target.namespace, labelSelector=_selector(live))
        if any(
            owner.get("uid") == live["metadata"]["uid"]
            for owner in replica_set["metadata"].get("ownerReferences") or ()
        )
        and (replica_set["metadata"].get("annotations") or {}).get(REVISION_ANNOTATION) == revision
    ]


def _event_messages(cluster: Cluster, namespace: str, uid: str, *, latest: bool = False) -> list[str]:
    """Return the messages of warnings about an object, the newest first."""
    events = cluster.list(_EVENTS, namespace, fieldSelector=f"involvedObject.uid={uid}")
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""), reverse=True)
    # A warning followed by another event is no longer current.
    events = events[:1] if latest else events
    return [str(event.get("message") or "") for event in events if event.get("type") == "Warning"]


def warning_events(cluster: Cluster, target: ApplyTarget, live: KubernetesObject) -> list[str]:
    """Return the messages of warnings about an object, the newest first."""
    return _event_messages(cluster, target.namespace, str(live["metadata"]["uid"]))


def _failure(cluster: Cluster, target: ApplyTarget, live: KubernetesObject, what: str) -> S3CError:
    """Return the error with the reason, as far as the cluster reports one."""
    pods = [live] if target.kind == "Pod" else cluster.list(_PODS, target.namespace, labelSelector=_selector(live))
    reasons = [reason for pod in pods for reason in pod_problems(pod)]
    involved = [live, *(_newest_replica_sets(cluster, target, live) if target.kind == "Deployment" else []), *pods]
    messages = [
        message
        for involved_object in involved
        if involved_object.get("metadata")
        for message in _event_messages(cluster, target.namespace, str(involved_object["metadata"]["uid"]))
    ]
    parsed = [denial for message in [*_replica_failures(live), *messages] for denial in denials.parse(message)]
    reasons += [denial.what for denial in parsed]
    return OutsideError(
        what,
        cause=" ".join(dict.fromkeys(reasons)) or "Nothing tells why: its Pods may just be slow.",
        remedy=next((denial.remedy for denial in parsed if denial.remedy), "")
        or f"Look at it: `kubectl describe {target.kind.lower()} {target.name} -n {target.namespace}`.",
        original="\n".join(dict.fromkeys(messages))[:2000],
    )


def pod_problems(pod: Mapping[str, Any]) -> list[str]:
    """Return why a Pod is not ready, one sentence each: container states, and the scheduler's messages."""
    name, status = (pod.get("metadata") or {}).get("name"), pod.get("status") or {}
    sentences = []
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            sentences.append(f"Pod {name} finds no node: {condition.get('message') or condition.get('reason')}.")
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        state, last = container.get("state") or {}, (container.get("lastState") or {}).get("terminated") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            detail = f" ({waiting['message'][:300]})" if waiting.get("message") else ""
            after = f", after exit code {last['exitCode']}" if last.get("exitCode") else ""
            sentences.append(f"Container {container.get('name')} of {name}: {waiting['reason']}{after}{detail}.")
        elif ended and ended.get("exitCode"):
            sentences.append(f"Container {container.get('name')} of {name} ended with exit code {ended['exitCode']}.")
        elif (
            "running" in state
            and not container.get("ready", True)
            and container in (status.get("containerStatuses") or ())
        ):
            sentences.append(f"Container {container.get('name')} of {name} runs, but is not ready.")
    return sentences


def _selector(live: Mapping[str, Any]) -> str:
    """Return a workload's selector in the form of the API's query."""
    selector = (live.get("spec") or {}).get("selector") or {}
    labels = selector.get("matchLabels", selector if "matchExpressions" not in selector else {}) or {}
    parts = [f"{key}={value}" for key, value in labels.items()]
    for expression in selector.get("matchExpressions") or ():
        values = ",".join(expression.get("values") or ())
        parts.append(
            {
                "In": f"{expression['key']} in ({values})",
                "NotIn": f"{expression['key']} notin ({values})",
                "Exists": expression["key"],
                "DoesNotExist": f"!{expression['key']}",
            }[expression["operator"]]
        )
    return ",".join(parts)
