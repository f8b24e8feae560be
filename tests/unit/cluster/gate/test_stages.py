"""The constraints of a gate in stages: what is written, what is read back, and what an inspection says of them."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest

from s3c_actions.cluster.gate import inspection, manifests, stages
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.gate_stage import GateStages, Stage, normalized
from s3c_actions.options.gate import stages as parse_mode
from s3c_actions.wiring.cluster_gate import _denies_nothing
from tests.unit.cluster.gate.test_inspection import FACTS, facts

*_, SHIPPED = manifests.objects_for_identities(("*",))
NAMESPACES = {name: {"kubernetes.io/metadata.name": name} for name in ("default", "shop", "pay", "kube-system")}
EVERY = [
    normalized(default, {name: stage for name, stage in (("shop", shop), ("pay", pay)) if stage})
    for default, shop, pay in itertools.product(Stage, [None, *Stage], [None, *Stage])
]


def constraints(mode: GateStages) -> list[dict[str, Any]]:
    return list(stages.apply_stages([SHIPPED], mode))


def inspected(mode: GateStages, *targets: str, accept: Stage = Stage.AUDIT, policy: str = "") -> Any:
    webhooks = copy.deepcopy(FACTS["webhooks"])
    for webhook in webhooks[0]["webhooks"]:
        if policy:
            webhook["failurePolicy"] = policy
    known = facts(constraints=constraints(mode), namespaces=NAMESPACES, webhooks=webhooks)
    return inspection.inspect(known, [("apps", "Deployment", name) for name in targets], accept=accept)


def test_the_shipped_constraint_is_that_of_deny():
    assert constraints(GateStages()) == [SHIPPED]


@pytest.mark.parametrize("mode", EVERY, ids=GateStages.describe)
def test_each_namespace_is_in_the_stage_that_is_asked_for(mode):
    written = constraints(mode)
    assert stages.read_stages(written) == mode
    looked = inspected(mode, "default", "shop", "pay")
    assert looked.holes == ()
    assert looked.stages == {name: mode.of(name) for name in ("default", "pay", "shop")}
    assert set(looked.exempt) == {"kube-system"}
    assert any(map(stages.is_preview, written)) == (mode.stages != {Stage.DENY})
    live = [{key: value for key, value in constraint.items() if key != "apiVersion"} for constraint in written]
    (base,) = (constraint for constraint in live if constraint["metadata"]["name"] == stages.BASE)
    whole = stages.whole_constraint(base, mode)
    for other in EVERY:
        assert list(stages.staged_constraints(whole, other)) == constraints(other)


@pytest.mark.parametrize("mode", EVERY, ids=GateStages.describe)
def test_a_stage_that_is_not_accepted_is_a_hole(mode):
    for accept, name in itertools.product(Stage, ("default", "shop")):
        holes = inspected(mode, name, accept=accept).holes
        assert [hole.stage for hole in holes] == ([mode.of(name)] if mode.of(name).rank < accept.rank else [])
        assert all(f"stage {mode.of(name)}" in hole.what and "s3c gate preview" in hole.remedy for hole in holes)


def test_a_webhook_may_fail_open_where_nothing_is_denied():
    mode = parse_mode("warn,shop=deny")
    assert inspected(mode, "default", policy="Ignore").holes == ()
    for targets, accept in ((("default", "shop"), Stage.AUDIT), (("shop",), Stage.AUDIT), (("default",), Stage.DENY)):
        assert any(
            "fails open" in hole.what for hole in inspected(mode, *targets, accept=accept, policy="Ignore").holes
        )
    (sentence,) = (
        warning for warning in inspected(parse_mode("audit"), "default").warnings if "fails closed" in warning
    )
    assert "in no namespace in the stage deny" in sentence
    assert not any("fails closed" in warning for warning in inspected(mode, "default").warnings)


@pytest.mark.parametrize("mode", EVERY, ids=GateStages.describe)
def test_the_chart_fails_open_when_no_namespace_is_in_deny(mode):
    assert _denies_nothing(constraints(mode)) == (Stage.DENY not in mode.stages)
    assert not _denies_nothing([*constraints(mode), {"metadata": {"name": "other"}, "spec": {}}])
    values = manifests.gatekeeper_values([], [], fails_open=_denies_nothing(constraints(mode)))
    assert values.get("validatingWebhookFailurePolicy", "Fail") == ("Fail" if Stage.DENY in mode.stages else "Ignore")


WEBHOOK, AUDIT = {"name": gate_objects.WEBHOOK}, {"name": "audit.gatekeeper.sh"}


@pytest.mark.parametrize(
    ("spec", "stage"),
    [
        ({}, Stage.DENY),
        ({"enforcementAction": "dryrun"}, Stage.AUDIT),
        ({"enforcementAction": "warn"}, Stage.WARN),
        ({"enforcementAction": "Deny"}, None),
        ({"enforcementAction": "scoped"}, None),
        (
            {
                "enforcementAction": "scoped",
                "scopedEnforcementActions": [
                    {"action": "warn", "enforcementPoints": [WEBHOOK]},
                    {"action": "deny", "enforcementPoints": [{"name": "*"}]},
                ],
            },
            Stage.DENY,
        ),
        (
            {
                "enforcementAction": "scoped",
                "scopedEnforcementActions": [{"action": "deny", "enforcementPoints": [AUDIT]}],
            },
            Stage.AUDIT,
        ),
        (
            {
                "enforcementAction": "scoped",
                "scopedEnforcementActions": [{"action": "deny", "enforcementPoints": [{"name": "vap.k8s.io"}]}],
            },
            None,
        ),
    ],
)
def test_a_stage_is_what_the_action_does_at_the_webhook(spec, stage):
    assert stages.constraint_stage({"metadata": {"name": "x"}, "spec": spec}) is stage


def test_a_constraint_that_somebody_changed_by_hand_has_no_stages_of_ours():
    changed = constraints(parse_mode("deny,shop=warn"))
    changed[0]["spec"]["enforcementAction"] = "dryrun"
    assert stages.read_stages(changed) is None
    assert stages.read_stages([]) is None


def test_what_two_constraints_are_about_is_in_the_stricter_stage():
    changed = constraints(parse_mode("warn,shop=audit"))
    changed[-1]["spec"]["match"]["excludedNamespaces"].remove("shop")
    assert stages.read_stages(changed) == parse_mode("warn")
    other = constraints(parse_mode("audit,shop=deny"))
    other[-1]["spec"]["match"]["excludedNamespaces"].remove("shop")
    assert stages.read_stages(other) == parse_mode("audit,shop=deny")
