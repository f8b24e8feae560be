"""What the gate's installation has to know of a cluster: another Gatekeeper, other policies, a cloud's namespaces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from s3c_actions.cluster.client import ApiError, Resource
from s3c_actions.cluster.gate import matching, stages, webhook
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.cluster.gate.manifests import CONSTRAINT_GROUP, CONSTRAINT_KIND, gatekeeper_values
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.gate_stage import Stage

if TYPE_CHECKING:
    from s3c_actions.cluster.client import Cluster, KubernetesObject

# https://learn.microsoft.com/azure/governance/policy/concepts/policy-for-kubernetes
AZURE_POLICY_DEPLOYMENTS = ("azure-policy", "azure-policy-webhook")
AKS_NAMESPACES = (
    "aks-command",
    "aks-istio-egress",
    "aks-istio-ingress",
    "aks-istio-system",
    "app-routing-system",
    "calico-system",
    "tigera-operator",
)
"""Namespaces besides kube-system in which Azure Kubernetes Service itself runs Pods, without those of extensions."""
AKS_LABEL = "kubernetes.azure.com/cluster"
"""A label of every node of Azure Kubernetes Service."""
_DEPLOYMENTS = Resource(path="/apis/apps/v1", plural="deployments", namespaced=True)
_NODES = Resource(path="/api/v1", plural="nodes", namespaced=False)


def reject_azure_policy(cluster: Cluster) -> None:
    """Reject a cluster on which Azure Policy's add-on runs a Gatekeeper of its own.

    AKS Automatic and Deployment Safeguards have it too. Its objects have the names of ours, in the same namespace.

    Raises:
        OutsideError: it is there, or the cluster does not answer.
    """
    names = [
        str(configuration["metadata"]["name"])
        for configuration in gate_objects.list_if_served(cluster, gate_objects.WEBHOOKS)
        if gate_objects.is_azure_policy(configuration)
    ]
    names += [name for name in AZURE_POLICY_DEPLOYMENTS if cluster.get(_DEPLOYMENTS, name, "kube-system") is not None]
    if names:
        raise OutsideError(
            f"Azure Policy's own Gatekeeper is on the cluster ({', '.join(names)}): none can stand beside it.",
            cause="The add-on is enabled: AKS Automatic and Deployment Safeguards have it as well. That Gatekeeper is "
            "Azure's, and fails open.",
            remedy="Disable the add-on: `az aks disable-addons --addons azure-policy --name NAME --resource-group "
            "GROUP`; AKS Automatic has it by default. Nothing was changed.",
        )


def find_aks_namespaces(cluster: Cluster) -> tuple[str, ...]:
    """Return those namespaces of Azure Kubernetes Service's own Pods that are there; none on other clusters.

    A namespace that is not there is none: whoever makes it would go around the gate.

    Raises:
        OutsideError: the cluster does not answer.
    """
    if not cluster.list(_NODES, labelSelector=AKS_LABEL):
        return ()
    names = {str(namespace["metadata"]["name"]) for namespace in cluster.list(gate_objects.NAMESPACES)}
    return tuple(name for name in AKS_NAMESPACES if name in names)


def webhook_values(cluster: Cluster, objects: Iterable[KubernetesObject]) -> KubernetesObject:
    """Return values with the rules of Gatekeeper's webhooks; empty when those of the chart's file fit.

    A namespace that every constraint leaves out, those of other policies too, is left out of the webhooks: the Pods of
    a network plugin or a cloud's add-on then start without Gatekeeper, which may need them itself.

    Args:
        cluster: whose other policies the same Gatekeeper serves.
        objects: that are to be applied, with the gate's constraint and the user's.

    Raises:
        OutsideError: the cluster does not answer.
    """
    given = [document for document in objects if str(document["apiVersion"]).startswith(f"{CONSTRAINT_GROUP}/")]
    names = {(str(constraint["kind"]), str(constraint["metadata"]["name"])) for constraint in given}
    live = [
        constraint
        for template in gate_objects.list_if_served(cluster, gate_objects.CONSTRAINT_TEMPLATES)
        for constraint in gate_objects.list_constraints(cluster, str(gate_objects.template_kind(template)))
        if (constraint["kind"], constraint["metadata"]["name"]) not in names
        and not (constraint["kind"] == CONSTRAINT_KIND and constraint["metadata"]["name"] in stages.OWN_NAMES)
    ]
    kinds = webhook.constrained_kinds(given)

    def find(group: str, kind: str) -> tuple[str, bool]:
        return _find_kind(cluster, group, kind)

    mutated = gate_objects.mutated_kinds(cluster)
    return gatekeeper_values(
        webhook.rules(kinds, webhook.constrained_kinds(live), find),
        webhook.rules(kinds, mutated, find),
        validating_exempt=matching.excluded_namespaces([*given, *live]),
        mutating_exempt=() if mutated else matching.excluded_namespaces(given),
        fails_open=_denies_nothing([*given, *live]),
    )


def _denies_nothing(constraints: Iterable[KubernetesObject]) -> bool:
    """Return whether no constraint denies anything but Pods that are only tried; another policy's counts too."""
    return not any(
        stages.constraint_stage(constraint) not in {Stage.AUDIT, Stage.WARN}
        for constraint in constraints
        if not stages.is_preview(constraint)
    )


def _find_kind(cluster: Cluster, group: str, kind: str) -> tuple[str, bool]:
    """Return the plural of a kind in its group's preferred version, and whether its objects are in namespaces.

    Of a group that is not served yet, that is `*`; a kind that a group does not have has no plural.
    """
    try:
        path = "/api/v1"
        if group:
            preferred = cluster.request("GET", f"/apis/{group}").get("preferredVersion") or {}
            path = f"/apis/{preferred.get('groupVersion')}"
        entries = cluster.request("GET", path).get("resources") or ()
    except ApiError as error:
        if error.status != 404:
            raise
        entries = ()
    served = ((str(entry["name"]), bool(entry.get("namespaced"))) for entry in entries if entry.get("kind") == kind)
    return next((resource for resource in served if "/" not in resource[0]), ("" if entries else webhook.ANY, True))
