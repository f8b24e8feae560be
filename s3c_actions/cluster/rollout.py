"""Whether what was applied came up; if not, why, from conditions, events and container states.

A Deployment is accepted even where its Pods are denied: the denial then stands in the conditions of its ReplicaSet, or
in the events of whatever makes the Pods.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from s3c_actions.cluster import image_places
from s3c_actions.cluster.apply import Change, Target, look_up
from s3c_actions.cluster.client import AdmissionDenied, Cluster, Object, Resource
from s3c_actions.cluster.gate import denials
from s3c_actions.core.errors import OutsideError, S3CError

WATCHED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "Pod"})
POLL = (0.02, 1.0)
_PODS = Resource(path="/api/v1", plural="pods", namespaced=True)
_EVENTS = Resource(path="/api/v1", plural="events", namespaced=True)
_SETS = Resource(path="/apis/apps/v1", plural="replicasets", namespaced=True)
REVISION = "deployment.kubernetes.io/revision"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How far a workload is: `ready` of `wanted` Pods; `failed` is a sentence when it will not come up by itself."""

    ready: int
    wanted: int
    done: bool
    failed: str = ""


def wait(
    cluster: Cluster,
    changes: Sequence[Change],
    *,
    timeout: float,
    note: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until every workload is up.

    Args:
        cluster: where.
        changes: what was applied; what makes no Pods is passed over.
        timeout: seconds for all together.
        note: told how far each is, when it changes.
        clock: tells seconds.
        sleep: waits so many.

    Raises:
        AdmissionDenied: Pods of an accepted workload are denied.
        OutsideError: one failed, or is not up in time; the message has the reason.
    """
    until = clock() + timeout
    waiting = [one.target for one in changes if _watched(one.target) and one.action != "pruned"]
    told: dict[str, str] = {}
    pause, longest = POLL
    while waiting:
        for target in list(waiting):
            live = look_up(cluster, target)
            if live is None:
                raise OutsideError(
                    f"{target.where} was deleted while it came up.", remedy="Look at who did, and try again."
                )
            now = state(target.kind, live)
            line = f"{target.where}: {now.ready} of {now.wanted} ready"
            if told.get(target.where) != line:
                told[target.where] = line
                note(line)
            if now.done:
                waiting.remove(target)
                continue
            if denied := _denied(cluster, target, live):
                raise denied
            if now.failed:
                raise _failed(cluster, target, live, f"{target.where} failed: {now.failed}")
        if not waiting:
            return
        if clock() > until:
            target = waiting[0]
            live = look_up(cluster, target) or {}
            raise _failed(cluster, target, live, f"{target.where} was not up within {timeout:g} s.")
        sleep(pause)
        pause = min(pause * 1.5, longest)


def unwatched(changes: Sequence[Change]) -> tuple[Target, ...]:
    """What was applied, makes Pods and is of a kind that says in its own way how far they are."""
    return tuple(
        one.target
        for one in changes
        if one.action in {"created", "configured"}
        and not image_places.built_in(one.target.group, one.target.kind)
        and image_places.gets_images(one.target.document)
    )


def _watched(target: Target) -> bool:
    return target.kind in WATCHED and image_places.built_in(target.group, target.kind)


def state(kind: str, live: Mapping[str, Any]) -> State:
    """How far a workload is, from its status as the API has it."""
    spec, status = live.get("spec") or {}, live.get("status") or {}
    seen = int(status.get("observedGeneration") or 0) >= int((live.get("metadata") or {}).get("generation") or 0)
    conditions = {one.get("type"): one for one in status.get("conditions") or ()}
    if kind == "Pod":
        ready = conditions.get("Ready", {}).get("status") == "True" or status.get("phase") == "Succeeded"
        failed = "its containers ended with an error." if status.get("phase") == "Failed" else ""
        return State(ready=int(ready), wanted=1, done=ready, failed=failed)
    if kind == "Job":
        wanted, done = int(spec.get("completions") or 1), int(status.get("succeeded") or 0)
        failure = conditions.get("Failed", {})
        failed = str(failure.get("message") or "its Pods failed.") if failure.get("status") == "True" else ""
        return State(ready=done, wanted=wanted, done=done >= wanted, failed=failed)
    if kind == "DaemonSet":
        wanted, ready = int(status.get("desiredNumberScheduled") or 0), int(status.get("numberAvailable") or 0)
        updated = int(status.get("updatedNumberScheduled") or 0)
        return State(ready=ready, wanted=wanted, done=seen and ready >= wanted and updated >= wanted)
    wanted = int(spec["replicas"]) if spec.get("replicas") is not None else 1
    if kind == "StatefulSet":
        ready, updated = int(status.get("readyReplicas") or 0), int(status.get("updatedReplicas") or 0)
        current = status.get("currentRevision") == status.get("updateRevision") or updated >= wanted
        return State(ready=ready, wanted=wanted, done=seen and ready >= wanted and current)
    ready = int(status.get("availableReplicas") or 0)
    if kind != "Deployment":
        return State(ready=ready, wanted=wanted, done=seen and ready >= wanted)
    updated, total = int(status.get("updatedReplicas") or 0), int(status.get("replicas") or 0)
    progressing = conditions.get("Progressing", {})
    late = seen and progressing.get("reason") == "ProgressDeadlineExceeded"
    return State(
        ready=min(ready, updated),
        wanted=wanted,
        done=seen and updated >= wanted and total <= updated and ready >= wanted,
        failed=str(progressing.get("message") or "it made no progress.") if late else "",
    )


def _denied(cluster: Cluster, target: Target, live: Object) -> AdmissionDenied | None:
    """The denial of a workload's Pods, as its makers tell it now; one that may pass by itself does not count."""
    messages = _replica_failures(live)
    if target.kind == "Deployment":
        messages += [message for one in _sets(cluster, target, live) for message in _replica_failures(one)]
    elif target.kind in {"StatefulSet", "DaemonSet", "Job"}:
        messages += _event_messages(cluster, target.namespace, str(live["metadata"]["uid"]), latest=True)
    for message in messages:
        found = denials.parse(message)
        if found and not any(one.unavailable for one in found):
            denied = AdmissionDenied(found, message)
            denied.what = f"{target.where} was accepted, but its Pods are denied: {denied.what}"
            return denied
    return None


def _replica_failures(live: Mapping[str, Any]) -> list[str]:
    return [
        str(one.get("message") or "")
        for one in (live.get("status") or {}).get("conditions") or ()
        if one.get("type") == "ReplicaFailure" and one.get("status") == "True"
    ]


def _sets(cluster: Cluster, target: Target, live: Object) -> list[Object]:
    """The ReplicaSet of a Deployment's newest revision."""
    revision = (live["metadata"].get("annotations") or {}).get(REVISION)
    return [
        one
        for one in cluster.list(_SETS, target.namespace, labelSelector=_selector(live))
        if any(owner.get("uid") == live["metadata"]["uid"] for owner in one["metadata"].get("ownerReferences") or ())
        and (one["metadata"].get("annotations") or {}).get(REVISION) == revision
    ]


def _event_messages(cluster: Cluster, namespace: str, uid: str, *, latest: bool = False) -> list[str]:
    """What the warnings about an object say, the newest first."""
    events = cluster.list(_EVENTS, namespace, fieldSelector=f"involvedObject.uid={uid}")
    events.sort(key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""), reverse=True)
    # A warning that something came after has passed.
    events = events[:1] if latest else events
    return [str(one.get("message") or "") for one in events if one.get("type") == "Warning"]


