"""Removing the gate: in which order, what stays, and the message when it fails half-way."""

from __future__ import annotations

import copy
from typing import Any

from s3c_actions.cluster.client import ApiError, Cluster, Resource
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.progress import Silent
from s3c_actions.programs.helm.helm import Helm, HelmRelease
from s3c_actions.steps import uninstall_gate
from s3c_actions.steps.uninstall_gate import UninstallTools
from tests.unit.cluster.gate.test_inspection import FACTS

OTHER = {
    "metadata": {"name": "labels"},
    "spec": {"crd": {"spec": {"names": {"kind": "Labels"}}}, "targets": [{"rego": "package x"}]},
}


class Api(Cluster):
    """A cluster with the recorded gate and Ratify's objects; it notes what is deleted."""

    def __init__(self) -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        hooks = [{"name": "mutation.gatekeeper.sh"}]
        azure = copy.deepcopy(FACTS["webhooks"][0])
        azure["metadata"]["name"] = "azure-policy-validating-webhook-configuration"
        self.kinds: dict[str, list[dict[str, Any]]] = {
            "constrainttemplates": copy.deepcopy(FACTS["templates"]),
            "ratifyverification": copy.deepcopy(FACTS["constraints"]),
            "labels": [{"metadata": {"name": "team"}}],
            "validatingwebhookconfigurations": [*copy.deepcopy(FACTS["webhooks"]), azure],
            "mutatingwebhookconfigurations": [
                {"metadata": {"name": "gatekeeper-mutating-webhook-configuration"}, "webhooks": hooks},
                {"metadata": {"name": "somebody-elses"}, "webhooks": [{"name": "x.test"}]},
            ],
            "keymanagementproviders": [{"metadata": {"name": "signers"}}],
            "verifiers": [{"metadata": {"name": "verifier-notation"}}],
            "policies": [{"metadata": {"name": "ratify-policy"}}],
            "stores": [{"metadata": {"name": "store-oras"}}],
            "providers": [{"metadata": {"name": name}} for name in ("ratify-provider", "another")],
            "deployments": [],
        }
        self.deleted: list[str] = []

    def list(self, resource: Resource, namespace: str = "", **query: str) -> list[dict[str, Any]]:
        if resource.plural not in self.kinds:
            raise ApiError(404, "NotFound", "no such kind", what="The cluster knows no such kind.")
        return self.kinds[resource.plural]

    def delete(self, resource: Resource, name: str, namespace: str = "") -> None:
        self.kinds[resource.plural] = [
            document for document in self.kinds[resource.plural] if document["metadata"]["name"] != name
        ]
        self.deleted.append(f"{resource.plural}/{name}")


class Releases(Helm):
    """Helm's releases: both charts, unless some are missing."""

    def __init__(self, api: Api, *names: str) -> None:
        self.api, self.names = api, list(names)

    def release(self, name: str) -> HelmRelease | None:
        installed = HelmRelease(name=name, revision=1, status="deployed", fingerprint="", age=1.0)
        return installed if name in self.names else None

    def uninstall(self, name: str) -> None:
        self.names.remove(name)
        self.api.deleted.append(f"chart/{name}")


def run(api: Api, *names: str):
    helm = Releases(api, *names)
    return uninstall_gate.run(UninstallTools(cluster=api, helm=lambda: helm, progress=Silent()))


def test_the_webhooks_go_first_and_only_the_gates():
    api = Api()
    result = run(api, "gatekeeper", "ratify")
    assert api.deleted == [
        "validatingwebhookconfigurations/gatekeeper-validating-webhook-configuration",
        "mutatingwebhookconfigurations/gatekeeper-mutating-webhook-configuration",
        "ratifyverification/ratify-verification",
        "constrainttemplates/ratifyverification",
        "keymanagementproviders/signers",
        "verifiers/verifier-notation",
        "policies/ratify-policy",
        "stores/store-oras",
        "providers/ratify-provider",
        "chart/ratify",
        "chart/gatekeeper",
    ]
    assert {change.action for change in result.applied} == {"removed"}
    assert len(result.applied) == len(api.deleted)
    assert (result.failure, result.warnings, result.unchanged) == (None, (), False)
    again = run(api)
    assert (again.applied, again.unchanged) == ((), True)


def test_gatekeeper_stays_with_the_other_policies_it_has():
    api = Api()
    api.kinds["constrainttemplates"].append(OTHER)
    result = run(api, "gatekeeper", "ratify")
    assert not any("webhook" in name for name in api.deleted)
    assert "constrainttemplates/labels" not in api.deleted
    assert ("chart/ratify" in api.deleted, "chart/gatekeeper" in api.deleted) == (True, False)
    (warning,) = result.warnings
    assert "Gatekeeper stays" in warning
    assert "labels" in warning


def test_the_cluster_is_open_even_if_helm_cannot_be_obtained():
    api = Api()

    def unobtainable() -> Helm:
        raise OutsideError("helm could not be built.")

    result = uninstall_gate.run(UninstallTools(cluster=api, helm=unobtainable, progress=Silent()))
    assert result.failure is not None
    assert "helm could not be built" in result.failure.what
    assert api.deleted[0] == "validatingwebhookconfigurations/gatekeeper-validating-webhook-configuration"


def test_what_helm_did_not_install_is_named():
    api = Api()
    api.kinds["deployments"] = [{"metadata": {"name": name}} for name in ("gatekeeper-audit", "ratify", "other")]
    (warning,) = run(api).warnings
    assert "gatekeeper-audit, ratify in gatekeeper-system stays" in warning
