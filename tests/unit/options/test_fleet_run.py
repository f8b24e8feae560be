"""Inputs of `fleet run`."""

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.options.declare import read
from s3c_actions.options.fleet_run import FleetRunInputs, Shard


def given(**values):
    return read(FleetRunInputs, {"plan": "plan.json", **values}, {}, lambda _notice: None)


@pytest.mark.parametrize(
    ("text", "shard"), [("1/1", Shard(1, 1)), ("3/40", Shard(3, 40)), (" 256/256 ", Shard(256, 256))]
)
def test_a_shard_is_its_number_of_how_many(text, shard):
    assert given(shard=text).shard == shard
    assert str(shard) == text.strip()


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "3/", "/3", "1/257", "a/b", "1/3/3", "-1/3", "1 / 3"])
def test_what_is_no_shard_is_an_error_that_names_the_input(text):
    with pytest.raises(InputError) as raised:
        given(shard=text).shard  # noqa: B018
    assert raised.value.field == "shard"


def test_evidence_is_attached_and_what_it_replaces_deleted_unless_said_otherwise():
    options = given()
    assert options.attach == ("sarif", "spdx")
    assert options.prune_evidence
    assert (options.fail_on, options.fixable_only) == ("CRITICAL", True)
    assert not options.given(FleetRunInputs.prune_evidence)
    assert given(**{"prune-evidence": "false"}).prune_evidence is False
