"""Pausing the gate: what is written into the constraint, and what has to be there before it counts."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from s3c_actions.cluster.client import ApiError, Cluster, Resource
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.progress import Silent
from s3c_actions.steps import pause_gate
from s3c_actions.steps.pause_gate import PauseSettings, PauseTools
from tests.unit.cluster.gate.test_inspection import FACTS

READS = "paused { input.parameters.pause } external_data"
HALF_AN_HOUR = PauseSettings(length=timedelta(minutes=30), reason="registry down")


class Api(Cluster):
    """A cluster with the gate: it changes objects as the API server does, by its own clock, and Gatekeeper follows."""

    def __init__(self, *, rego: str = READS, prunes: bool = False, follows: bool = True) -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        self.template = copy.deepcopy(FACTS["templates"][0])
        self.template["spec"]["targets"] = [{"rego": rego}]
        self.live = copy.deepcopy(FACTS["constraints"][0])
        self.prunes, self.follows = prunes, follows
        self.clock = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)  # not this machine's
        self.writes: list[tuple[dict[str, Any], bool]] = []

    def list(self, resource: Resource, namespace: str = "", **query: str) -> list[dict[str, Any]]:
        served = {gate_objects.CONSTRAINT_TEMPLATES.plural: [self.template], "ratifyverification": [self.live]}
        if resource.plural not in served:
            raise ApiError(404, "NotFound", "no such kind", what="The cluster knows no such kind.")
        return served[resource.plural]

    def get(self, resource: Resource, name: str, namespace: str = "") -> dict[str, Any]:
        assert (resource.plural, name) == ("ratifyverification", "ratify-verification")
        observed = self.live["metadata"]["generation"] if self.follows else 0
        pods = [{"operations": ["audit"]}, {"operations": ["webhook"], "observedGeneration": observed}]
        return {**self.live, "status": {"byPod": pods}}

    def merge(
        self, resource: Resource, name: str, patch: dict[str, Any], namespace: str = "", *, dry_run: bool = False
    ) -> dict[str, Any]:
        assert (resource.plural, name) == ("ratifyverification", "ratify-verification")
        self.writes.append((patch, dry_run))
        changed: dict[str, Any] = copy.deepcopy(self.live)
        pause = patch["spec"]["parameters"]["pause"]
        changed["spec"]["parameters"] = {} if pause is None or self.prunes else {"pause": pause}
        changed["metadata"]["generation"] += 1
        changed["metadata"]["managedFields"] = [
            {"manager": "s3c", "time": "2026-11-20T08:00:00Z"},
            {"manager": "s3c", "time": self.clock.strftime("%Y-%m-%dT%H:%M:%SZ")},
        ]
        if not dry_run:
            self.live = changed
        return changed


def run(api: Api, settings: PauseSettings = HALF_AN_HOUR):
    return pause_gate.run(settings, PauseTools(cluster=api, progress=Silent()))


def test_a_pause_is_by_the_clock_of_the_api_server():
    api = Api()
    result = run(api)
    (pause,) = result.pauses
    assert (pause.since, pause.until) == ("2026-11-29T12:00:00Z", "2026-11-29T12:30:00Z")
    assert [dry_run for _, dry_run in api.writes] == [True, False]
    assert api.live["spec"]["parameters"]["pause"]["reason"] == "registry down"
    assert [(change.kind, change.name, change.action) for change in result.applied] == [
        ("RatifyVerification", "ratify-verification", "configured")
    ]


def test_an_end_takes_it_out_and_is_no_error_twice():
    api = Api()
    run(api)
    ended = run(api, PauseSettings(length=None))
    assert (ended.pauses, ended.unchanged) == ((), False)
    assert "pause" not in api.live["spec"]["parameters"]
    again = run(api, PauseSettings(length=None))
    assert (again.pauses, again.unchanged) == ((), True)


def test_a_template_that_does_not_read_it_is_an_error_before_anything_is_written():
    api = Api(rego="package x external_data")
    with pytest.raises(OutsideError, match="knows no pause") as raised:
        run(api)
    assert "s3c gate install" in raised.value.remedy
    assert api.writes == []


def test_a_definition_that_drops_it_is_no_pause():
    with pytest.raises(OutsideError, match="knows no pause"):
        run(Api(prunes=True))


def test_a_cluster_without_a_gate():
    with pytest.raises(InputError, match="has no gate"):
        run(Api(rego="package x"))


def test_gatekeeper_has_to_go_by_it(monkeypatch):
    monkeypatch.setattr(pause_gate, "TAKEN_SECONDS", 0.0)
    with pytest.raises(OutsideError, match="has not confirmed") as raised:
        run(Api(follows=False))
    assert "s3c gate uninstall" in raised.value.remedy
