"""Inputs of `fleet plan`."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.options.declare import read
from s3c_actions.options.fleet_plan import MAX_SHARDS, FleetPlanInputs


def given(**flags: str) -> FleetPlanInputs:
    return read(FleetPlanInputs, {name.replace("_", "-"): text for name, text in flags.items()}, {}, lambda _: None)


def test_what_counts_without_any() -> None:
    options = given()
    assert (options.fleet, options.output, options.shards, options.publish) == (None, None, 0, "")
    assert not options.everything


@pytest.mark.parametrize(("text", "number"), [("auto", 0), ("AUTO", 0), ("1", 1), (" 256 ", MAX_SHARDS)])
def test_shards(text: str, number: int) -> None:
    assert given(shards=text).shards == number


@pytest.mark.parametrize(("text", "seconds"), [("24h", 86_400.0), ("30d", 30 * 86_400.0), ("none", None)])
def test_how_long_plans_stay(text: str, seconds: float | None) -> None:
    assert given(prune_plans=text).prune_plans == seconds
    assert given().prune_plans == 14 * 86_400.0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prune-plans", "23h"),
        ("prune-plans", "0"),
        ("prune-plans", "soon"),
        ("shards", "0"),
        ("shards", "-1"),
        ("shards", "1.5"),
        ("publish", "fleet:today"),
        ("publish", "https://r/fleet:1"),
    ],
)
def test_wrong_values(name: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        given(**{name: text})
    assert caught.value.field == name


def test_paths() -> None:
    options = given(fleet="a.yaml", snapshot="b.json", save_snapshot="c.json", import_copa="d.yaml")
    assert [options.fleet, options.snapshot, options.save_snapshot, options.import_copa] == [
        *map(Path, ("a.yaml", "b.json", "c.json", "d.yaml"))
    ]
