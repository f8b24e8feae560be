"""Which of the changed objects are watched until they are up."""

from __future__ import annotations

import json

from s3c_actions.cluster import apply, image_places, rollout
from tests.unit.steps.deploy.test_gate_check import (
    DATABASE,
    DEPLOYMENT,
    EVERY,
    KNATIVE,
    MONITOR,
    POD,
    ROLLOUT,
    SERVICE,
    target,
)


def test_changed_objects_of_custom_kinds_are_watched():
    changes = [
        apply.ObjectChange(target=target, action=action, before=None, after={})
        for target, action in (
            (DEPLOYMENT, "created"),
            (ROLLOUT, "created"),
            (KNATIVE, "unchanged"),
            (DATABASE, "configured"),
            (SERVICE, "created"),
            (MONITOR, "created"),
        )
    ]
    assert rollout.custom_targets(changes) == [ROLLOUT, DATABASE]
    # A kind of the same name in another group has another status.
    assert not rollout._watched(target("Job", "batch.volcano.sh/v1alpha1", **POD))
    assert json.dumps([workload.kind for workload in EVERY if rollout._watched(workload)]) == json.dumps(
        [workload.kind for workload in image_places.WORKLOADS if workload.kind not in {"PodTemplate", "CronJob"}]
    )


def test_troubles_of_a_pod():
    pod = {
        "metadata": {"name": "web-1"},
        "status": {
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}],
            "containerStatuses": [
                {
                    "name": "a",
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                    "lastState": {"terminated": {"exitCode": 3}},
                },
                {"name": "b", "state": {"running": {}}, "ready": False},
                {"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}},
            ],
        },
    }
    assert rollout.pod_problems(pod) == [
        "Pod web-1 finds no node: 0/1 nodes are available.",
        "Container a of web-1: CrashLoopBackOff, after exit code 3 (back-off 10s).",
        "Container b of web-1 runs, but is not ready.",
    ]
