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


EXEMPTED = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "gatekeeper-system"]}


def mutating(**fields: Any) -> dict[str, Any]:
    """A MutatingWebhookConfiguration as `gate install` leaves it, but for these fields."""
    hook = {
        "name": "mutation.gatekeeper.sh",
        "rules": NARROW,
        "failurePolicy": "Ignore",
        "timeoutSeconds": 3,
        "namespaceSelector": {"matchExpressions": [EXEMPTED]},
    }
    return {"metadata": {"name": "gatekeeper-mutating"}, "webhooks": [{"name": "a.example"}, hook | fields]}


WIDE = [
    {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["*"], "scope": "*"}
]


@pytest.mark.parametrize(
    ("fields", "noun", "effect"),
    [
        ({}, "", ""),
        ({"failurePolicy": "Fail"}, "", ""),
        ({"rules": WIDE}, "(Nodes, Leases", "waits up to 3 s"),
        ({"rules": WIDE, "failurePolicy": "Fail"}, "(Nodes, Leases", "may not start again"),
        ({"rules": [*NARROW, WIDE[0] | {"apiGroups": [""], "resources": ["nodes"]}]}, "(Nodes,", "waits up to 3 s"),
        ({"failurePolicy": "Fail", "namespaceSelector": {}}, "(Pods of kube-system,", "may not start again"),
        ({"namespaceSelector": {}}, "", ""),
    ],
)
def test_the_mutating_webhook_is_asked_about_no_more_either(fields, noun, effect):
    """It fails open, unless somebody changed that: then it ties the cluster to Gatekeeper as the other one would."""
    own = changed("webhooks", "webhook.rules", NARROW).webhooks
    gate = inspection.inspect(facts(webhooks=own, mutating=[mutating(**fields)]), WANTED)
    assert gate.holes == ()
    assert gate.excess == gate.warnings
    assert len(gate.excess) == bool(noun)
    for sentence in gate.excess:
        assert sentence.startswith("gatekeeper-mutating is asked about more")
        assert noun in sentence
        assert effect in sentence
        assert "s3c gate install" in sentence


def test_what_other_mutations_change_is_no_excess_and_azure_policys_webhook_is_not_ours():
    own = changed("webhooks", "webhook.rules", NARROW).webhooks
    rules = [*NARROW, WIDE[0] | {"apiGroups": [""], "resources": ["services"]}]
    hooks = [mutating(rules=rules)]
    assert inspection.inspect(facts(webhooks=own, mutating=hooks), WANTED).excess
    assert not inspection.inspect(facts(webhooks=own, mutating=hooks, mutated=[("", "Service")]), WANTED).excess
    hooks[0]["metadata"]["name"] = "azure-policy-mutating-webhook-configuration"
    assert not inspection.inspect(facts(webhooks=own, mutating=hooks), WANTED).excess


def test_a_role_that_may_not_list_mutations_is_a_warning():
    own = changed("webhooks", "webhook.rules", NARROW).webhooks
    gate = inspection.inspect(facts(webhooks=own, mutating=None), WANTED)
    assert (gate.holes, gate.excess) == ((), ())
    (warning,) = gate.warnings
    assert "gate-reader.yaml" in warning


def test_a_validating_webhook_that_does_not_exempt_what_has_to_start_first():
    own = changed("webhooks", "webhook.rules", NARROW).webhooks
    own[0]["webhooks"][0]["namespaceSelector"] = {}
    (sentence,) = inspection.inspect(facts(webhooks=list(own)), WANTED).excess
    assert "(Pods of kube-system, Pods of gatekeeper-system)" in sentence


def test_an_exempt_namespace_that_still_waits_for_gatekeeper():
    """As gates of earlier versions have it: `gate install` puts it right."""
    own = list(changed("webhooks", "webhook.rules", NARROW).webhooks)
    constraint = copy.deepcopy(CONSTRAINT)
    constraint["spec"]["match"]["excludedNamespaces"] += ["calico-system", "not-there", "team-*"]
    namespaces = {**FACTS["namespaces"], "calico-system": {}, "team-a": {}}
    (sentence,) = inspection.inspect(
        facts(webhooks=own, constraints=[constraint], namespaces=namespaces), WANTED
    ).excess
    assert "(Pods of calico-system)" in sentence
    # Another policy may look there, so that the webhook has to be asked.
    other = {"kind": "Labels", "metadata": {"name": "team"}, "spec": {}}
    known = facts(webhooks=own, constraints=[constraint, other], namespaces=namespaces)
    assert not [warning for warning in inspection.inspect(known, WANTED).excess if "calico-system" in warning]
    exempted = copy.deepcopy(own)
    expressions = exempted[0]["webhooks"][0]["namespaceSelector"]["matchExpressions"]
    (names,) = (
        expression["values"] for expression in expressions if expression["key"] == "kubernetes.io/metadata.name"
    )
    names.append("calico-system")
    known = facts(webhooks=exempted, constraints=[constraint], namespaces=namespaces)
    assert inspection.inspect(known, WANTED).excess == ()


AZURE = copy.deepcopy(FACTS["webhooks"][0])
AZURE["metadata"]["name"] = "azure-policy-validating-webhook-configuration"
AZURE["webhooks"][0]["failurePolicy"] = "Ignore"
AZURE["webhooks"][0]["timeoutSeconds"] = 1


def test_a_sound_webhook_is_enough_beside_azure_policys_own():
    own = copy.deepcopy(FACTS["webhooks"])
    own[0]["webhooks"][0]["rules"] = NARROW
    for webhooks in ([*own, AZURE], [AZURE, *own]):
        gate = inspection.inspect(facts(webhooks=webhooks), WANTED)
        assert (gate.holes, gate.warnings) == ((), ())
    own[0]["webhooks"][0]["failurePolicy"] = "Ignore"
    (hole,) = inspection.inspect(facts(webhooks=[AZURE, *own]), WANTED).holes
    assert "gatekeeper-validating-webhook-configuration is Ignore" in hole.what
    holes = inspection.inspect(facts(webhooks=[AZURE]), WANTED).holes
    assert any("azure-policy-validating-webhook-configuration is Ignore" in hole.what for hole in holes)


def test_the_labels_by_which_aks_leaves_out_namespaces_are_reported():
    own = copy.deepcopy(FACTS["webhooks"])
    hook = own[0]["webhooks"][0]
    hook["rules"] = NARROW
    # https://learn.microsoft.com/azure/aks/faq: AKS adds these to every webhook.
    hook["namespaceSelector"]["matchExpressions"] += [
        {"key": "control-plane", "operator": "NotIn", "values": ["true"]},
        {"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]},
    ]
    gate = inspection.inspect(facts(webhooks=own), WANTED)
    assert gate.holes == ()
    (warning,) = gate.warnings
    assert "control-plane, kubernetes.azure.com/managedby" in warning
    namespaces = {"default": {"control-plane": "true"}}
    gate = inspection.inspect(facts(webhooks=own, namespaces=namespaces), WANTED)
    assert any("namespaceSelector leaves it out" in hole.what for hole in gate.holes)
