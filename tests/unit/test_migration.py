"""docs/migrate.md: every step before is one of theirs with inputs that it has, every step after is one of ours."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from s3c_actions import REPOSITORY
from s3c_actions.options import declare, other_actions
from s3c_actions.options.command import load
from tests.support import ROOT
from tests.support.sources import parse_yaml
from tools import docs

PAGE = ROOT / "docs" / "migrate.md"
THEIRS = json.loads((ROOT / "tests" / "data" / "other-actions.json").read_text())
STEPS: list[dict[str, Any]] = [
    step for block in re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S) for step in parse_yaml(block)
]
BEFORE = [step for step in STEPS if step.get("uses", "").partition("@")[0] in THEIRS]
AFTER = [step for step in STEPS if step.get("uses", "").startswith(REPOSITORY)]


def command_of(folder: str) -> docs.Action:
    path = (ROOT / folder).resolve()
    return next(action for action in docs.ACTIONS if (ROOT / action.folder).resolve() == path)


def test_each_action_has_both() -> None:
    assert {step["uses"].partition("@")[0] for step in BEFORE} == {*THEIRS}
    assert len(AFTER) >= 7


@pytest.mark.parametrize("step", BEFORE, ids=[step["uses"] for step in BEFORE])
def test_a_step_before_runs_when_only_its_uses_changes(step: dict[str, Any]) -> None:
    facts = THEIRS[step["uses"].partition("@")[0]]
    given = {name: str(value).lower() if value is True else str(value) for name, value in step["with"].items()}
    assert {*given} <= {*facts["inputs"]}
    action = command_of(facts["ours"])
    same = {name: option.name for option in action.inputs for name in (option.name, *option.aliases)}
    translated = other_actions.translate(load(action.command).others, given, same)
    texts = {same[name]: text for name, text in given.items() if name in same} | dict(translated.values)
    options = declare.read(
        load(action.command).options,
        {},
        {declare.variable(name): text for name, text in texts.items() if text},
        pytest.fail,
    )
    assert options.image


@pytest.mark.parametrize("step", AFTER, ids=[str(step["with"])[:60] for step in AFTER])
def test_a_step_after_is_understood(step: dict[str, Any]) -> None:
    action = command_of(step["uses"].removeprefix(REPOSITORY).partition("@")[0].strip("/") or ".")
    of_the_action = {option.name for option in action.own}
    texts = {name: str(value) for name, value in step["with"].items() if name not in of_the_action}
    environment = {
        declare.variable(name): re.sub(r"\$\{\{[^}]*\}\}", "name", text.lower() if text == "True" else text)
        for name, text in texts.items()
    }
    declare.read(load(action.command).options, {}, environment, pytest.fail)


def test_the_setup_of_notation_takes_their_inputs_and_says_that_it_does_nothing() -> None:
    action = parse_yaml((ROOT / "actions" / "notation-setup" / "action.yml").read_text())
    assert {*action["inputs"]} == {"version", "url", "checksum"}
    [windows, step] = action["runs"]["steps"]
    assert windows["run"].rstrip().endswith("exit 3")
    assert step["run"].startswith('set -eu\necho "::notice title=s3c::This step has no effect: ')
    assert "${{" not in step["run"]


def test_every_action_is_in_the_table() -> None:
    table = PAGE.read_text().partition("\n## ")[0]
    assert all(f"`{name}`" in table for name in THEIRS)
    assert "`notaryproject/notation-action/setup`" in table
