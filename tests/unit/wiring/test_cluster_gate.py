"""What the installation finds on a cluster: Azure Policy, Azure's namespaces, other policies of the same Gatekeeper."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from s3c_actions.cluster.client import ApiError, Cluster, Resource
from s3c_actions.cluster.gate import manifests
from s3c_actions.core.errors import OutsideError
from s3c_actions.wiring import cluster_gate
from tests.unit.cluster.gate.test_inspection import FACTS

OBJECTS = manifests.objects_for_identities(("*",))


class Api(Cluster):
    """A cluster that serves these objects by plural, and these resources of groups."""

    def __init__(self, resources: dict[str, Any] | None = None, **kinds: list[dict[str, Any]]) -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        self.kinds, self.resources = kinds, resources or {}

    def list(self, resource: Resource, namespace: str = "", **query: str) -> list[dict[str, Any]]:
        if resource.plural not in self.kinds:
            raise ApiError(404, "NotFound", "no such kind", what="The cluster knows no such kind.")
        key = query.get("labelSelector", "")
        objects = self.kinds[resource.plural]
        return [document for document in objects if not key or key in document["metadata"].get("labels", {})]

    def get(self, resource: Resource, name: str, namespace: str = "") -> dict[str, Any] | None:
        objects = self.kinds.get(resource.plural, [])
        return next((document for document in objects if document["metadata"]["name"] == name), None)

    def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        if path not in self.resources:
            raise ApiError(404, "NotFound", "no such path", what="The cluster knows no such path.")
        answer: dict[str, Any] = self.resources[path]
        return answer


def named(*names: str, **labels: str) -> list[dict[str, Any]]:
    return [{"metadata": {"name": name, "labels": labels}} for name in names]


@pytest.mark.parametrize(
    "kinds",
    [
        {"validatingwebhookconfigurations": named("azure-policy-validating-webhook-configuration")},
        {"deployments": named("azure-policy")},
        {"deployments": named("azure-policy-webhook")},
    ],
)
def test_azure_policys_own_gatekeeper_is_an_error_before_anything_is_done(kinds):
    with pytest.raises(OutsideError, match="Azure Policy's own Gatekeeper") as raised:
        cluster_gate.reject_azure_policy(Api(**kinds))
    assert "az aks disable-addons --addons azure-policy" in raised.value.remedy


def test_another_cluster_passes():
    cluster_gate.reject_azure_policy(
        Api(validatingwebhookconfigurations=FACTS["webhooks"], deployments=named("coredns", "azure-ip-masq-agent"))
    )


def test_azures_namespaces_are_exempt_on_aks_alone_and_if_they_are_there():
    namespaces = named("app-routing-system", "aks-istio-system", "default", "kube-system", "aks-istio")
    node = named("aks-1", **{cluster_gate.AKS_LABEL: "MC_rg"})
    assert cluster_gate.find_aks_namespaces(Api(nodes=node, namespaces=namespaces)) == (
        "aks-istio-system",
        "app-routing-system",
    )
    assert cluster_gate.find_aks_namespaces(Api(nodes=named("node"), namespaces=namespaces)) == ()
    *_, constraint = manifests.exempt_namespaces(OBJECTS, ["aks-istio-system", "kube-system"])
    assert constraint["spec"]["match"]["excludedNamespaces"] == ["kube-system", "gatekeeper-system", "aks-istio-system"]
    *_, before = OBJECTS
    assert before["spec"]["match"]["excludedNamespaces"] == ["kube-system", "gatekeeper-system"]


def test_the_shipped_rules_fit_a_cluster_with_the_gate_alone():
    own = {"constrainttemplates": FACTS["templates"], "ratifyverification": FACTS["constraints"]}
    asks = {"assign": {"externalData": {"provider": "ratify-mutation-provider"}}}
    ratifys: list[dict[str, Any]] = [{"metadata": {"name": "mutate-pod-image"}, "spec": {"parameters": asks}}]
    assert cluster_gate.webhook_values(Api(), OBJECTS) == {}
    assert cluster_gate.webhook_values(Api(**own, assign=ratifys), OBJECTS) == {}


def exempted(values: dict[str, Any]) -> list[list[str]]:
    kinds = [values.get(f"{kind}WebhookExemptNamespacesLabels", {}) for kind in ("validating", "mutating")]
    return [kind.get("kubernetes.io/metadata.name", []) for kind in kinds]


def test_what_is_exempt_starts_without_gatekeeper():
    """Such as a network plugin's Pods: without them no node is ready, and Gatekeeper cannot start."""
    objects = manifests.exempt_namespaces(OBJECTS, ["calico-system", "team-*"])
    names = ["kube-system", "calico-system"]
    assert exempted(cluster_gate.webhook_values(Api(), objects)) == [names, names]
    # Another constraint of the gate's own kind looks there: nothing is exempt from both.
    own = copy.deepcopy(objects[-1])
    own["metadata"]["name"] = "second"
    own["spec"]["match"]["excludedNamespaces"] = ["kube-system"]
    assert exempted(cluster_gate.webhook_values(Api(), [*objects, own])) == [[], []]
    del own["spec"]["match"]
    assert exempted(cluster_gate.webhook_values(Api(), [*objects, own])) == [[], []]


