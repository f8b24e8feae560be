"""Which tags of a base are compared with it: the same variant, and nothing that only looks like a newer version."""

from __future__ import annotations

import pytest

from s3c_actions.registry.base_tags import BaseTag, TagChange, choose_tags

PYTHON = (
    *("3.12-slim-bookworm", "3.13-slim-bookworm", "3.14-slim-bookworm", "3.11-slim-bookworm", "4-slim-bookworm"),
    *("3.12-slim-trixie", "3.13-slim", "3.13", "3.13-rc-slim-bookworm", "3.15.0a1-slim-bookworm", "latest", "slim"),
    *("3.12.1-slim-bookworm", "3.12.9-slim-bookworm", "3.12.10-slim-bookworm", "3.13.2-slim-bookworm"),
    *("3.13.1-slim-bookworm", "2.7.18-slim-bookworm", "4.0.0-slim-bookworm", "3.12-alpine3.19", "3.13-alpine3.20"),
    *("3.13-alpine3.19", "sha256-" + 64 * "a", "windowsservercore-1809", "3.12-slim-bookworm "),
)


def chosen(tag: str, tags: tuple[str, ...], most: int = 20) -> list[str]:
    return [f"{chosen_tag.tag}: {chosen_tag.change}" for chosen_tag in choose_tags(tag, tags, most)]


def test_a_moving_tag_is_compared_with_its_patch_levels_and_newer_versions() -> None:
    assert chosen("3.12-slim-bookworm", PYTHON) == [
        "3.12-slim-bookworm: same tag",
        "3.12.10-slim-bookworm: patch",
        "3.12.9-slim-bookworm: patch",
        "3.14-slim-bookworm: minor version",
        "3.13-slim-bookworm: minor version",
    ]


def test_a_whole_version_is_compared_with_whole_versions() -> None:
    assert chosen("3.12.9-slim-bookworm", PYTHON) == [
        "3.12.9-slim-bookworm: same tag",
        "3.12.10-slim-bookworm: patch",
        "3.13.2-slim-bookworm: minor version",
        "4.0.0-slim-bookworm: major version",
    ]


@pytest.mark.parametrize(
    ("tag", "tags", "others"),
    [
        ("3.12-alpine3.19", PYTHON, ["3.13-alpine3.19: minor version"]),
        ("12", ("11", "12.5", "13", "14", "13-slim"), ["12.5: patch", "14: major version", "13: major version"]),
        (
            "12.5-s",
            ("12.6-s", "12.4-s", "13.0-s"),
            ["12.6-s: minor version", "13.0-s: major version"],
        ),
        ("jammy-20240111", ("jammy-20240212", "jammy-20231201", "noble-20240212"), ["jammy-20240212: newer build"]),
        (
            "bookworm-20240101-slim",
            ("bookworm-20240211-slim", "bookworm-20240311-slim", "bookworm-20240411", "bookworm-20240411-slim"),
            ["bookworm-20240411-slim: newer build", "bookworm-20240311-slim: newer build"],
        ),
        ("20240101", ("20240102", "20240103", "20239999", "5"), ["20240103: newer build", "20240102: newer build"]),
        ("v1.2.3", ("v1.2.4", "1.2.5", "v1.2.2"), ["v1.2.4: patch"]),
        ("1.2.3.4", ("1.2.3.5", "1.2.3.4.5"), ["1.2.3.5: patch"]),
        ("latest", ("1", "2", "latest-slim"), []),
        ("bookworm-slim", ("trixie-slim", "bookworm-slim-1"), []),
        (
            "3.12-20240101",
            ("3.12-20240202", "3.13-20230101"),
            ["3.12-20240202: newer build", "3.13-20230101: minor version"],
        ),
    ],
)
def test_forms_of_tags(tag: str, tags: tuple[str, ...], others: list[str]) -> None:
    assert chosen(tag, tags) == [f"{tag}: same tag", *others]


def test_the_same_tag_is_compared_even_where_the_list_lacks_it() -> None:
    assert choose_tags("3.12", (), 5) == (BaseTag("3.12", TagChange.REFRESH),)


def test_the_number_is_bounded_and_the_smallest_change_comes_first() -> None:
    assert [chosen_tag.change for chosen_tag in choose_tags("3.12-slim-bookworm", PYTHON, 2)] == [
        TagChange.REFRESH,
        TagChange.PATCH,
    ]


@pytest.mark.slow
def test_of_a_hundred_thousand_tags_a_few_are_chosen() -> None:
    tags = tuple(f"3.{number % 90}.{number}-slim" for number in range(99_990)) + tuple("9" * n for n in range(100, 110))
    assert len(choose_tags("3.12.5-slim", tags, 20)) == 5
