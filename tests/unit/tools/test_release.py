"""What a release asks for before it moves the tag that users name."""

from __future__ import annotations

import pytest

from tools.release import notes, problems

CHANGELOG = """\
# Changelog

## Unreleased

- Later.

## 1.2.0 – 2026-12-01

### Added

- A thing.

## [1.1.0]

## 1.0.0

- The first.
"""


def test_the_section_of_a_version() -> None:
    assert notes(CHANGELOG, "v1.2.0") == "### Added\n\n- A thing."
    assert notes(CHANGELOG, "v1.0.0") == "- The first."


@pytest.mark.parametrize("tag", ["v1.1.0", "v1.2", "v1.2.00", "v1x2.0", "Unreleased.", "v2.0.0"])
def test_a_version_without_notes(tag: str) -> None:
    assert notes(CHANGELOG, tag) == ""


def test_a_tag_that_is_ready() -> None:
    assert problems("v1.2.0", "1.2.0", CHANGELOG) == []


@pytest.mark.parametrize(
    ("tag", "package", "said"),
    [
        ("v1.2.0", "1.2.1", "must agree"),
        ("1.2.0", "1.2.0", "must agree"),
        ("v1.1.0", "1.1.0", "no section"),
        ("v3.0.0", "3.0.0", "no section"),
    ],
)
def test_a_tag_that_is_not(tag: str, package: str, said: str) -> None:
    (problem,) = problems(tag, package, CHANGELOG)
    assert said in problem
