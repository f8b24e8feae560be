"""How far a workload is: statuses as the API has them."""

from __future__ import annotations

from typing import Any

import pytest

from s3c_actions.cluster.rollout_state import custom_state, rollout_state

COMPLETE = {"type": "Complete", "status": "True"}
MET = {"type": "SuccessCriteriaMet", "status": "True"}


def live(spec: dict[str, Any], *, observed: Any = 2, **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "custom.example.test/v1" if observed is None else "apps/v1",
        "metadata": {"generation": 2},
        "spec": spec,
        "status": {**({} if observed is None else {"observedGeneration": observed}), **status},
    }


def stateful(partition: int, updated: int, **more: Any) -> dict[str, Any]:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    revisions = {"currentRevision": "a", "updateRevision": "b"}
    pods: dict[str, Any] = {"readyReplicas": 3, "updatedReplicas": updated, **revisions}
    return live({"replicas": 3, "updateStrategy": strategy}, **pods, **more)


ON_DELETE = {"replicas": 3, "updateStrategy": {"type": "OnDelete"}}
DAEMONS: dict[str, Any] = {"desiredNumberScheduled": 3, "numberAvailable": 3}


@pytest.mark.parametrize(
    ("kind", "seen", "done", "notice"),
    [
        ("StatefulSet", stateful(2, 1), True, "keeps 2 of 3 Pods"),
        ("StatefulSet", stateful(2, 0), False, ""),
        ("StatefulSet", stateful(2, 1, observed=1), False, ""),
        ("StatefulSet", stateful(3, 0), True, "keeps 3 of 3 Pods"),
        ("StatefulSet", stateful(5, 0), True, "keeps 3 of 3 Pods"),
        ("StatefulSet", stateful(0, 2), False, ""),
        ("StatefulSet", live(ON_DELETE, readyReplicas=3, currentRevision="a", updateRevision="b"), True, "3 Pods"),
        ("StatefulSet", live(ON_DELETE, readyReplicas=2, currentRevision="a", updateRevision="b"), False, ""),
        ("StatefulSet", live(ON_DELETE, readyReplicas=3, currentRevision="b", updateRevision="b"), True, None),
        ("DaemonSet", live(ON_DELETE, **DAEMONS, updatedNumberScheduled=1), True, "2 Pods are of an earlier revision"),
        ("DaemonSet", live(ON_DELETE, **DAEMONS, updatedNumberScheduled=3), True, None),
        ("DaemonSet", live(ON_DELETE, observed=1, **DAEMONS), False, ""),
        ("Job", live({"suspend": True}, conditions=[{"type": "Suspended", "status": "True"}]), True, "is suspended"),
        ("Job", live({"suspend": True}, conditions=[COMPLETE]), True, None),
        ("Job", live({"completions": 5}, succeeded=1, conditions=[MET]), False, ""),
        ("Job", live({"completions": 5}, succeeded=1, conditions=[COMPLETE]), True, None),
        ("Job", live({"completions": 0}, conditions=[COMPLETE]), True, None),
        ("Job", live({"parallelism": 3}, succeeded=1, active=2), False, ""),
        ("Job", live({"parallelism": 3}, succeeded=3, conditions=[COMPLETE]), True, None),
        ("Deployment", live({"replicas": 2, "paused": True}, availableReplicas=2, replicas=2), True, "is paused"),
        ("Deployment", live({"replicas": 2, "paused": True}, observed=1), False, ""),
        ("Deployment", live({"replicas": 0}), True, None),
    ],
)  # fmt: skip
def test_a_workload_is_done_when_it_is_as_far_as_it_gets(kind, seen, done, notice):
    state = rollout_state(kind, seen)
    assert state.done is done
    assert state.failed == ""
    if done:
        assert (notice in state.notice) if notice else state.notice == ""


ROLLOUT = ("argoproj.io", "Rollout")
SERVICE = ("serving.knative.dev", "Service")
WORKFLOW = ("argoproj.io", "Workflow")
TASK = ("tekton.dev", "TaskRun")
FIRST: dict[str, Any] = {"currentStepIndex": 0}
PROMOTED = {"autoPromotionSeconds": 60}
OTHER = ("data.example.test", "Database")


