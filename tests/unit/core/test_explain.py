"""Known errors: the first case that fits, filled in."""

from __future__ import annotations

import re

from s3c_actions.core.errors import InputError, OutsideError, Refused
from s3c_actions.core.explain import EXAMINED, Case, explain

CASES = (
    Case(
        pattern=r"no (?P<thing>\w+)(?: in (?P<place>\w+))?",
        what="No {thing!r} in {place}; {other} {[x]}.",
        remedy="{a}",
    ),
    Case(pattern=r"b", also=r"c", field="{name}-file", what="bad.", kind=Refused),
    Case(pattern=r"b", what="b.", kind=Refused),
)


def test_the_first_case_that_fits_is_filled_from_groups_and_facts() -> None:
    error = explain("no {a}no air", CASES, {"place": "{a}", "thing": "x", "a": 1}, image="i", original="o")
    assert type(error) is OutsideError
    assert (error.what, error.remedy, error.image, error.original) == ("No 'air' in {a}; {other} {[x]}.", "1", "i", "o")


def test_a_field_makes_it_wrong_input_and_both_patterns_count() -> None:
    error = explain("c b", CASES, {"name": "a"})
    assert isinstance(error, InputError)
    assert (error.field, error.what) == ("a-file", "a-file: bad.")
    assert type(explain("b", CASES)) is Refused
    assert explain("B", CASES) is None
    assert type(explain("B", CASES, flags=re.IGNORECASE)) is Refused


def test_only_the_ends_of_a_long_output_are_examined() -> None:
    long = "-" * EXAMINED
    assert explain(f"{long}b{long}", CASES) is None
    assert explain(f"b{long}", CASES) is not None
    assert explain(f"{long}b", CASES) is not None
