"""The help texts: short and long, in groups, with values that tell what they are."""

import re

import pytest

from s3c_actions.cli.help_text import command_help
from s3c_actions.cli.parser import COMMON_INPUTS
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.input_groups import GROUPS

HEADING = re.compile(r"^([A-Z][A-Za-z ]+):$", re.MULTILINE)


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")


def flags_in(text: str) -> set[str]:
    return {flag for line in text.splitlines() if line.startswith("  -") for flag in re.findall(r"--[a-z0-9-]+", line)}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_text_has_at_most_a_dozen_inputs_and_every_one_that_is_needed(name) -> None:
    command = load(name)
    basic = [option for option in command.inputs if name in option.basic]
    assert len(basic) <= 13
    assert {option.name for option in command.inputs if option.required or option.positional} <= {
        option.name for option in basic
    }
    shown = flags_in(command_help(command, full=False))
    assert {option.flag for option in basic if not option.positional} <= shown
    assert len(shown) <= len(basic) + len(COMMON_INPUTS) + 5, "-h and --no-… beside them"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_long_text_has_every_input_under_the_headings_of_the_readmes(name) -> None:
    command = load(name)
    text = command_help(command)
    assert {option.flag for option in command.inputs if not option.positional} <= flags_in(text)
    assert {*HEADING.findall(text)} <= {heading for heading, _ in GROUPS} | {
        *("Arguments", "Inputs", "Everywhere", "Examples")
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_value_is_is_described(name) -> None:
    text = command_help(load(name))
    assert "VALUE" not in re.sub("KEY=VALUE", "", text)
    assert {line.split()[0] for line in text.splitlines() if re.match(r"  --[a-z-]+ TEXT\b", line)} <= {
        *("--reason", "--title")
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_short_flag_means_the_same_in_every_command(name) -> None:
    short = {option.short: option.name for option in (*load(name).inputs, *COMMON_INPUTS) if option.short}
    meanings = {"o": "output", "f": "format", "q": "quiet", "v": "verbose", "s": "severity", "i": "input"}
    assert short.items() <= meanings.items()
    assert {"q", "v"} <= short.keys()


def test_inputs_are_named_by_their_flags() -> None:
    assert "unless --limit-severities-for-sarif is set" in " ".join(command_help(load("scan")).split())


def test_every_command_refers_to_a_command_that_there_is() -> None:
    named = {name for command in COMMANDS for option in load(command).inputs for name in option.basic}
    assert named == {*COMMANDS}
