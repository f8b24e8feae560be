"""The groups: one heading for every input of every command, the same for help texts, action.yml and READMEs."""

import pytest

from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.input_groups import GROUPS, MANY, grouped


@pytest.mark.parametrize("name", COMMANDS)
def test_every_input_has_a_group(name) -> None:
    inputs = load(name).inputs
    groups = grouped(inputs)
    assert sorted(declared.name for _, members in groups for declared in members) == sorted(
        declared.name for declared in inputs
    )
    headings = [heading for heading, _ in groups]
    assert headings == ([heading for heading, _ in GROUPS if heading in headings] if len(inputs) >= MANY else [""])


def test_an_input_without_a_group_is_an_error() -> None:
    stranger = load("scan").inputs[0]
    with pytest.raises(KeyError):
        grouped([type(stranger)(name="strange", help="", parse=str)] * MANY)


def test_the_groups_people_look_for_are_there() -> None:
    headings = {heading for heading, _ in GROUPS}
    assert {"Image", "Gate", "Reports", "Registry", "Key and signature", "GitHub", "Azure", "Programs"} <= headings
