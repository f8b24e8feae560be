"""The gate's objects, as a cluster serves them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from s3c_actions.cluster.client import ApiError, Resource
from s3c_actions.cluster.gate import objects
from tests.unit.cluster.gate.test_constraints import Served
from tests.unit.cluster.gate.test_inspection import FACTS


class Cluster(Served):
    """A cluster with the recorded gate, whose account may not list some kinds."""

    def __init__(self, *forbidden: str, **kinds: list[dict[str, Any]]) -> None:
        super().__init__(*copy.deepcopy(FACTS["constraints"]))
        self.kinds |= kinds
        self.forbidden = forbidden

    def list(self, resource: Resource, namespace: str = "", **query: str) -> list[dict[str, Any]]:
        if resource.plural in self.forbidden:
            raise ApiError(403, "Forbidden", "may not list", what="The account may not list it.")
        return super().list(resource, namespace, **query)


def test_what_the_cluster_serves_is_read_and_what_it_does_not_know_is_empty():
    def endpoints(service: str, *ready: bool) -> dict[str, Any]:
        metadata = {"namespace": "gatekeeper-system", "labels": {"kubernetes.io/service-name": service}}
        return {"metadata": metadata, "endpoints": [{"conditions": {"ready": state}} for state in ready]}

    known = objects.read_gate_objects(
        Cluster(
            namespaces=[{"metadata": {"name": "shop", "labels": {"team": "a"}}}, {"metadata": {"name": "bare"}}],
            endpointslices=[endpoints("gatekeeper-webhook-service", False, True), endpoints("ratify", False)],
        )
    )
    assert [(constraint["kind"], constraint["metadata"]["name"]) for constraint in known.constraints] == [
        ("Labels", "team"),
        ("RatifyVerification", "ratify-verification"),
    ]
    assert known.namespaces == {"shop": {"team": "a"}, "bare": {}}
    assert known.ready == {"gatekeeper-system/gatekeeper-webhook-service"}
    assert (known.webhooks, known.mutating, known.mutated, known.providers, known.configs) == ((), (), (), (), ())


@pytest.mark.parametrize("kind", ["mutatingwebhookconfigurations", "assignmetadata"])
def test_a_role_that_may_not_list_mutations_reads_the_rest(kind):
    known = objects.read_gate_objects(Cluster(kind))
    assert (known.mutating, known.mutated) == (None, ())
    assert known.templates


def test_any_other_kind_that_may_not_be_listed_is_an_error():
    with pytest.raises(ApiError):
        objects.read_gate_objects(Cluster("constrainttemplates"))


def test_what_other_mutations_change():
    ratifys = {"spec": {"parameters": {"assign": {"externalData": {"provider": objects.MUTATION_PROVIDER}}}}}
    services = {"spec": {"applyTo": [{"groups": [""], "kinds": ["Service", "Endpoints"], "versions": ["v1"]}]}}
    assert objects.asks_ratify(ratifys)
    assert not objects.asks_ratify(services)
    labels = {"spec": {"match": {"kinds": [{"apiGroups": ["apps"], "kinds": ["*"]}]}}}
    assert objects.mutated_kinds(Cluster(assign=[ratifys, services], assignmetadata=[labels])) == (
        ("", "Service"),
        ("", "Endpoints"),
        ("apps", "*"),
    )
    assert objects.mutated_kinds(Cluster(assign=[ratifys], modifyset=[{}])) == (("*", "*"),)


def test_a_template_asks_a_provider_wherever_its_code_stands():
    code = 'response := external_data({"provider": "ratify-provider", "keys": images})'
    assert objects.asks_provider({"spec": {"targets": [{"rego": code}]}})
    assert objects.asks_provider({"spec": {"targets": [{"code": [{"source": {"rego": code}}]}]}})
    assert not objects.asks_provider(
        {"spec": {"targets": [{"rego": "package x"}, {"code": [{"engine": "K8sNativeValidation"}]}]}}
    )
    assert not objects.asks_provider({})
