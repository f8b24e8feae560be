"""The stages of a gate: their order, and what a change of them is."""

from __future__ import annotations

import pytest

from s3c_actions.core.gate_stage import GateStages, Stage, normalized, parse_stage
from s3c_actions.options.gate import stages


def test_stages_are_in_order_and_end_with_deny():
    assert [stage.rank for stage in (Stage.AUDIT, Stage.WARN, Stage.DENY)] == [0, 1, 2]
    assert [stage.following for stage in Stage] == [Stage.WARN, Stage.DENY, None]
    assert [stage.action for stage in Stage] == ["dryrun", "warn", "deny"]


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("deny", "deny"),
        ("audit", "audit"),
        ("shop=warn", "deny, shop=warn"),
        ("warn,shop=audit\npay=deny", "warn, pay=deny, shop=audit"),
        ("deny, shop=deny", "deny"),
    ],
)
def test_a_mode_is_one_stage_and_those_of_single_namespaces(text, described):
    assert stages(text).describe() == described
    assert stages(stages(text).describe()) == stages(text)


@pytest.mark.parametrize(
    "text", ["dryrun", "warn,audit", "shop=warn,deny", "Shop=warn", "shop=", "a=warn,a=deny", "=warn"]
)
def test_a_mode_that_is_none(text):
    with pytest.raises(ValueError, match=r"stage|audit|namespace"):
        stages(text)
    with pytest.raises(ValueError, match="audit, warn, deny"):
        parse_stage("block")


def test_a_change_is_weaker_when_one_namespace_is():
    before = normalized(Stage.WARN, {"shop": Stage.DENY})
    assert before.of("shop") is Stage.DENY
    assert before.of("other") is Stage.WARN
    assert normalized(Stage.WARN, {}).weakened(before)
    assert GateStages(default=Stage.DENY, named={"new": Stage.AUDIT}).weakened(before)
    assert not before.changed(["new"], Stage.DENY).weakened(before)
    assert before.changed([], Stage.DENY) == GateStages()
    assert before.changed(["shop"], Stage.WARN) == GateStages(default=Stage.WARN)
