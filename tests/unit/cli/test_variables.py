"""Variables of the environment: what no command knows is refused, with the closest name; the rest is left alone."""

import re

import pytest

from s3c_actions.cli import variables
from s3c_actions.core.errors import Exit, InputError
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.declare import variable
from tests.support import ROOT, bare

KNOWN = sorted(
    {
        variable(name)
        for command in COMMANDS
        for option in (*load(command).inputs, *load(command).other_inputs)
        for name in option.names
    }
)


def rejected(name: str, *, in_action: bool = False) -> InputError:
    with pytest.raises(InputError) as caught:
        variables.reject_unknown({name: "secret-value"}, load("scan").inputs, in_action=in_action)
    assert "secret-value" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("S3C_FAILON", "S3C_FAIL_ON"),
        ("S3C_fail_on", "S3C_FAIL_ON"),
        ("S3C_FAIL-ON", "S3C_FAIL_ON"),
        ("s3c_fail_on", "S3C_FAIL_ON"),
        ("s3c-fail-on", "S3C_FAIL_ON"),
        ("S3c.Policy", "S3C_POLICY"),
        ("S3C_POLICYS", "S3C_POLICY"),
        ("S3C_TRUSTSTORE", "S3C_TRUST_STORE"),
        ("S3C_CACH", "S3C_CACHE"),
        ("S3C_KEYPEM", "S3C_KEY_PEM"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_closest_name(name, near) -> None:
    assert f"Did you mean {near}?" in rejected(name).remedy


def test_a_variable_of_somebody_s_own_in_small_letters_is_left_alone() -> None:
    variables.reject_unknown({"s3c_own_thing": "x", "s3ctool": "x"}, load("scan").inputs, in_action=False)


def test_in_an_action_the_input_is_named() -> None:
    assert "Did you mean `fail-on` under `with:`?" in rejected("S3C_FAILON", in_action=True).remedy


def test_a_name_that_resembles_nothing_is_refused_too() -> None:
    error = rejected("S3C_QQQQQQQQQQQQQQQQQQQQ")
    assert (error.exit_code, error.remedy.startswith("Correct it")) == (Exit.WRONG_INPUT, True)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_minds_the_inputs_of_the_others(command) -> None:
    environment = dict.fromkeys([*KNOWN, *variables.OF_THE_MACHINE], "x") | {"S3C_FAILON": "", "OTHER_S3C_X": "x"}
    variables.reject_unknown(environment, load(command).inputs, in_action=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_before_it_does_anything(command, alone) -> None:
    before = {*alone.rglob("*")}
    code, output = bare.ended((command,), alone, S3C_FAILON="HIGH")
    assert code == Exit.WRONG_INPUT, output
    assert f"s3c {command}: S3C_FAILON: no command has an input of this variable." in output
    assert {*alone.rglob("*")} == before


def test_every_variable_of_the_actions_and_the_documents_is_known() -> None:
    """What an action passes, and what a page tells people to set."""
    files = [*ROOT.glob("action.yml"), *ROOT.glob("actions/*/action.yml"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]
    named = {name for file in files for name in re.findall(r"\bS3C_[A-Z0-9_]+\b", file.read_text())}
    of_the_shell = {
        *("S3C_ANNOTATIONS", "S3C_UPLOAD_SARIF", "S3C_SUBMIT_DEPENDENCIES", "S3C_GATE_LABEL"),
        *("S3C_VERBOSE", "S3C_DEBUG", "S3C_QUIET"),
    }
    assert len(named) > 100
    assert named - {*KNOWN, *variables.OF_THE_MACHINE, *of_the_shell} <= {"S3C_FAILON"}
