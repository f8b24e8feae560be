"""What runs, and the namespaces in which nothing does."""

from __future__ import annotations

import pytest

from s3c_actions.cluster.deployed import DeployedImages, RunningImage, describe_idle

LISTED = DeployedImages(
    running=(RunningImage(image="r.example/a@sha256:1", places=("shop/web", "shop/api")),),
    unknown=(RunningImage(image="r.example/b:1", places=("billing/job",)),),
)


@pytest.mark.parametrize(
    ("namespaces", "idle"),
    [((), ()), (("shop", "billing"), ()), (("shop", "bilingl", "bilingl"), ("bilingl",)), (("sho",), ("sho",))],
)
def test_namespaces_in_which_nothing_runs(namespaces: tuple[str, ...], idle: tuple[str, ...]) -> None:
    assert LISTED.find_idle(namespaces) == idle


def test_they_are_named() -> None:
    assert describe_idle(["a"]) == "Nothing runs in the namespace a: look whether it is there."
    assert describe_idle(["a", "b"]) == "Nothing runs in the namespaces a and b: look whether they are there."
