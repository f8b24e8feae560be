"""What selections expand to, and which settings apply."""

from __future__ import annotations

from typing import Any

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import model, selecting
from s3c_actions.fleet.selecting import Expanded, Places, SelectedImage
from s3c_actions.fleet.sources import ImageFacts

TAGS = {
    "r.example/team/app": ("1.0", "1.1", "latest"),
    "r.example/team/web": ("2.0", "2.0-debug"),
    "r.example/team/words": ("edge",),
}
PLACES = Places(
    running=lambda _: (["r.example/runs:1"], ["r.example/starting"]),
    manifests=lambda _: (["r.example/m:1"], ["r.example/t:${TAG}"]),
)


class Registries:
    """What lists and tags an expansion sees."""

    def repositories(self, registry: str, prefix: str) -> tuple[str, ...]:
        if registry == "closed.example":
            raise OutsideError("closed.example did not let us read.")
        whole = [name.partition("/")[2] for name in TAGS]
        return tuple(name for name in whole if name.startswith(prefix))

    def tags(self, repository: Reference) -> tuple[str, ...]:
        if repository.name not in TAGS:
            raise InputError("fleet", f"repository {repository.name} does not exist.")
        return TAGS[repository.name]

    def digest(self, reference: Reference) -> str:
        raise NotImplementedError

    def facts(self, reference: Reference) -> ImageFacts:
        raise NotImplementedError


def expand(text: str, places: Places = PLACES) -> Expanded:
    return selecting.expand(model.parse(f"version: 1\n{text}"), Registries(), places)


def names(text: str) -> list[str]:
    return [image.name for image in expand(text).images]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ("[{image: r.example/a:1}, {image: r.example/a:1}]", ["r.example/a:1"]),
        ("[{repository: r.example/team/app, tags: {strategy: latest}}]", ["r.example/team/app:1.1"]),
        (
            "[{repository: r.example/x, tags: {strategy: list, list: [a, b], exclude: [a]}}]",
            ["r.example/x:b"],
        ),
        ("[{catalog: r.example/team/}]", ["r.example/team/app:1.1", "r.example/team/web:2.0"]),
        (
            "[{catalog: r.example/team/, exclude: ['*/web'], tags: {strategy: pattern, pattern: '^1'}}]",
            ["r.example/team/app:1.0", "r.example/team/app:1.1"],
        ),
        ("[{cluster: {}}]", ["r.example/runs:1"]),
        ("[{manifests: [k8s/]}]", ["r.example/m:1"]),
        ("[{image: nginx}]", ["docker.io/library/nginx:latest"]),
        ("[{image: nginx}, {image: 'docker.io/library/nginx:latest'}]", ["docker.io/library/nginx:latest"]),
    ],
)
def test_selections(images: str, expected: list[str]) -> None:
    assert names(f"images: {images}") == expected


def test_exclusions_match_repository_tag_and_both() -> None:
    images = "images: [{catalog: r.example/team/, tags: {strategy: pattern, pattern: .}}]"
    assert names(f"{images}\nexclude: ['*-debug', r.example/team/words, '*:latest', '*app:1.0']") == [
        "r.example/team/app:1.1",
        "r.example/team/web:2.0",
    ]


def test_later_settings_replace_earlier_ones() -> None:
    expanded = expand(
        """
defaults: {owner: all, policy: p.yaml, platforms: [linux/amd64], target: "r.example/patched/{name}"}
images:
  - {image: "r.example/a:1"}
  - {image: "r.example/b:1", owner: b}
overrides:
  - {match: "r.example/*:1", policy: strict.yaml}
  - {match: r.example/b, owner: team, platforms: [], target: "r.example/{repository}"}
"""
    )
    first, second = expanded.images
    assert first == SelectedImage(
        name="r.example/a:1",
        platforms=("linux/amd64",),
        owner="all",
        policy="strict.yaml",
        target="r.example/patched/a",
    )
    # The target is its own repository, which is the same as none.
    assert second == SelectedImage(name="r.example/b:1", owner="team", policy="strict.yaml")


@pytest.mark.parametrize(
    ("images", "what", "code"),
    [
        ("{repository: r.example/gone, tags: {strategy: latest}}", "repository r.example/gone does not exist.", 2),
        ("{repository: r.example/team/words, tags: {strategy: latest}}", "no tag of r.example/team/words is", 2),
        ("{repository: r.example/team/app, tags: {strategy: pattern, pattern: '^9'}}", "matches ^9", 2),
        ("{catalog: closed.example/}", "did not let us read", 3),
    ],
)
def test_what_cannot_be_expanded_stops_no_other(images: str, what: str, code: int) -> None:
    expanded = expand(f"defaults: {{owner: us}}\nimages: [{images}, {{image: r.example/a:1}}]")
    assert [image.name for image in expanded.images] == ["r.example/a:1"]
    (entry,) = expanded.unplanned
    assert what in entry.what
    assert (entry.exit_code, entry.owner) == (code, "us")


def test_what_runs_without_a_digest_is_reported() -> None:
    (entry,) = expand("images: [{cluster: {namespaces: [shop]}}]").unplanned
    assert (entry.image, entry.exit_code) == ("r.example/starting", 3)


def test_what_a_manifest_leaves_open_is_reported() -> None:
    (entry,) = expand("images: [{manifests: [k8s/]}]").unplanned
    assert (entry.image, entry.exit_code) == ("r.example/t:${TAG}", 2)


def test_a_reference_that_is_too_long_for_a_plan_is_reported() -> None:
    expanded = expand(f"images: [{{image: {'r' * 899}.example/a:1}}, {{image: r.example/a:1}}]")
    assert [image.name for image in expanded.images] == ["r.example/a:1"]
    assert [entry.exit_code for entry in expanded.unplanned] == [2]


def test_a_cluster_that_does_not_answer_stops_no_other() -> None:
    def fails(_: Any) -> Any:
        raise OutsideError("The cluster does not answer.")

    expanded = expand(
        "images: [{cluster: {}}, {manifests: [x]}, {image: r.example/a:1}]", Places(running=fails, manifests=fails)
    )
    assert [image.name for image in expanded.images] == ["r.example/a:1"]
    assert [entry.image for entry in expanded.unplanned] == ["cluster (all namespaces)", "manifests (x)"]


def test_a_plan_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "MAX_IMAGES", 1)
    with pytest.raises(InputError, match="at most 1"):
        expand("images: [{catalog: r.example/team/}]")


@pytest.mark.parametrize("images", ["{cluster: {namespaces: [misspelt]}}", "{manifests: [values/]}"])
def test_a_selection_in_which_nothing_is_found_is_no_success(images: str) -> None:
    nothing = Places(running=lambda _: ([], []), manifests=lambda _: ([], []))
    (entry,) = expand(f"images: [{images}]", nothing).unplanned
    assert entry.exit_code == 2
    assert entry.remedy


def test_an_override_that_matches_no_image_is_told() -> None:
    """Its policy would judge nothing, and the images would pass by a laxer one."""
    overrides = "overrides: [{match: r.example/a, owner: us}, {match: r.exmaple/*, policy: strict.yaml}]"
    assert expand(f"images: [{{image: r.example/a:1}}]\n{overrides}").unused == ("r.exmaple/*",)
    # What could not be listed may be what it is for.
    assert expand(f"images: [{{image: r.example/a:1}}, {{catalog: closed.example/}}]\n{overrides}").unused == ()
