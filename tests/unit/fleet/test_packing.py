"""How images are shared among shards."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3c_actions.fleet import packing
from s3c_actions.fleet.packing import Load
from s3c_actions.fleet.sources import ImageFacts

LOADS = st.lists(
    st.builds(
        Load,
        name=st.integers(0, 10_000).map("image-{}".format),
        base=st.sampled_from(["", "debian", "alpine", "ubi", "wolfi"]),
        seconds=st.floats(0, 4000, allow_nan=False).map(lambda seconds: round(seconds, 1)),
    ),
    max_size=120,
    unique_by=lambda load: load.name,
)


def totals(loads: list[Load], places: dict[str, int], shards: int) -> list[float]:
    sums = [0.0] * shards
    for load in loads:
        sums[places[load.name] - 1] += load.seconds
    return sums


@given(LOADS, st.integers(1, 256), st.randoms())
def test_every_image_has_one_shard_whatever_the_order(loads: list[Load], shards: int, random: Random) -> None:
    places = packing.pack(loads, shards)
    assert places.keys() == {load.name for load in loads}
    assert all(1 <= number <= shards for number in places.values())
    shuffled = list(loads)
    random.shuffle(shuffled)
    assert packing.pack(shuffled, shards) == places


@given(LOADS.filter(bool), st.integers(1, 20))
def test_the_shards_are_even(loads: list[Load], shards: int) -> None:
    """No longer than what largest-first promises, and a tenth for keeping bases together."""
    longest = max(totals(loads, packing.pack(loads, shards), shards))
    promised = math.fsum(load.seconds for load in loads) / shards + max(load.seconds for load in loads)
    assert longest <= packing.TOLERANCE * promised + 1e-6


def test_images_of_a_base_go_together() -> None:
    loads = [Load(name=f"{base}-{number}", base=base, seconds=60) for base in "abcd" for number in range(25)]
    places = packing.pack(loads, 4)
    assert all(len({places[f"{base}-{number}"] for number in range(25)}) == 1 for base in "abcd")
    assert totals(loads, places, 4) == [1500.0] * 4


def test_a_base_of_all_images_is_divided() -> None:
    loads = [Load(name=str(number), base="debian", seconds=60) for number in range(100)]
    assert max(totals(loads, packing.pack(loads, 10), 10)) <= 660


def test_one_long_image_has_a_shard_of_its_own() -> None:
    loads = [Load(name="slow", base="a", seconds=1000), *(Load(name=str(n), base="a", seconds=10) for n in range(99))]
    places = packing.pack(loads, 2)
    assert [name for name, shard in places.items() if shard == places["slow"]] == ["slow"]


def test_without_images_there_is_nothing_to_share() -> None:
    assert packing.pack([], 3) == {}
    assert packing.choose_shards([]) == 1


@pytest.mark.parametrize(
    ("count", "seconds", "expected"), [(1, 10_000, 1), (10, 60, 1), (100, 60, 5), (100_000, 60, 256), (3, 1200, 3)]
)
def test_the_number_of_shards_follows_from_the_work(count: int, seconds: float, expected: int) -> None:
    assert packing.choose_shards([Load(name=str(n), base="", seconds=seconds) for n in range(count)]) == expected


def test_more_platforms_and_bytes_take_longer() -> None:
    seconds = packing.estimate_seconds(ImageFacts(), 0)
    assert packing.estimate_seconds(ImageFacts(platforms=3), 0) > packing.estimate_seconds(ImageFacts(platforms=3), 1)
    assert packing.estimate_seconds(ImageFacts(size=1_000_000_000), 0) > seconds
    assert packing.estimate_seconds(ImageFacts(), 5) == seconds