def _failed(cluster: Cluster, target: Target, live: Object, what: str) -> S3CError:
    """The error with the reason, as far as the cluster tells one."""
    pods = [live] if target.kind == "Pod" else cluster.list(_PODS, target.namespace, labelSelector=_selector(live))
    reasons = [reason for pod in pods for reason in troubles(pod)]
    about = [live, *(_sets(cluster, target, live) if target.kind == "Deployment" else []), *pods]
    messages = [
        message
        for one in about
        if one.get("metadata")
        for message in _event_messages(cluster, target.namespace, str(one["metadata"]["uid"]))
    ]
    found = [denial for message in [*_replica_failures(live), *messages] for denial in denials.parse(message)]
    reasons += [denial.what for denial in found]
    return OutsideError(
        what,
        cause=" ".join(dict.fromkeys(reasons)) or "Nothing tells why: its Pods may just be slow.",
        remedy=next((denial.remedy for denial in found if denial.remedy), "")
        or f"Look at it: `kubectl describe {target.kind.lower()} {target.name} -n {target.namespace}`.",
        original="\n".join(dict.fromkeys(messages))[:2000],
    )


def troubles(pod: Mapping[str, Any]) -> list[str]:
    """Why a Pod is not ready, a sentence each: container states, and what the scheduler says."""
    name, status = (pod.get("metadata") or {}).get("name"), pod.get("status") or {}
    found = []
    for one in status.get("conditions") or ():
        if one.get("type") == "PodScheduled" and one.get("status") == "False":
            found.append(f"Pod {name} finds no node: {one.get('message') or one.get('reason')}.")
    for one in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        state, last = one.get("state") or {}, (one.get("lastState") or {}).get("terminated") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            detail = f" ({waiting['message'][:300]})" if waiting.get("message") else ""
            after = f", after exit code {last['exitCode']}" if last.get("exitCode") else ""
            found.append(f"Container {one.get('name')} of {name}: {waiting['reason']}{after}{detail}.")
        elif ended and ended.get("exitCode"):
            found.append(f"Container {one.get('name')} of {name} ended with exit code {ended['exitCode']}.")
        elif "running" in state and not one.get("ready", True) and one in (status.get("containerStatuses") or ()):
            found.append(f"Container {one.get('name')} of {name} runs, but is not ready.")
    return found


def _selector(live: Mapping[str, Any]) -> str:
    """A workload's selector as the API's query has it."""
    selector = (live.get("spec") or {}).get("selector") or {}
    labels = selector.get("matchLabels", selector if "matchExpressions" not in selector else {}) or {}
    parts = [f"{key}={value}" for key, value in labels.items()]
    for one in selector.get("matchExpressions") or ():
        values = ",".join(one.get("values") or ())
        parts.append(
            {
                "In": f"{one['key']} in ({values})",
                "NotIn": f"{one['key']} notin ({values})",
                "Exists": one["key"],
                "DoesNotExist": f"!{one['key']}",
            }[one["operator"]]
        )
    return ",".join(parts)


def address(cluster: Cluster, changes: Sequence[Change]) -> str:
    """Where the application is reached from outside: an Ingress's host or address, else a LoadBalancer's; or empty."""
    for kind, scheme in (("Ingress", "http"), ("Service", "http")):
        for change in changes:
            target = change.target
            if target.kind != kind or not (live := look_up(cluster, target)):
                continue
            spec = live.get("spec") or {}
            hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
            points = ((live.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
            found = hosts or [str(point.get("hostname") or point.get("ip")) for point in points]
            if found:
                return f"{'https' if spec.get('tls') else scheme}://{found[0]}"
    return ""
