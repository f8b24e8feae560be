"""Plans: read as they were written, and rejected where a worker could do something wrong by them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.fleet import plan
from s3c_actions.fleet.plan import CurrentImage, Plan, PlannedImage, UnplannedImage


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def planned(number: int, shard: int = 1) -> PlannedImage:
    return PlannedImage(
        image=f"registry.example/app:{number}@{digest(number)}",
        names=(f"registry.example/app:{number}",),
        seconds=12.5,
        reason="no report is beside it",
        shard=shard,
    )


PLAN = Plan(
    created="2026-11-29T12:00:00Z",
    fleet="0" * 64,
    shards=2,
    images=(planned(1), planned(3), planned(2, shard=2)),
    current=(
        CurrentImage(
            image=f"registry.example/app:4@{digest(4)}",
            names=("registry.example/app:4",),
            reason="its report of today has nothing to fix",
            report=digest(5),
            created="2026-11-29T11:00:00Z",
            counts={"HIGH": 2},
        ),
    ),
    unplanned=(UnplannedImage(image="registry.example/gone:1", what="It is not there.", exit_code=2),),
    measured={"registry.example/app": 12.5},
)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(plan.render(PLAN))
    assert plan.read(path) == PLAN
    assert plan.render(plan.read(path)) == path.read_bytes()


def test_a_shard_has_its_images_in_their_order() -> None:
    assert PLAN.shard(1) == (planned(1), planned(3))
    assert PLAN.shard(2) == (planned(2, shard=2),)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"version": 2}, "version"),
        ({"shards": 0}, "shards"),
        ({"shards": 257}, "shards"),
        ({"shards": 1}, "in shard 2 of 1"),
        ({"more": 1}, "more"),
        ({"images": [{**msgspec.to_builtins(planned(1)), "image": "registry.example/app:1"}]}, "has no digest"),
        ({"images": [msgspec.to_builtins(planned(1))] * 2}, "more than once"),
        ({"images": [{**msgspec.to_builtins(planned(1)), "image": "-x@" + digest(1)}]}, "-x@"),
        ({"images": [{**msgspec.to_builtins(planned(1)), "reason": 1}]}, "reason"),
        ({"measured": {"registry.example/app": 1e300}}, "measured"),
    ],
)
def test_what_is_no_plan_is_rejected_with_the_place(change: dict[str, object], problem: str) -> None:
    content = msgspec.json.encode({**msgspec.to_builtins(PLAN), **change})
    with pytest.raises(InputError) as caught:
        plan.parse(content, name="plan.json")
    assert caught.value.field == "plan"
    assert problem in caught.value.what
    assert "s3c fleet plan" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_what_is_no_json_is_rejected(content: bytes) -> None:
    with pytest.raises(InputError, match="is no plan"):
        plan.parse(content, name="plan.json")


def test_a_file_that_is_not_there_is_an_error_of_the_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        plan.read(tmp_path / "plan.json")
