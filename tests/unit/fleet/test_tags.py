"""Which tags a selection takes, whatever tags somebody pushed."""

from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3c_actions.fleet import tags
from s3c_actions.fleet.model import TagSelection

LATEST = TagSelection(strategy="latest")
TAG = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}\Z")


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (["1.9.0", "1.10.0", "1.2.0"], "1.10.0"),
        (["v1.2.3", "1.2.2"], "v1.2.3"),
        (["1.2.3", "2.0.0-rc.1"], "1.2.3"),
        (["1", "1.0", "1.0.0"], "1.0.0"),
        (["latest", "stable", "3.1"], "3.1"),
        (["latest"], None),
        ([], None),
        (["1.2.3-1", "1.2.3-2", "1.2.3"], "1.2.3"),
        (["1.2.3.4", "1.2"], "1.2"),
        (["s3c-" + "0" * 32, "sha256-" + "0" * 64, "0.1.0"], "0.1.0"),
        (["9" * 120, "1.0.0"], "9" * 120),
        (["not a tag", "../../etc", "1.0.0\n", "1.0.0"], "1.0.0"),
        (["٣.0.0", "1.0.0"], "1.0.0"),
    ],
)
def test_latest_is_the_highest_version_without_a_suffix(listed: list[str], expected: str | None) -> None:
    assert tags.select(listed, LATEST) == ((expected,) if expected else ())


def test_latest_with_a_pattern_is_the_highest_that_matches() -> None:
    listed = ["3.19.0-alpine", "3.20.0-alpine", "3.21.0", "3.20.0-debian"]
    assert tags.select(listed, TagSelection(strategy="latest", pattern="-alpine$")) == ("3.20.0-alpine",)


def test_suffixes_are_ordered_as_semantic_versioning_has_it() -> None:
    ordered = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
    ]
    assert sorted(set(ordered), key=tags.sort_key) == ordered
    assert tags.select(reversed(ordered), TagSelection(strategy="pattern", pattern=".")) == tuple(ordered)


def test_a_pattern_takes_what_matches_anywhere_and_the_highest_of_it() -> None:
    listed = ["1.20.0", "1.21.0", "1.22.0", "1.23.0", "2.0.0", "nightly"]
    selection = TagSelection(strategy="pattern", pattern=r"^1\.2[0-9]\.[0-9]+$", max_tags=2, exclude=("1.23.*",))
    assert tags.select(listed, selection) == ("1.21.0", "1.22.0")
    assert tags.select(listed, TagSelection(strategy="pattern", pattern="night")) == ("nightly",)


def test_a_list_is_taken_as_it_is_and_needs_no_tags() -> None:
    selection = TagSelection(strategy="list", list=("b", "a", "b", "c"), exclude=("c",))
    assert tags.select((), selection) == ("b", "a")


def test_a_hostile_pattern_takes_no_time() -> None:
    listed = ["a" * 127 + str(number % 10) for number in range(1000)]
    started = time.process_time()
    assert tags.select(listed, TagSelection(strategy="pattern", pattern="^(a+)+$")) == ()
    assert time.process_time() - started < 5  # an engine that backtracks needs longer than the sun will shine


@given(st.lists(TAG, max_size=20), st.randoms())
def test_the_order_in_which_a_registry_lists_tags_does_not_matter(listed: list[str], random: Random) -> None:
    shuffled = list(listed)
    random.shuffle(shuffled)
    for selection in (LATEST, TagSelection(strategy="pattern", pattern=".", max_tags=3)):
        selected = tags.select(listed, selection)
        assert selected == tags.select(shuffled, selection)
        assert set(selected) <= set(listed)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["1", "1.2.3", "latest"], "1.2.3"),
        (["latest", "stable"], "latest"),
        (["1.2", "v1.2"], "1.2"),
        ([], ""),
    ],
)
def test_the_tag_that_says_most(names: list[str], expected: str) -> None:
    assert tags.most_specific(names) == tags.most_specific(reversed(names)) == expected