def condition(kind: str, status: str, message: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, "message": message}]}


def conditions(**states: str | tuple[str, str]) -> dict[str, Any]:
    """Conditions by their type; a state is a status, or a status and a reason."""
    pairs = {kind: (state, "") if isinstance(state, str) else state for kind, state in states.items()}
    return {"conditions": [{"type": kind, "status": at, "reason": why} for kind, (at, why) in pairs.items()]}


def canary(*steps: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"strategy": {"canary": {"steps": list(steps)}}, **spec}


@pytest.mark.parametrize(
    ("kind", "seen", "expected"),
    [
        (ROLLOUT, live({}, observed=None), None),
        (ROLLOUT, live({}, observed="2", phase="Healthy"), "done"),
        (ROLLOUT, live({}, observed="1", phase="Healthy"), "waits"),
        (ROLLOUT, live({}, observed="2", phase="Progressing"), "waits"),
        (ROLLOUT, live({}, observed="2", phase="Degraded", message="ProgressDeadlineExceeded"), "failed"),
        (ROLLOUT, live(canary({"pause": {}}), observed="2", phase="Paused", **FIRST), "notice"),
        (ROLLOUT, live(canary({"pause": {"duration": "1h"}}), observed="2", phase="Paused", **FIRST), "waits"),
        (ROLLOUT, live({"paused": True}, observed="2", phase="Paused"), "notice"),
        (ROLLOUT, live({}, observed="6b9cf4f5", phase="Healthy"), "done"),
        (ROLLOUT, live({"strategy": {"blueGreen": {}}}, observed="2", phase="Paused"), "notice"),
        (ROLLOUT, live({"strategy": {"blueGreen": PROMOTED}}, observed="2", phase="Paused"), "waits"),
        (SERVICE, live({}, **condition("Ready", "True")), "done"),
        (SERVICE, live({}, **condition("Ready", "Unknown")), "waits"),
        (SERVICE, live({}, **condition("Ready", "False", "Revision failed")), "failed"),
        (SERVICE, live({}, observed=1, **condition("Ready", "True")), "waits"),
        (OTHER, live({}), None),
        (OTHER, live({}, **condition("Synced", "True")), None),
        (OTHER, live({}, **condition("Ready", "True")), "done"),
        (OTHER, live({}, observed=None, **condition("Available", "True")), "done"),
        (OTHER, live({}, **condition("Ready", "False")), "waits"),
        (OTHER, live({}, **condition("Stalled", "True", "no quota")), "failed"),
        (OTHER, live({}, **condition("Reconciling", "True")), "waits"),
        (OTHER, live({}, **condition("Reconciling", "False")), "done"),
        (OTHER, live({}, **conditions(Stalled="False", Reconciling="False")), "done"),
        (OTHER, live({}, observed=1, **condition("Reconciling", "False")), "waits"),
        (OTHER, live({}, **conditions(Ready="True", Reconciling="True")), "waits"),
        (OTHER, live({}, **conditions(Complete="True", Reconciling="True")), "waits"),
        (OTHER, live({}, **conditions(Ready="True", Stalled="True")), "failed"),
        (OTHER, live({}, **conditions(Ready="True", Synced="False")), "waits"),
        (OTHER, live({}, **conditions(Ready="True", Synced="True")), "done"),
        (OTHER, live({}, **conditions(**{"Ready": "True", "ACK.ResourceSynced": "False"})), "waits"),
        (OTHER, live({}, **conditions(Ready="True", Synced=("False", "ReconcilePaused"))), "notice"),
        (OTHER, live({"suspend": True}, **conditions(Ready="False")), "notice"),
        (("jobset.x-k8s.io", "JobSet"), live({}, **condition("Completed", "True")), "done"),
        (("jobset.x-k8s.io", "JobSet"), live({}, **condition("Failed", "True", "a Job failed")), "failed"),
        (TASK, live({}, observed=None, **condition("Succeeded", "True")), "done"),
        (TASK, live({}, observed=None, **condition("Succeeded", "False")), "failed"),
        (TASK, live({}, observed=None, **condition("Succeeded", "Unknown")), "waits"),
        (WORKFLOW, live({}, observed=None), None),
        (WORKFLOW, live({}, observed=None, phase="Running", **condition("PodRunning", "True")), "waits"),
        (WORKFLOW, live({}, observed=None, phase="Succeeded", **condition("Completed", "True")), "done"),
        (WORKFLOW, live({}, observed=None, phase="Failed", **condition("Completed", "True")), "failed"),
        (("argoproj.io", "Experiment"), live({}, observed=None, phase="Successful"), "done"),
        (("argoproj.io", "AnalysisRun"), live({}, observed=None, phase="Inconclusive"), "failed"),
        (("batch.volcano.sh", "Job"), live({}, observed=None, state={"phase": "Aborted"}), "failed"),
        (("batch.volcano.sh", "Job"), live({}, observed=None, state="x"), None),
        (("ray.io", "RayJob"), live({}, observed=None, jobStatus="SUCCEEDED"), "done"),
        (("sparkoperator.k8s.io", "SparkApplication"), live({}, applicationState={"state": "FAILED"}), "failed"),
    ],
)  # fmt: skip
def test_a_custom_kind_is_read_by_its_phase_or_conditions(kind, seen, expected):
    state = custom_state(kind[0], kind[1], seen)
    if expected is None:
        assert state is None
        return
    assert state is not None
    assert state.done is (expected in {"done", "notice"})
    assert bool(state.failed) is (expected == "failed")
    assert bool(state.notice) is (expected == "notice")


