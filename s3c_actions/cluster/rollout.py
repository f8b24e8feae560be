"""Wait for applied workloads to become ready; if not, explain why, from conditions, events and container states.

A Deployment is accepted even where its Pods are denied: the denial is then in the conditions of its ReplicaSet, or in
the events of the controller that creates the Pods.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from s3c_actions.cluster import denials, image_places
from s3c_actions.cluster.apply import ApplyTarget, ObjectChange, read_object
from s3c_actions.cluster.client import AdmissionDenied, Cluster, KubernetesObject, Resource
from s3c_actions.cluster.rollout_state import RolloutState, custom_state, rollout_state
from s3c_actions.core.errors import OutsideError, S3CError

WATCHED_KINDS = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "Pod"}
)
POLL = (0.02, 1.0)
_SILENT = 15.0
"""Seconds after which an object of a custom kind whose status tells nothing is not waited for."""
_EVENT_TRIES = 5
# https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/job/job_controller.go
_JOB_FAILURES = frozenset(
    {"BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", "FailedIndexes", "MaxFailedIndexesExceeded"}
)
_PODS = Resource(path="/api/v1", plural="pods", namespaced=True)
_EVENTS = Resource(path="/api/v1", plural="events", namespaced=True)
_SETS = Resource(path="/apis/apps/v1", plural="replicasets", namespaced=True)
REVISION_ANNOTATION = "deployment.kubernetes.io/revision"


def wait_for_rollout(
    cluster: Cluster,
    changes: Sequence[ObjectChange],
    *,
    timeout: float,
    note: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, ...]:
    """Wait until every workload is ready, or as far as it gets by itself.

    Args:
        cluster: to query.
        changes: the applied changes; objects that create no Pods are ignored.
        timeout: seconds for all together.
        note: called with the progress of each, when it changes.
        clock: returns seconds.
        sleep: waits a number of seconds.

    Returns:
        Sentences on what is left to do, and on the objects whose progress is not known.

    Raises:
        AdmissionDenied: Pods of an accepted workload are denied.
        OutsideError: one failed, or is not ready in time; the message has the reason.
    """
    started = clock()
    deadline, silent_until = started + timeout, started + min(_SILENT, timeout)
    waiting = [change.target for change in changes if _watched(change.target) and change.action != "pruned"]
    waiting += custom_targets(changes)
    uids = {change.target: str((change.after.get("metadata") or {}).get("uid") or "") for change in changes}
    reported: dict[str, str] = {}
    left: list[str] = []

    def has_ended(target: ApplyTarget) -> bool:
        live = read_object(cluster, target)
        if live is None:
            _check_removal(cluster, target, uids[target], sleep)
            note(f"{target.where}: complete, and removed by its TTL")
            return True
        progress = _progress(target, live)
        if progress is not None:
            line = f"{target.where}: {progress.ready} of {progress.wanted} ready"
            if reported.get(target.where) != line:
                reported[target.where] = line
                note(line)
            if progress.done:
                left.extend([f"{target.where}: {progress.notice}"] if progress.notice else [])
                return True
        if denied := _denied(cluster, target, live):
            raise denied
        if progress is not None and progress.failed:
            raise _failure(cluster, target, live, f"{target.where} failed: {progress.failed}")
        if progress is None and clock() >= silent_until:
            left.append(_unwatched_sentence(target))
            return True
        return False

    pause, longest = POLL
    while waiting := [target for target in waiting if not has_ended(target)]:
        if clock() > deadline:
            target = waiting[0]
            live = read_object(cluster, target) or {}
            progress = _progress(target, live)
            waits = f" {progress.waits}" if progress is not None and progress.waits else ""
            raise _failure(cluster, target, live, f"{target.where} was not up within {timeout:g} s.{waits}")
        sleep(pause)
        pause = min(pause * 1.5, longest)
    return tuple(left)


def custom_targets(changes: Sequence[ObjectChange]) -> list[ApplyTarget]:
    """Return the applied objects of custom kinds that create Pods."""
    return [
        change.target
        for change in changes
        if change.action in {"created", "configured"}
        and not image_places.is_built_in(change.target.group, change.target.kind)
        and image_places.creates_pods(change.target.document)
    ]


def _progress(target: ApplyTarget, live: KubernetesObject) -> RolloutState | None:
    if image_places.is_built_in(target.group, target.kind):
        return rollout_state(target.kind, live)
    return custom_state(target.group, target.kind, live)


def _unwatched_sentence(target: ApplyTarget) -> str:
    namespace = f" -n {target.namespace}" if target.namespace else ""
    return (
        f"{target.where} is applied and not watched: whether its Pods are admitted and come up is not known. "
        f"Look at it: `kubectl describe {target.resource.plural} {target.name}{namespace}`."
    )


def _check_removal(cluster: Cluster, target: ApplyTarget, uid: str, sleep: Callable[[float], None]) -> None:
    """Check that an object that is gone is a Job that was complete and removed for its `ttlSecondsAfterFinished`.

    Raises:
        OutsideError: it is none, it failed, or its events do not tell how it ended.
    """
    spec = target.document.get("spec") or {}
    if target.kind != "Job" or spec.get("ttlSecondsAfterFinished") is None:
        raise OutsideError(f"{target.where} was deleted while it came up.", remedy="Look at who did, and try again.")
    for _ in range(_EVENT_TRIES):
        events = cluster.list(_EVENTS, target.namespace, fieldSelector=f"involvedObject.uid={uid}")
        reasons = {str(event.get("reason")): str(event.get("message") or "") for event in events}
        if "Completed" in reasons:
            return
        failed = next((message for reason, message in reasons.items() if reason in _JOB_FAILURES), None)
        if failed is not None:
            raise OutsideError(
                f"{target.where} failed: {failed.rstrip('.')}.",
                remedy="Its Pods and their logs were removed with it: raise `ttlSecondsAfterFinished` to see them.",
            )
        sleep(1.0)
    raise OutsideError(
        f"{target.where} was removed before its end was seen, and no event tells how it ended.",
        cause=f"`ttlSecondsAfterFinished: {spec['ttlSecondsAfterFinished']}` removes it so soon.",
        remedy="Raise it to 60 or more.",
    )


def _watched(target: ApplyTarget) -> bool:
    return target.kind in WATCHED_KINDS and image_places.is_built_in(target.group, target.kind)


def _denied(cluster: Cluster, target: ApplyTarget, live: KubernetesObject) -> AdmissionDenied | None:
    """Return the denial of a workload's Pods, as their controller reports it now; a temporary one does not count."""
    messages = _replica_failures(live)
    if target.kind == "Deployment":
        messages += [
            message
            for replica_set in _newest_replica_sets(cluster, target, live)
            for message in _replica_failures(replica_set)
        ]
    elif not image_places.is_built_in(target.group, target.kind):
        messages += _custom_messages(cluster, target, live)
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


