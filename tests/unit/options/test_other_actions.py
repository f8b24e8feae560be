"""A workflow in which only `uses:` was changed: every input of the actions whose place s3c takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.options import declare, other_actions
from s3c_actions.options.command import Command, load
from s3c_actions.result.outputs import command_outputs
from tests.support import ROOT
from tools import docs

THEIRS = json.loads((ROOT / "tests" / "data" / "other-actions.json").read_text())
OURS = {action.folder: action for action in docs.ACTIONS}
CASES = [
    (theirs, name, case)
    for theirs, facts in THEIRS.items()
    for name, cases in facts["inputs"].items()
    for case in cases
]


def ours(theirs: str) -> docs.Action:
    return OURS[THEIRS[theirs]["ours"]]


def own_names(action: docs.Action) -> dict[str, str]:
    return {name: option.name for option in action.inputs for name in (option.name, *option.aliases)}


def translate(command: Command[Any], given: dict[str, str], same: dict[str, str]) -> other_actions.Translated:
    return other_actions.translate(command.others, given, same)


@pytest.mark.parametrize(("theirs", "name", "case"), CASES, ids=[f"{t} {n}: {c['value']}" for t, n, c in CASES])
def test_an_input_of_theirs(theirs: str, name: str, case: dict[str, Any]) -> None:
    action = ours(theirs)
    command, same = load(action.command), own_names(action)
    given = {name: case["value"], **case.get("with", {})}
    if "rejected" in case:
        with pytest.raises(InputError) as raised:
            translate(command, given, same)
        assert case["rejected"] in raised.value.what
        assert raised.value.remedy
        return
    translated = translate(command, given, same)
    becomes = {same[key]: text for key, text in given.items() if key in same} | dict(translated.values)
    becomes = {own_name: text for own_name, text in becomes.items() if text}
    if case.get("no effect"):
        [notice] = [notice for notice in translated.notices if notice.startswith(f"`{name}` is ")]
        assert "has no effect here: " in notice
        assert not translated.values
        return
    assert {**becomes, **case.get("with", {})} == {**case.get("becomes", {}), **case.get("with", {})}
    assert translated.variables == case.get("variables", {})
    # The translated inputs are understood, too.
    texts = {
        own_name: text
        for own_name, text in becomes.items()
        if own_name not in {option.name for option in docs.OF_THE_FILE}
    }
    texts.setdefault("image", "registry.example/app:1")
    environment = {declare.variable(own_name): text for own_name, text in texts.items()}
    declare.read(command.options, {}, environment, pytest.fail)


@pytest.mark.parametrize("theirs", THEIRS)
def test_every_input_of_theirs_is_declared_and_nothing_else(theirs: str) -> None:
    action = ours(theirs)
    declared = {*own_names(action), *action.other_names}
    assert {*THEIRS[theirs]["inputs"]} <= declared
    whose = theirs.split("/")[1]
    of_theirs = {other.name for other in load(action.command).others if other.action == whose}
    assert of_theirs <= {*THEIRS[theirs]["inputs"]}


@pytest.mark.parametrize("theirs", THEIRS)
def test_every_output_of_theirs_is_set(theirs: str) -> None:
    names = {output.name for output in command_outputs(ours(theirs).command)}
    assert {*THEIRS[theirs]["outputs"]} - names == {*THEIRS[theirs].get("outputs not set", [])}


def test_a_name_of_theirs_has_a_variable_of_its_own() -> None:
    for action in docs.ACTIONS:
        names = [*own_names(action), *action.other_names]
        assert len({declare.variable(name) for name in names}) == len(names)


def test_what_was_given_is_in_no_notice() -> None:
    secret = "q1w2e3r4t5z6u7i8"
    for name in ("scan", "patch", "sign", "verify"):
        command = load(name)
        for other in command.others:
            try:
                translated = translate(command, {other.name: secret, "format": f"github,{secret}"}, {})
            except InputError as error:
                assert secret not in f"{error} {error.remedy}"
                continue
            assert secret not in " ".join(translated.notices)


def test_the_actions_own_token_gives_way_to_theirs() -> None:
    given = {"github-token": "default", "github-pat": "theirs", "format": "github"}
    same = {"github-token": "github-token", "format": "format"}
    assert translate(load("scan"), given, same).values["github-token"] == "theirs"