def test_where_other_policies_look_at_what_is_exempt_the_webhook_is_still_asked():
    template = {
        "metadata": {"name": "labels"},
        "spec": {"crd": {"spec": {"names": {"kind": "Labels"}}}, "targets": [{"rego": "package x"}]},
    }
    objects = manifests.exempt_namespaces(OBJECTS, ["calico-system"])
    pods: dict[str, Any] = {
        "metadata": {"name": "team"},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}},
    }
    cluster = Api(constrainttemplates=[*FACTS["templates"], template], labels=[pods])
    assert exempted(cluster_gate.webhook_values(cluster, objects)) == [[], ["kube-system", "calico-system"]]
    pods["spec"]["match"]["excludedNamespaces"] = ["other", "calico-system"]
    both = [["kube-system", "calico-system"]] * 2
    assert exempted(cluster_gate.webhook_values(cluster, objects)) == both
    assign = {"metadata": {"name": "pods"}, "spec": {"applyTo": [{"groups": [""], "kinds": ["Pod"]}]}}
    cluster = Api(assign=[assign])
    assert exempted(cluster_gate.webhook_values(cluster, objects)) == [["kube-system", "calico-system"], []]


def test_other_policies_and_mutations_of_the_same_gatekeeper_go_on():
    template = {
        "metadata": {"name": "labels"},
        "spec": {"crd": {"spec": {"names": {"kind": "Labels"}}}, "targets": [{"rego": "package x"}]},
    }
    kinds = [{"apiGroups": [""], "kinds": ["Namespace"]}, {"apiGroups": ["argoproj.io"], "kinds": ["Rollout"]}]
    labels = {"metadata": {"name": "team"}, "spec": {"match": {"kinds": kinds}}}
    assign = {"metadata": {"name": "nodes"}, "spec": {"applyTo": [{"groups": [""], "kinds": ["ConfigMap"]}]}}
    resources = {
        "/api/v1": {
            "resources": [
                {"name": "namespaces/status", "kind": "Namespace", "namespaced": False},
                {"name": "namespaces", "kind": "Namespace", "namespaced": False},
                {"name": "configmaps", "kind": "ConfigMap", "namespaced": True},
            ]
        }
    }
    cluster = Api(
        resources,
        constrainttemplates=[*FACTS["templates"], template],
        ratifyverification=FACTS["constraints"],
        labels=[labels],
        assign=[assign],
    )
    values = cluster_gate.webhook_values(cluster, OBJECTS)
    validating, mutating = values["validatingWebhookCustomRules"], values["mutatingWebhookCustomRules"]
    assert [(rule["apiGroups"], rule["resources"], rule["scope"]) for rule in validating[3:]] == [
        ([""], ["namespaces"], "*"),
        (["argoproj.io"], ["*"], "Namespaced"),
    ]
    assert mutating[0]["resources"][-1] == "configmaps"
    assert len(mutating) == 3


def test_a_users_constraint_takes_its_kinds_along():
    own = copy.deepcopy(OBJECTS[-1])
    own["spec"]["match"]["kinds"].append({"apiGroups": ["argoproj.io"], "kinds": ["Rollout"]})
    resources = {
        "/apis/argoproj.io": {"preferredVersion": {"groupVersion": "argoproj.io/v1alpha1"}},
        "/apis/argoproj.io/v1alpha1": {"resources": [{"name": "rollouts", "kind": "Rollout", "namespaced": True}]},
    }
    values = cluster_gate.webhook_values(Api(resources), [*OBJECTS[:-1], own])
    assert values["validatingWebhookCustomRules"][3]["resources"] == ["rollouts"]