def _custom_messages(cluster: Cluster, target: ApplyTarget, live: KubernetesObject) -> list[str]:
    """Return what a custom kind's conditions, its ReplicaSets and its events tell of Pods that are denied."""
    status = live.get("status") or {}
    listed = status.get("conditions")
    messages = [
        str(condition.get("message") or "")
        for condition in (listed if isinstance(listed, list) else ())
        if isinstance(condition, Mapping)
    ]
    messages.append(str(status.get("message") or ""))
    for revision in (REVISION_ANNOTATION, "rollout.argoproj.io/revision"):
        if _selector(live):
            for replica_set in _newest_replica_sets(cluster, target, live, revision):
                messages += _replica_failures(replica_set)
    return messages + _event_messages(cluster, target.namespace, str(live["metadata"]["uid"]), latest=True)


def _newest_replica_sets(
    cluster: Cluster, target: ApplyTarget, live: KubernetesObject, annotation: str = REVISION_ANNOTATION
) -> list[KubernetesObject]:
    """Return the ReplicaSet of a Deployment's newest revision, which an annotation of both numbers."""
    revision = (live["metadata"].get("annotations") or {}).get(annotation)
    return [
        replica_set
        for replica_set in cluster.list(_SETS, target.namespace, labelSelector=_selector(live))
        if any(
            owner.get("uid") == live["metadata"]["uid"]
            for owner in replica_set["metadata"].get("ownerReferences") or ()
        )
        and (replica_set["metadata"].get("annotations") or {}).get(annotation) == revision
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
    selector = _selector(live)
    pods = [live] if target.kind == "Pod" else []
    if selector and not pods:
        pods = cluster.list(_PODS, target.namespace, labelSelector=selector)
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
    if not isinstance(selector, Mapping):
        return ""  # of a custom kind
    labels = selector.get("matchLabels", selector if "matchExpressions" not in selector else {}) or {}
    parts = [f"{key}={value}" for key, value in labels.items() if isinstance(value, str)]
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
