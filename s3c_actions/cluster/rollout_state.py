"""How far a workload is, from its status in the API: Kubernetes' own kinds, and custom kinds by their conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from s3c_actions.cluster import image_paths

_ARGO, _KNATIVE, _TEKTON = "argoproj.io", ".knative.dev", "tekton.dev"
# https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus, and the types that jobs of custom kinds have.
_READY = ("Ready", "Available")
_ENDED = ("Complete", "Completed", "Succeeded")
_TROUBLE = ("Stalled", "Reconciling")
"""Of kstatus: true while something is not as it should be; an object with these alone is ready when neither is."""
_SYNCED = ("Synced", "ACK.ResourceSynced")
"""Of Crossplane and ACK: false while the newest form is not carried out, whatever `Ready` says of the earlier one."""
# Kinds that end, by the words of their own documentation: of a Workflow, `Completed` is true when it has failed, too.
_PHASES: Mapping[tuple[str, str], tuple[str, ...]] = {
    (_ARGO, "Workflow"): ("phase",),
    (_ARGO, "Experiment"): ("phase",),
    (_ARGO, "AnalysisRun"): ("phase",),
    ("batch.volcano.sh", "Job"): ("state", "phase"),
    ("ray.io", "RayJob"): ("jobStatus",),
    ("sparkoperator.k8s.io", "SparkApplication"): ("applicationState", "state"),
}
_GOOD_PHASES = frozenset({"succeeded", "successful", "completed"})
_BAD_PHASES = frozenset(
    {"failed", "error", "inconclusive", "aborted", "terminated", "stopped", "failing", "submission_failed"}
)

Object = Mapping[str, Any]
Conditions = Mapping[str, Object]
"""The conditions of an object's status, by their type."""


