"""What is no hole, and should be changed or known: webhooks that are asked about too much, labels, permissions."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from s3c_actions.cluster.gate import inspection
from tests.unit.cluster.gate.test_inspection import FACTS, WANTED, changed, facts
from tests.unit.cluster.gate.test_webhook import CONSTRAINT, NARROW

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
