"""Namespaces are created for the trial and removed after it; one that is missing or another's is named."""

from __future__ import annotations

import pytest

from s3c_actions.cluster.apply import ApplyTarget
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.errors import InputError
from s3c_actions.result.model import DeployResult
from s3c_actions.steps.deploy import namespaces
from s3c_actions.steps.deploy.state import DeployState
from tests.support.deploying import Objects, settings
from tests.unit.steps.deploy.test_gate_check import target


def declared(name: str) -> ApplyTarget:
    return ApplyTarget(
        document={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": "shop"}}},
        resource=gate_objects.NAMESPACES,
        namespace="",
        source="m.yaml",
    )


def test_what_is_missing_is_created_and_taken_back_but_for_what_stays():
    cluster, state = Objects("other", stays="second"), DeployState(DeployResult())
    targets = [declared("shop"), *(target("Job", "batch/v1", name) for name in ("shop", "second", "other"))]
    created = namespaces.create_namespaces(settings(create_namespace=True), targets, cluster, state)
    assert [change.target.where for change in created] == ["Namespace second", "Namespace shop"]
    assert cluster.live["shop"]["metadata"]["labels"] == {"team": "shop"}
    assert state.changes == created
    namespaces.remove_namespaces(cluster, state, created)
    assert set(cluster.live) == {"other", "second"}
    assert [change.target.name for change in state.changes] == ["second"]
    assert state.warnings == ["Namespace second could not be taken back: It may not be deleted."]


def test_a_namespace_is_created_only_if_it_is_declared_or_asked_for():
    cluster, state = Objects(), DeployState(DeployResult())
    with pytest.raises(InputError, match="the namespace shop is not there") as error:
        namespaces.create_namespaces(settings(create_namespace=False), [target("Job", "batch/v1")], cluster, state)
    assert "create-namespace" in error.value.remedy
    assert (cluster.live, state.changes) == ({}, [])
    objects = [declared("shop"), target("Job", "batch/v1")]
    assert len(namespaces.create_namespaces(settings(create_namespace=False), objects, cluster, state)) == 1


def test_a_namespace_that_does_not_end_is_named(monkeypatch):
    cluster = Objects("shop")
    cluster.live["shop"]["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    monkeypatch.setattr(namespaces, "_DELETION", -1.0)
    with pytest.raises(InputError, match="is being deleted") as error:
        namespaces.create_namespaces(
            settings(create_namespace=True), [target("Job", "batch/v1")], cluster, DeployState(DeployResult())
        )
    assert "finalizer" in error.value.cause


def test_objects_of_another_namespace_than_the_given_one_are_refused():
    namespaces.check_namespace([target("Job", "batch/v1"), declared("other")], "shop")
    with pytest.raises(InputError, match=r"m\.yaml: Job web is in the namespace shop, not in other"):
        namespaces.check_namespace([target("Job", "batch/v1")], "other")