class RolloutState(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a workload.

    Attributes:
        ready, wanted: Pods.
        done: it is as far as it gets by itself.
        failed: a sentence when it cannot recover by itself.
        notice: a sentence on what is left to do, when it is done.
        waits: a sentence on what it waits for, where its status tells.
    """

    ready: int
    wanted: int
    done: bool
    failed: str = ""
    notice: str = ""
    waits: str = ""


def rollout_state(kind: str, live: Object) -> RolloutState:
    """Return the progress of a workload of Kubernetes' own kinds."""
    read = {
        "Pod": _pod,
        "Job": _job,
        "DaemonSet": _daemon_set,
        "StatefulSet": _stateful_set,
        "Deployment": _deployment,
    }.get(kind, _replica_set)
    return read(live.get("spec") or {}, live.get("status") or {}, _conditions(live), _is_observed(live))


def _pod(_spec: Object, status: Object, conditions: Conditions, _observed: bool) -> RolloutState:
    ready = _is_true(conditions, "Ready") or status.get("phase") == "Succeeded"
    failed = "its containers ended with an error." if status.get("phase") == "Failed" else ""
    return RolloutState(ready=int(ready), wanted=1, done=ready, failed=failed)


def _daemon_set(spec: Object, status: Object, _conditions: Conditions, observed: bool) -> RolloutState:
    desired, ready = int(status.get("desiredNumberScheduled") or 0), int(status.get("numberAvailable") or 0)
    updated = int(status.get("updatedNumberScheduled") or 0)
    waits, notice = _on_delete(spec, desired - updated)
    done = observed and ready >= desired and (waits or updated >= desired)
    return RolloutState(ready=ready, wanted=desired, done=done, notice=notice)


def _replica_set(spec: Object, status: Object, _conditions: Conditions, observed: bool) -> RolloutState:
    desired, ready = _desired(spec), int(status.get("availableReplicas") or 0)
    return RolloutState(ready=ready, wanted=desired, done=observed and ready >= desired)


def _deployment(spec: Object, status: Object, conditions: Conditions, observed: bool) -> RolloutState:
    desired, ready = _desired(spec), int(status.get("availableReplicas") or 0)
    if spec.get("paused"):
        notice = "it is paused: nothing of it is rolled out until `kubectl rollout resume`."
        return RolloutState(ready=ready, wanted=desired, done=observed, notice=notice)
    updated, total = int(status.get("updatedReplicas") or 0), int(status.get("replicas") or 0)
    progressing = conditions.get("Progressing", {})
    late = observed and progressing.get("reason") == "ProgressDeadlineExceeded"
    return RolloutState(
        ready=min(ready, updated),
        wanted=desired,
        done=observed and updated >= desired and total <= updated and ready >= desired,
        failed=str(progressing.get("message") or "it made no progress.") if late else "",
    )


def _desired(spec: Object) -> int:
    return int(spec["replicas"]) if spec.get("replicas") is not None else 1


def _job(spec: Object, status: Object, conditions: Conditions, _observed: bool) -> RolloutState:
    """Return the progress of a Job: its conditions tell its end, since a number of Pods does not."""
    succeeded = int(status.get("succeeded") or 0)
    desired = int(spec["completions"]) if spec.get("completions") is not None else int(spec.get("parallelism") or 1)
    failure = conditions.get("Failed", {})
    failed = str(failure.get("message") or "its Pods failed.") if failure.get("status") == "True" else ""
    suspended = bool(spec.get("suspend")) and not _is_true(conditions, "Complete") and not failed
    return RolloutState(
        ready=succeeded,
        wanted=desired,
        done=suspended or _is_true(conditions, "Complete"),
        failed=failed,
        notice="it is suspended: nothing of it runs until `suspend` is false." if suspended else "",
    )


def _stateful_set(spec: Object, status: Object, _conditions: Conditions, observed: bool) -> RolloutState:
    desired, ready = _desired(spec), int(status.get("readyReplicas") or 0)
    updated = int(status.get("updatedReplicas") or 0)
    current = status.get("currentRevision") == status.get("updateRevision")
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    partition = int(rolling.get("partition") or 0)
    waits, notice = _on_delete(spec, 0 if current else desired - updated)
    if partition and not waits and not current:
        kept = min(partition, desired)
        notice = f"`partition: {partition}` keeps {kept} of {desired} Pods at the earlier revision." if kept else ""
    return RolloutState(
        ready=ready,
        wanted=desired,
        done=observed and ready >= desired and (waits or current or updated >= max(desired - partition, 0)),
        notice=notice,
    )


def _on_delete(spec: Object, outdated: int) -> tuple[bool, str]:
    """Return whether Pods are replaced only when somebody deletes them, and what is left to do then."""
    if (spec.get("updateStrategy") or {}).get("type") != "OnDelete":
        return False, ""
    rest = f"{outdated} Pods are of an earlier revision, until they are deleted (`OnDelete`)."
    return True, rest if outdated > 0 else ""


def custom_state(group: str, kind: str, live: Object) -> RolloutState | None:
    """Return the progress of an object of a custom kind; None when its status does not tell.

    Argo's Rollout and some kinds that end have phases. The others are read by the conditions that most controllers
    have: `Ready` or `Available`, `Complete` and `Failed` of what ends, `Stalled` and `Reconciling` as kstatus defines
    them, and `Synced`.
    """
    if (group, kind) == (_ARGO, "Rollout"):
        return _argo_rollout(live)
    if (group, kind) in _PHASES:
        return _ended_phase(live, _PHASES[group, kind])
    conditions = _conditions(live)
    positive = conditions.keys() & {*_READY, *_ENDED, "Failed"}
    if not positive and not conditions.keys() & {*_TROUBLE}:
        return None
    if not _is_observed(live):
        return RolloutState(ready=0, wanted=1, done=False)
    ready = next((conditions[condition] for condition in _READY if condition in conditions), {})
    failures = [conditions[condition] for condition in ("Stalled", "Failed") if _is_true(conditions, condition)]
    if group == _TEKTON:
        failures += [conditions[condition] for condition in ("Succeeded",) if _is_false(conditions, condition)]
    if group.endswith(_KNATIVE) and ready.get("status") == "False":
        failures.append(ready)
    pending = _pending(conditions)
    left_alone = _left_alone(live, conditions)
    done = not pending and (
        not positive or ready.get("status") == "True" or any(_is_true(conditions, condition) for condition in _ENDED)
    )
    return RolloutState(
        ready=int(done),
        wanted=1,
        done=(done or bool(left_alone)) and not failures,
        failed=_message(failures[0]) if failures else "",
        notice="" if done else left_alone,
        waits=f"Its condition {pending[0]['type']} is {pending[0]['status']}: {_message(pending[0])}"
        if pending
        else "",
    )


def _pending(conditions: Conditions) -> list[Object]:
    """Return the conditions that say that the newest form of an object is not carried out yet."""
    return [
        *(conditions[name] for name in ("Reconciling",) if _is_true(conditions, name)),
        *(conditions[name] for name in _SYNCED if _is_false(conditions, name)),
    ]


def _left_alone(live: Object, conditions: Conditions) -> str:
    """Return a sentence where somebody has told the controller to leave an object; empty otherwise."""
    if (live.get("spec") or {}).get("suspend") is True:
        return "it is suspended: nothing of it runs until `suspend` is false."
    if conditions.get("Synced", {}).get("reason") == "ReconcilePaused":
        return "it is paused: nothing of it is carried out until the annotation `crossplane.io/paused` is gone."
    return ""


def _argo_rollout(live: Object) -> RolloutState | None:
    """https://argo-rollouts.readthedocs.io/en/stable/features/kubectl-plugin/: `kubectl argo rollouts status`."""
    spec, status = live.get("spec") or {}, live.get("status") or {}
    phase, message = str(status.get("phase") or ""), str(status.get("message") or "")
    if not phase:
        return None
    wanted = _desired(spec)
    ready = int(status.get("availableReplicas") or 0)
    seen = str(status.get("observedGeneration") or "")
    # Controllers before 1.0 wrote a hash there, which tells nothing, as their plugin has it.
    if seen != str((live.get("metadata") or {}).get("generation") or "") and (not seen or seen.isdecimal()):
        return RolloutState(ready=ready, wanted=wanted, done=False)
    if phase == "Degraded":
        return RolloutState(ready=ready, wanted=wanted, done=False, failed=message or "it is degraded.")
    if phase == "Paused" and not _ends_by_itself(spec, status):
        reason = f" ({message})" if message else ""
        notice = f"it is paused{reason}: it goes on with `kubectl argo rollouts promote`."
        return RolloutState(ready=ready, wanted=wanted, done=True, notice=notice)
    return RolloutState(ready=ready, wanted=wanted, done=phase == "Healthy")


def _ended_phase(live: Object, path: tuple[str, ...]) -> RolloutState | None:
    """Return the progress of what ends, by the phase at a path of its status."""
    status = live.get("status") or {}
    phase: Any = status
    for key in path:
        phase = phase.get(key) if isinstance(phase, Mapping) else None
    word = str(phase or "").lower()
    if not word:
        return None
    done, failed = word in _GOOD_PHASES, word in _BAD_PHASES
    message = str(status.get("message") or "").strip().rstrip(".")
    return RolloutState(
        ready=int(done),
        wanted=1,
        done=done,
        failed=f"it ended as {phase}{message and f': {message}'}." if failed else "",
    )


def _ends_by_itself(spec: Object, status: Object) -> bool:
    """Return whether the pause of a canary, or before a promotion, has a duration."""
    if ((spec.get("strategy") or {}).get("blueGreen") or {}).get("autoPromotionSeconds") and not spec.get("paused"):
        return True
    steps = ((spec.get("strategy") or {}).get("canary") or {}).get("steps") or []
    index = status.get("currentStepIndex")
    step = steps[index] if isinstance(index, int) and 0 <= index < len(steps) else {}
    return bool((step.get("pause") or {}).get("duration")) and not spec.get("paused")


def is_custom(group: str) -> bool:
    """Return whether a kind of this group is a custom one, read by `custom_state`."""
    return not image_paths.is_own_group(group)


def _is_observed(live: Object) -> bool:
    seen = (live.get("status") or {}).get("observedGeneration")
    generation = int((live.get("metadata") or {}).get("generation") or 0)
    if seen is None:
        # Custom kinds need not have it; of Kubernetes' own, a new object has none yet.
        return is_custom(str(live.get("apiVersion") or "").rpartition("/")[0]) or generation == 0
    return str(seen).isdecimal() and int(seen) >= generation


def _conditions(live: Object) -> dict[str, Object]:
    listed = (live.get("status") or {}).get("conditions")
    return {
        str(condition.get("type")): condition
        for condition in (listed if isinstance(listed, list) else ())
        if isinstance(condition, Mapping)
    }


def _is_true(conditions: Conditions, name: str) -> bool:
    return conditions.get(name, {}).get("status") == "True"


def _is_false(conditions: Conditions, name: str) -> bool:
    return conditions.get(name, {}).get("status") == "False"


def _message(condition: Object) -> str:
    text = str(condition.get("message") or condition.get("reason") or condition.get("type")).rstrip(".")
    return f"{text}."
