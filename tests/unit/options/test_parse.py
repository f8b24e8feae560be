"""Several values in one text: none of them may be missing where each has to be there."""

from __future__ import annotations

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.parse import choice, choices, lines, places, some

FIRST, SECOND = "r.example/a@sha256:1", "r.example/b:2"
LACKING = (
    "\n",
    " ",
    ",",
    " , ",
    "\u00a0",
    f"{FIRST},",
    f",{SECOND}",
    f"{FIRST},,{SECOND}",
    f"{FIRST}\n,\n{SECOND}",
    f"{FIRST},,\n{SECOND}",
)
TRUST = ("trust-store", "trusted-identity", "trusted-timestamp-root")


@pytest.mark.parametrize(
    "text", [f"{FIRST},{SECOND}", f"{FIRST}, {SECOND}\n", f"\n{FIRST}\n\n  {SECOND}", f"{FIRST},\n{SECOND},\n"]
)
def test_values_stand_between_commas_and_lines(text: str) -> None:
    assert places(text) == (FIRST, SECOND)


@pytest.mark.parametrize("text", LACKING)
def test_a_value_that_is_missing_between_others_is_an_error(text: str) -> None:
    """`image: ${{ steps.a.outputs.reference }},${{ steps.b.outputs.reference }}` after a step that set none."""
    with pytest.raises(ValueError, match="one is empty"):
        places(text)


def test_a_text_that_holds_nothing_is_an_error() -> None:
    assert some(lines, "a line")("a\nb") == ("a", "b")
    with pytest.raises(ValueError, match="a line: it is empty"):
        some(lines, "a line")(" \n")


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_goes_on_without_the_images_manifests_or_trust_that_it_was_to_be_given(name: str) -> None:
    """What is not looked at must not pass: neither all of it, nor one of several images."""
    for option in load(name).inputs:
        texts = LACKING if option.name == "image" else ("\n", " \n ") if option.name in ("manifests", *TRUST) else ()
        for text in texts:
            with pytest.raises(InputError) as caught:
                option.value(text)
            assert caught.value.field == option.name


def test_several_words_in_place_of_one_are_told_apart_from_a_misspelt_one() -> None:
    with pytest.raises(ValueError, match="one of the words allowed, but several of them"):
        choice("HIGH", "CRITICAL")("high,critical")
    with pytest.raises(ValueError, match="allowed with commas between them"):
        choices("HIGH", "CRITICAL")("HIGH CRITICAL")
    with pytest.raises(ValueError, match=r"one of the words allowed$"):
        choice("HIGH", "CRITICAL")("high,worse")
