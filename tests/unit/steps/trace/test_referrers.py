"""What refers to a digest: the newest first, each once; an error as a clause."""

from __future__ import annotations

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import OutsideError
from s3c_actions.steps.trace.referrers import clause, list_referrers
from tests.support.held_registry import HeldRegistry


def test_the_newest_comes_first_and_what_is_listed_twice_once():
    registry = HeldRegistry()
    image = registry.image()
    old, new = (
        registry.attach(image.digest, artifact_types.OPENVEX, day.encode(), **{artifact_types.CREATED: day})
        for day in ("2026-11-01T00:00:00Z", "2026-11-02T01:00:00+02:00")
    )
    undated = registry.attach(image.digest, artifact_types.OPENVEX, b"undated")
    registry.refer[image.digest].append(old)
    assert list_referrers(registry, image) == [new, old, undated]


def test_without_times_the_last_that_was_pushed_comes_first():
    registry = HeldRegistry()
    image = registry.image()
    pushed = [registry.attach(image.digest, artifact_types.OPENVEX, b"%d" % number) for number in range(3)]
    assert list_referrers(registry, image) == pushed[::-1]


def test_a_list_that_cannot_be_read_is_a_clause():
    registry = HeldRegistry()
    image = registry.image()
    registry.broken.add(f"referrers {image.digest}")
    assert list_referrers(registry, image) == "what refers to it could not be listed: the list of referrers is broken"
    assert clause(ValueError("it holds nothing.")) == "it holds nothing"
    assert clause(OutsideError("registry.test: the answer cannot be believed: too long.")) == "too long"
