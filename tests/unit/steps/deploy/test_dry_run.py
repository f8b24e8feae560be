"""Every object is tried before any is applied, and what cannot be tried is said."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from s3c_actions.cluster.apply import ObjectChange
from s3c_actions.cluster.client import ImmutableField
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.result.model import DeployResult
from s3c_actions.steps.deploy.dry_run import try_all
from s3c_actions.steps.deploy.state import DeployState
from tests.support.deploying import Objects, settings, tools
from tests.unit.steps.deploy.test_gate_check import DATABASE, SERVICE, target

JOB, DEPLOYMENT = target("Job", "batch/v1"), target("Deployment", "apps/v1")


def immutable() -> ImmutableField:
    return ImmutableField(422, "Invalid", "field is immutable", what="A field cannot be changed.")


def test_an_object_that_is_rejected_is_named_with_its_manifest():
    cluster, state = Objects(rejects={"web": OutsideError("It is rejected.")}), DeployState(DeployResult())
    with pytest.raises(OutsideError) as error:
        try_all(settings(), tools(), cluster, [DEPLOYMENT], state=state, created=[])
    assert error.value.what == "Deployment shop/web (m.yaml): It is rejected."
    assert (cluster.live, state.changes) == ({}, [])


def test_a_finished_job_is_created_anew_only_if_that_is_asked_for():
    cluster, state = Objects("web", rejects={"web": immutable()}), DeployState(DeployResult())
    cluster.live["web"]["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert list(try_all(settings(recreate_jobs=True), tools(), cluster, [JOB], state=state, created=[])) == [JOB]
    assert cluster.tried == ["web-s3c-dry-run"]
    for given, tried in (({}, JOB), ({"recreate_jobs": True}, DEPLOYMENT)):
        cluster.rejects["web"] = immutable()
        with pytest.raises(ImmutableField):
            try_all(settings(**given), tools(), cluster, [tried], state=state, created=[])


def test_a_job_that_runs_is_not_created_anew():
    cluster, state = Objects("web", rejects={"web": immutable()}), DeployState(DeployResult())
    with pytest.raises(InputError, match="still runs"):
        try_all(settings(recreate_jobs=True), tools(), cluster, [JOB], state=state, created=[])


def test_a_kind_that_the_set_defines_is_not_tried_when_nothing_is_to_be_applied():
    cluster, state = Objects(), DeployState(DeployResult())
    created: list[ObjectChange] = []
    undefined = replace(DATABASE, undefined=True)
    try_all(settings(dry_run=True), tools(), cluster, [SERVICE, undefined], state=state, created=created)
    assert cluster.tried == ["web"]
    (warning,) = state.warnings
    assert warning.startswith("Database shop/web was not tried")
    assert (created, cluster.live) == ([], {})
