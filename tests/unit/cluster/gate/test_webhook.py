"""What the webhook is asked about: what the constraint looks at, and neither less nor more."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from s3c_actions.cluster import image_places
from s3c_actions.cluster.gate import inspection, manifests, webhook
from tests.unit.cluster.gate.test_inspection import FACTS, WANTED, changed, facts

(CONSTRAINT,) = copy.deepcopy(FACTS["constraints"])
KINDS = webhook.constrained_kinds([CONSTRAINT])
NARROW = webhook.rules(KINDS)
VALUES = yaml.safe_load(manifests.values_file("gatekeeper").read_text())


def test_the_shipped_rules_are_those_of_the_shipped_constraint():
    *_, constraint = manifests.objects_for_identities(("*",))
    wanted = webhook.rules(webhook.constrained_kinds([constraint]))
    assert VALUES["validatingWebhookCustomRules"] == wanted
    assert VALUES["mutatingWebhookCustomRules"] == wanted
    assert manifests.gatekeeper_values(wanted, wanted) == {}
    assert "kube-node-lease" not in str(VALUES)


def test_every_place_of_an_image_is_asked_about_in_every_version():
    rules = {"rules": NARROW}
    for workload in image_places.WORKLOADS:
        for version in (workload.version, "v1beta1", "v9"):
            for operation in ("CREATE", "UPDATE"):
                assert webhook.looks_at(rules, workload.group, version, workload.plural, operation)
    for subresource in image_places.SUBRESOURCES:
        assert webhook.looks_at(rules, "", "v1", subresource, "UPDATE")
    assert webhook.uncovered(rules, KINDS) == []
    assert webhook.excess(rules, KINDS) == []


@pytest.mark.parametrize(
    ("group", "resource", "namespaced"),
    [
        ("", "nodes", False),
        ("", "namespaces", False),
        ("", "configmaps", True),
        ("", "pods/status", True),
        ("", "pods/binding", True),
        ("apps", "deployments/scale", True),
        ("coordination.k8s.io", "leases", True),
        ("certificates.k8s.io", "certificatesigningrequests", False),
        ("constraints.gatekeeper.sh", "ratifyverification", False),
        ("templates.gatekeeper.sh", "constrainttemplates", False),
        ("config.ratify.deislabs.io", "verifiers", False),
    ],
)
def test_nothing_else_depends_on_gatekeeper(group, resource, namespaced):
    for operation in ("CREATE", "UPDATE", "DELETE", "CONNECT"):
        assert not webhook.looks_at({"rules": NARROW}, group, "*", resource, operation, namespaced=namespaced)


def test_the_narrow_webhook_is_closed_and_the_charts_own_is_reported_as_wide():
    narrow = changed("webhooks", "webhook.rules", NARROW)
    gate = inspection.inspect(narrow, WANTED)
    assert (gate.holes, gate.warnings) == ((), ())
    wide = inspection.inspect(facts(), WANTED)
    assert wide.holes == ()
    (warning,) = wide.warnings
    assert wide.excess == wide.warnings  # `gate install` puts it right
    assert "Nodes, Leases" in warning
    assert "s3c gate install" in warning


@pytest.mark.parametrize(
    ("rule", "nouns"),
    [
        ({"resources": ["*"]}, ["Nodes", "* of the core group"]),
        ({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}, ["Leases", "leases of coordination.k8s.io"]),
        ({"resources": ["nodes"], "scope": "Cluster"}, ["Nodes", "nodes of the core group"]),
        ({"resources": ["configmaps"]}, ["configmaps of the core group"]),
        ({"resources": ["pods/*"]}, ["pods/* of the core group"]),
        ({"resources": ["pods"], "operations": ["CREATE", "DELETE"]}, ["DELETE"]),
        ({"resources": ["pods"], "operations": ["*"]}, ["*"]),
        ({"apiGroups": ["*"], "resources": ["pods"]}, ["pods of every group"]),
        (
            {"apiGroups": ["templates.gatekeeper.sh"], "resources": ["*"], "scope": "Cluster"},
            ["the gate's own templates", "* of templates.gatekeeper.sh"],
        ),
    ],
)
def test_what_is_asked_about_besides_is_a_warning_and_no_hole(rule: dict[str, Any], nouns: list[str]):
    base = {"apiGroups": [""], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "scope": "*"}
    added = [*NARROW, base | rule]
    assert webhook.excess({"rules": added}, KINDS) == nouns
    gate = inspection.inspect(changed("webhooks", "webhook.rules", added), WANTED)
    assert gate.holes == ()
    assert len(gate.warnings) == 1


@pytest.mark.parametrize("left_out", range(len(NARROW)))
def test_less_is_a_hole(left_out):
    rules = [rule for number, rule in enumerate(NARROW) if number != left_out]
    assert inspection.inspect(changed("webhooks", "webhook.rules", rules), WANTED).holes
    for resource in NARROW[left_out]["resources"]:
        resources = [other for other in NARROW[left_out]["resources"] if other != resource]
        rules = copy.deepcopy(NARROW)
        rules[left_out]["resources"] = resources
        assert inspection.inspect(changed("webhooks", "webhook.rules", rules), WANTED).holes, resource


def test_a_constraint_that_looks_at_less_needs_no_wider_webhook():
    own = copy.deepcopy(CONSTRAINT)
    own["spec"]["match"]["kinds"] = [{"apiGroups": ["", "apps"], "kinds": ["Pod", "Deployment"]}]
    kinds = webhook.constrained_kinds([own])
    rules = webhook.rules(kinds)
    assert [rule["resources"] for rule in rules] == [["pods", "pods/ephemeralcontainers"], ["deployments"]]
    assert webhook.uncovered({"rules": rules}, kinds) == []
    assert "jobs of batch" in webhook.excess({"rules": NARROW}, kinds)


def test_kinds_of_others_are_asked_about_by_the_name_they_are_served_under():
    served = {("argoproj.io", "Rollout"): ("rollouts", True), ("", "Namespace"): ("namespaces", False)}
    kinds = (*KINDS, ("argoproj.io", "Rollout"))
    rules = webhook.rules(kinds, [("", "Namespace"), ("apps", "*")], lambda group, kind: served[group, kind])
    assert {"apiGroups": ["argoproj.io"], "resources": ["rollouts"], "scope": "Namespaced"}.items() <= rules[3].items()
    assert {"apiGroups": [""], "resources": ["namespaces"], "scope": "*"}.items() <= rules[4].items()
    assert {"apiGroups": ["apps"], "resources": ["*"], "scope": "*"}.items() <= rules[5].items()
    assert webhook.uncovered({"rules": rules}, kinds) == []
    (hole,) = webhook.uncovered({"rules": NARROW}, kinds)
    assert hole[0] == "Rollouts of argoproj.io, which a constraint names"
    assert webhook.excess({"rules": rules[:4]}, kinds) == []


@pytest.mark.parametrize("match", [{}, {"kinds": []}, {"kinds": [{"apiGroups": ["*"], "kinds": ["*"]}]}])
def test_a_constraint_of_every_kind_is_about_all_workloads(match):
    kinds = webhook.constrained_kinds([{"spec": {"match": match}}])
    assert webhook.rules(kinds) == NARROW
    assert webhook.uncovered({"rules": NARROW}, kinds) == []
