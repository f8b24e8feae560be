"""The gate's own manifests, from this package: Ratify's trusted signers and settings, Gatekeeper's constraint.

The charts' values lie beside them, in `manifests/`; in a checkout that is a folder of the repository.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from s3c_actions.azure import clouds
from s3c_actions.cluster import manifests
from s3c_actions.cluster.client import KubernetesObject
from s3c_actions.policy import export
from s3c_actions.policy.model import Policy

_PACKAGE = Path(__file__).parent.parent.parent
MANIFESTS = next(folder for folder in (_PACKAGE / "manifests", _PACKAGE.parent / "manifests") if folder.is_dir())
TRUST_STORE_NAME = "signers"
"""The name of the KeyManagementProvider that the verifier refers to."""

EXEMPT_NAMESPACES = ("kube-system", "gatekeeper-system")
"""Namespaces that bypass every gate: the cluster's own parts, and the gate itself."""

RATIFY_GROUP = "config.ratify.deislabs.io"
CONSTRAINT_GROUP = "constraints.gatekeeper.sh"
_FIRST = ("KeyManagementProvider", "Store", "Verifier", "Policy", "ConstraintTemplate")


def values_file(chart: str) -> Path:
    """Return the file of values for the chart `gatekeeper` or `ratify`."""
    return MANIFESTS / chart / "values.yaml"


def objects_for_identities(
    identities: tuple[str, ...],
    exempt: tuple[str, ...] = (),
    scopes: tuple[str, ...] = ("*",),
    *,
    allow_tags: bool = False,
) -> tuple[KubernetesObject, ...]:
    """Return the objects that configure how Ratify verifies, and when Gatekeeper asks it.

    Args:
        identities: the trusted signers, as `x509.subject: C=…, ST=…, O=…`; `*` is every subject below the certificates.
        exempt: namespaces that bypass the gate, besides the cluster's own and the gate's.
        scopes: repositories whose signatures count; `*` is every one.
        allow_tags: admit Pods whose images have no digest.
    """
    (verifier,) = _read_manifest("ratify/verifier.yaml")
    (constraint,) = _read_manifest("gatekeeper/constraint.yaml")
    (statement,) = verifier["spec"]["parameters"]["trustPolicyDoc"]["trustPolicies"]
    statement |= {"registryScopes": list(scopes), "trustedIdentities": list(identities)}
    excluded = constraint["spec"]["match"]["excludedNamespaces"]
    constraint["spec"]["match"]["excludedNamespaces"] = list(dict.fromkeys([*excluded, *exempt]))
    if allow_tags:
        constraint["spec"]["parameters"] = {"allowTags": True}
    return (verifier, *_read_manifest("ratify/policy.yaml"), *_read_manifest("gatekeeper/template.yaml"), constraint)


def objects_for_policy(
    ruling: Policy, exempt: tuple[str, ...] = (), *, allow_tags: bool = False
) -> tuple[KubernetesObject, ...]:
    """Return the objects by which Ratify and Gatekeeper enforce a policy: trusted signers, evidence, rejections.

    Args:
        ruling: the policy, whose signers hold their certificates' text.
        exempt: as in `policy`.
        allow_tags: as in `policy`.

    Raises:
        InputError: as `policy.export.ratify` does.
    """
    *_, template, constraint = objects_for_identities((), exempt, allow_tags=allow_tags)
    return (*export.ratify_objects(ruling), export.constraint_template(ruling, template), constraint)


def certificate_store(pem: str) -> KubernetesObject:
    """Return the object that trusts given certificates: the signers' own, or their authorities'; PEM, concatenated."""
    (provider,) = _read_manifest("ratify/key-management-provider-inline.yaml")
    provider["spec"]["parameters"]["value"] = pem
    return provider


def key_vault_store(vault: str, certificate: str, *, tenant: str, client: str) -> KubernetesObject:
    """Return the object that trusts a certificate of Azure Key Vault, fetched by Ratify with workload identity.

    Args:
        vault: its address, `https://NAME.vault.azure.net`.
        certificate: its name; the current version counts, and is fetched every hour.
        tenant: of the identity.
        client: of the identity that may get certificates and secrets.
    """
    (provider,) = _read_manifest("ratify/key-management-provider-azurekeyvault.yaml")
    provider["spec"]["parameters"] |= {
        "vaultURI": vault,
        "tenantID": tenant,
        "clientID": client,
        "certificates": [{"name": certificate}],
    }
    return provider


def ratify_values(
    client: str = "", exempt: tuple[str, ...] = (), registries: str = clouds.PUBLIC.registries
) -> KubernetesObject:
    """Return values for Ratify's chart in addition to its file; empty when there are none.

    Args:
        client: of the identity with which it reads Azure Container Registry, by workload identity.
        exempt: namespaces whose images it does not change, as in `policy`.
        registries: domain of the cloud's container registries, to which it sends its token. Ratify's wildcard stands
            for one label, so a region's address (`NAME.REGION.geo.azurecr.io`) has to be named by the user's values.
    """
    chart_values: KubernetesObject = {}
    if client:
        providers = {"azureWorkloadIdentityEnabled": True, "azureContainerRegistryEndpoints": [f"*.{registries}"]}
        chart_values |= {"azureWorkloadIdentity": {"clientId": client}, "oras": {"authProviders": providers}}
    if exempt:
        chart_values |= {"provider": {"mutationExcludedNamespaces": [*EXEMPT_NAMESPACES, *exempt]}}
    return chart_values


def merge_objects(
    gate_objects: Iterable[KubernetesObject], user_objects: Iterable[KubernetesObject]
) -> tuple[KubernetesObject, ...]:
    """Return objects in the order of application; one of the same kind and name replaces our own."""
    by_identity = {(document["kind"], document["metadata"].get("name")): document for document in gate_objects}
    by_identity |= {(document["kind"], document["metadata"].get("name")): document for document in user_objects}
    return tuple(sorted(by_identity.values(), key=_rank))


def _rank(document: KubernetesObject) -> int:
    if str(document["apiVersion"]).startswith(f"{CONSTRAINT_GROUP}/"):
        return len(_FIRST) + 1
    return _FIRST.index(document["kind"]) if document["kind"] in _FIRST else len(_FIRST)


def _read_manifest(name: str) -> tuple[KubernetesObject, ...]:
    return tuple(manifests.parse_objects((MANIFESTS / name).read_text(encoding="utf-8"), name))
