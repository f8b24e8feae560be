"""Each change is known when it is made, so that a failure can be reverted and reported."""

from __future__ import annotations

import pytest

from s3c_actions.cluster import apply
from s3c_actions.cluster.apply import ApplyTarget
from s3c_actions.cluster.client import Resource
from s3c_actions.core.errors import OutsideError
from s3c_actions.result.model import DeployResult
from s3c_actions.steps.deploy.applying import applied_object, apply_all, roll_back
from s3c_actions.steps.deploy.state import DeployState
from tests.support.deploying import Objects, Sentences, settings, tools


def config(name: str) -> ApplyTarget:
    return ApplyTarget(
        document={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}},
        resource=Resource(path="/api/v1", plural="configmaps", namespaced=True),
        namespace="shop",
        source="m.yaml",
    )


FIRST, SECOND, THIRD = (config(name) for name in ("first", "second", "third"))


def applied(cluster: Objects, state: DeployState, *targets: ApplyTarget) -> Sentences:
    progress = Sentences()
    apply_all(settings(), tools(progress), cluster, targets, state=state, recreated=())
    return progress


def test_what_was_applied_for_the_trial_is_not_applied_again():
    cluster, state = Objects("second"), DeployState(DeployResult())
    state.changes.append(apply.apply(cluster, FIRST, None, force=False))
    cluster.rejects["first"] = OutsideError("It is applied a second time.")
    progress = applied(cluster, state, FIRST, SECOND, THIRD)
    assert [(change.target.name, change.action) for change in state.changes] == [
        ("first", "created"),
        ("second", "unchanged"),
        ("third", "created"),
    ]
    assert progress.ended == {"apply": "2 created, 1 unchanged", "rollout": "everything is up"}


def test_a_second_deployment_has_nothing_to_do():
    cluster, state = Objects("first", "second"), DeployState(DeployResult())
    assert applied(cluster, state, FIRST, SECOND).ended["apply"] == "nothing to do: everything is deployed already"


def test_after_a_failure_what_was_applied_is_taken_back_the_last_first():
    cluster = Objects("second", rejects={"third": OutsideError("It is rejected.")}, stays="first")
    state, fourth = DeployState(DeployResult()), config("fourth")
    with pytest.raises(OutsideError, match=r"ConfigMap shop/third \(m\.yaml\): It is rejected"):
        applied(cluster, state, FIRST, SECOND, fourth, THIRD)
    assert set(cluster.live) == {"first", "second", "fourth"}
    progress = Sentences()
    roll_back(tools(progress), cluster, state)
    assert set(cluster.live) == {"first", "second"}
    assert state.warnings == ["ConfigMap shop/first could not be taken back: It may not be deleted."]
    assert [(entry.name, entry.action) for entry in map(applied_object, state.changes)] == [
        ("first", "created"),
        ("second", "unchanged"),
        ("fourth", "created"),
        ("fourth", "removed"),
    ]
    assert progress.ended == {"rollback": "1 removed"}
