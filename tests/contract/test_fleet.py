"""A fleet in a registry: Debian's real one, which has no Referrers API, and one whose answers a test chooses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from s3c_actions.cli.console import LogProgress
from s3c_actions.cli.run import cache_path
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.process import Runner
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import store
from s3c_actions.fleet.plan import Plan
from s3c_actions.registry import Registry, Writer
from s3c_actions.registry.artifacts import push_artifact
from s3c_actions.registry.credentials import Logins
from s3c_lab import daemons, registry_server
from s3c_lab.machine import Machine, with_system_path
from tests.unit.fleet.test_plan import PLAN

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Debian's docker-registry."""
    environment = with_system_path(dict(os.environ))
    machine = Machine(runner=Runner(environment), progress=LogProgress(sys.stderr), cache=cache_path(environment))
    folder, port = tmp_path_factory.mktemp("registry"), registry_server.free_port()
    registry_server.start(folder, port, machine)
    yield f"localhost:{port}"
    daemons.stop(folder / "registry.pid", machine)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(Logins(environment={"HOME": str(tmp_path)}), timeout=10)


@pytest.fixture
def place(real: str, request: pytest.FixtureRequest) -> Reference:
    """A tag in a repository of the test's own."""
    return Reference.parse(f"{real}/{request.node.originalname.replace('_', '-')}:today")


def test_a_plan_is_kept_with_its_results_and_reports(registry: Registry, place: Reference) -> None:
    writer = Writer(registry)
    assert store.find_plan(registry, place) is None
    pinned = store.push_plan(writer, place, PLAN)
    assert store.push_plan(writer, place, PLAN) == pinned
    assert store.find_plan(registry, place) == store.find_plan(registry, pinned) == PLAN
    assert store.find_stored_plan(registry, place) == (PLAN, pinned)
    assert store.list_results(registry, pinned) == []
    later = NOW + timedelta(minutes=1)
    store.push_result(writer, pinned, 2, b'{"shard": 2}', now=NOW)
    store.push_result(writer, pinned, 1, b'{"shard": 1, "again": true}', now=later)
    store.push_result(writer, pinned, 1, b'{"shard": 1}', now=NOW)
    store.push_report(writer, pinned, b'{"images": 4}', now=NOW)
    assert store.list_results(registry, pinned) == [(1, b'{"shard": 1, "again": true}'), (2, b'{"shard": 2}')]
    assert store.list_reports(registry, pinned) == [("2026-11-29T12:00:00Z", b'{"images": 4}')]


def test_a_tag_moves_on_and_the_earlier_plan_keeps_its_results(registry: Registry, place: Reference) -> None:
    writer = Writer(registry)
    first = store.push_plan(writer, place, PLAN)
    store.push_result(writer, first, 1, b"{}", now=NOW)
    other = Plan(created="2026-11-30T12:00:00Z", fleet="1" * 64, shards=1, images=())
    second = store.push_plan(writer, place, other)
    assert store.find_plan(registry, place) == other
    assert store.list_results(registry, second) == []
    assert store.list_results(registry, first) == [(1, b"{}")]


@pytest.mark.parametrize("shard", ["0", "257", "-1", "x", "", "1\n", "²"])
def test_a_result_of_no_shard_is_left_out(registry: Registry, place: Reference, shard: str) -> None:
    writer = Writer(registry)
    pinned = store.push_plan(writer, place, PLAN)
    subject = registry.resolve(pinned)
    annotations = {store.SHARD: shard}
    push_artifact(writer, place.tagged(""), store.RESULT, b"{}", annotations=annotations, subject=subject)
    store.push_result(writer, pinned, 2, b"{}", now=NOW)
    assert store.list_results(registry, pinned) == [(2, b"{}")]


def test_what_is_no_plan_is_rejected(registry: Registry, place: Reference) -> None:
    push_artifact(Writer(registry), place, "application/x.other", b"{}", annotations={})
    with pytest.raises(InputError, match="is no plan"):
        store.find_plan(registry, place)
    push_artifact(Writer(registry), place, store.PLAN, b"{}", annotations={})
    with pytest.raises(InputError, match="is no plan of this version"):
        store.find_plan(registry, place)


def test_a_result_beside_no_plan_is_rejected(registry: Registry, place: Reference) -> None:
    with pytest.raises(InputError, match="does not exist"):
        store.push_result(Writer(registry), place.at("sha256:" + "0" * 64), 1, b"{}", now=NOW)


def test_a_registry_out_of_reach_is_an_outside_error(registry: Registry) -> None:
    with pytest.raises(OutsideError):
        store.find_plan(registry, Reference.parse("localhost:1/fleet:today"))
