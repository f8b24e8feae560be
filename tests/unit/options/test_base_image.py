"""Which texts name a base: references, and patterns of some."""

from __future__ import annotations

import pytest

from s3c_actions.options.base_image import base_references, is_base_entry


@pytest.mark.parametrize(
    "text",
    ["debian", "debian:12", "docker.io/library/*", "*", "registry.example/base/python:3.*", f"x@sha256:{64 * 'a'}"],
)
def test_references_and_patterns_are_entries(text: str) -> None:
    assert is_base_entry(text)


@pytest.mark.parametrize("text", ["", "https://x/y", "a b*", "*@sha256:0", "app:", "x" * 301 + "*", "a\nb"])
def test_nothing_else_is(text: str) -> None:
    assert not is_base_entry(text)


def test_several_are_given_by_commas_or_lines() -> None:
    assert base_references("debian:12, docker.io/library/*\nx/y") == ("debian:12", "docker.io/library/*", "x/y")
    with pytest.raises(ValueError, match="patterns of them"):
        base_references("debian:12,app:")