def test_what_a_custom_kind_waits_for_is_told():
    synced = {"type": "Synced", "status": "False", "reason": "ReconcileError", "message": "no such zone."}
    state = custom_state(*OTHER, live({}, conditions=[{"type": "Ready", "status": "True"}, synced]))
    assert state is not None
    assert (state.ready, state.waits) == (0, "Its condition Synced is False: no such zone.")


@pytest.mark.parametrize("status", [{"conditions": "x"}, {"conditions": [1]}, {"conditions": None}, {}])
def test_a_status_of_any_shape_is_no_crash(status):
    assert custom_state(OTHER[0], OTHER[1], live({}, **status)) is None


def scaled(generation: int = 2, observed: int = 2, replicas: int = 2, **status: object) -> dict[str, Any]:
    return {
        "metadata": {"generation": generation},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": observed, **status},
    }


@pytest.mark.parametrize(
    ("kind", "seen", "done"),
    [
        ("Deployment", scaled(replicas=2, updatedReplicas=2, availableReplicas=2) | {}, True),
        ("Deployment", scaled(observed=1, updatedReplicas=2, availableReplicas=2), False),
        ("Deployment", scaled(updatedReplicas=1, availableReplicas=2), False),
        ("Deployment", scaled(updatedReplicas=2, availableReplicas=1), False),
        ("Deployment", scaled(replicas=0), True),
        ("StatefulSet", scaled(readyReplicas=2, updatedReplicas=2), True),
        ("StatefulSet", scaled(readyReplicas=2, updatedReplicas=1, currentRevision="a", updateRevision="b"), False),
        ("DaemonSet", scaled(desiredNumberScheduled=1, numberAvailable=1, updatedNumberScheduled=1), True),
        ("DaemonSet", scaled(desiredNumberScheduled=1, numberAvailable=1, updatedNumberScheduled=0), False),
        ("Job", scaled(succeeded=1, conditions=[{"type": "Complete", "status": "True"}]), True),
        ("Job", scaled(succeeded=1), False),
        ("Job", scaled(), False),
        ("Pod", scaled(conditions=[{"type": "Ready", "status": "True"}]), True),
        ("Pod", scaled(phase="Pending"), False),
    ],
)
def test_rollout_states(kind, seen, done):
    assert rollout_state(kind, seen).done is done


def test_rollouts_that_failed():
    late = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]
    assert rollout_state("Deployment", scaled(conditions=late)).failed == "timed out"
    backoff = [{"type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit"}]
    assert "backoff" in rollout_state("Job", scaled(conditions=backoff)).failed
    assert rollout_state("Pod", scaled(phase="Failed")).failed
