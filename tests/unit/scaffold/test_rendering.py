"""Values as YAML scalars, and versions of our own actions."""

import pytest

from s3c_actions import REPOSITORY, __version__
from s3c_actions.scaffold import rendering
from s3c_actions.scaffold.rendering import Pin
from tests.support.sources import parse_yaml


@pytest.mark.parametrize(
    "value",
    ["main", "release/1.x", "true", "No", "null", "1.0", "0x1", "a: b", "# c", "- x", "*a", "&a", "[x]", "{x}", "'q'",
     '"q"', "!tag", "%x", "@x", "|", ">", "a b", "", "~", "2026-01-01", "ü", "a\\b", ".", "./x", ".inf", "y", "12:30"],
)  # fmt: skip
def test_a_scalar_is_read_as_the_text_it_was(value):
    assert parse_yaml(f"a: {rendering.scalar(value)}\nb: 1\n") == {"a": value, "b": 1}
    assert parse_yaml(f"- {rendering.scalar(value)}\n") == [value]


@pytest.mark.parametrize("value", ["${{ x }}", "a\nb", "a\rb", "\x1b", "\u2028", "\x85", "\ud800", "\0"])
def test_an_expression_and_what_is_not_printable_are_rejected(value):
    with pytest.raises(ValueError, match="cannot be written into a workflow"):
        rendering.scalar(value)


@pytest.mark.parametrize("value", ["a b", "${{ x }}", "a\nb", "-x", ""])
def test_a_reference_is_one(value):
    with pytest.raises(ValueError, match="is not an image's name"):
        rendering.reference(value)


def test_our_own_actions_are_named_by_commit_or_by_the_tag():
    assert Pin(commit="1" * 40).uses("actions/scan") == f"{REPOSITORY}/actions/scan@{'1' * 40} # v{__version__}"
    assert Pin().uses("").startswith(f"{REPOSITORY}@{rendering.TAG} # zizmor: ignore[unpinned-uses]")
