"""The gate's own manifests, from this package: whom Ratify trusts and how, and what Gatekeeper asks it about.

The charts' values lie beside them, in `manifests/`; in a checkout that is a folder of the repository.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from s3c_actions.cluster import manifests
from s3c_actions.cluster.client import Object
from s3c_actions.policy import export
from s3c_actions.policy.model import Policy

_PACKAGE = Path(__file__).parent.parent.parent
MANIFESTS = next(one for one in (_PACKAGE / "manifests", _PACKAGE.parent / "manifests") if one.is_dir())
TRUST = "signers"
"""The KeyManagementProvider that the verifier looks for."""

CLUSTERS_OWN = ("kube-system", "gatekeeper-system")
"""Namespaces that go around every gate: the cluster's own parts, and the gate itself."""

RATIFY_GROUP = "config.ratify.deislabs.io"
CONSTRAINT_GROUP = "constraints.gatekeeper.sh"
_FIRST = ("KeyManagementProvider", "Store", "Verifier", "Policy", "ConstraintTemplate")


def values(chart: str) -> Path:
    """The file of values for the chart `gatekeeper` or `ratify`."""
    return MANIFESTS / chart / "values.yaml"


def policy(
    identities: tuple[str, ...],
    exempt: tuple[str, ...] = (),
    scopes: tuple[str, ...] = ("*",),
    *,
    allow_tags: bool = False,
) -> tuple[Object, ...]:
    """How Ratify verifies, and what Gatekeeper asks it about.

    Args:
        identities: the signers to trust, as `x509.subject: C=…, ST=…, O=…`; `*` is whomever the certificates vouch for.
        exempt: namespaces that go around the gate, besides the cluster's own and the gate's.
        scopes: repositories whose signatures count; `*` is every one.
        allow_tags: admit Pods whose images have no digest.
    """
    (verifier,) = _read("ratify/verifier.yaml")
    (constraint,) = _read("gatekeeper/constraint.yaml")
    (statement,) = verifier["spec"]["parameters"]["trustPolicyDoc"]["trustPolicies"]
    statement |= {"registryScopes": list(scopes), "trustedIdentities": list(identities)}
    excluded = constraint["spec"]["match"]["excludedNamespaces"]
    constraint["spec"]["match"]["excludedNamespaces"] = list(dict.fromkeys([*excluded, *exempt]))
    if allow_tags:
        constraint["spec"]["parameters"] = {"allowTags": True}
    return (verifier, *_read("ratify/policy.yaml"), *_read("gatekeeper/template.yaml"), constraint)


def by_policy(ruling: Policy, exempt: tuple[str, ...] = (), *, allow_tags: bool = False) -> tuple[Object, ...]:
    """How Ratify and Gatekeeper decide by a policy: whom to trust, what evidence to ask for, what to refuse.

    Args:
        ruling: whose signers hold their certificates' text.
        exempt: as in `policy`.
        allow_tags: as in `policy`.

    Raises:
        InputError: as `policy.export.ratify`.
    """
    *_, template, constraint = policy((), exempt, allow_tags=allow_tags)
    return (*export.ratify(ruling), export.gatekeeper(ruling, template), constraint)


def certificates(pem: str) -> Object:
    """Trust in certificates that are given: the signers' own, or their authorities'; PEM, one after another."""
    (provider,) = _read("ratify/key-management-provider-inline.yaml")
    provider["spec"]["parameters"]["value"] = pem
    return provider


def key_vault(vault: str, certificate: str, *, tenant: str, client: str) -> Object:
    """Trust in a certificate of Azure Key Vault, which Ratify fetches itself, with workload identity.

    Args:
        vault: its address, `https://NAME.vault.azure.net`.
        certificate: its name; the version in force counts, and is looked for every hour.
        tenant: of the identity.
        client: of the identity that may get certificates and secrets.
    """
    (provider,) = _read("ratify/key-management-provider-azurekeyvault.yaml")
    provider["spec"]["parameters"] |= {
        "vaultURI": vault,
        "tenantID": tenant,
        "clientID": client,
        "certificates": [{"name": certificate}],
    }
    return provider


def ratify_values(client: str = "", exempt: tuple[str, ...] = ()) -> Object:
    """Values for Ratify's chart beyond its file; empty when there are none.

    Args:
        client: of the identity with which it reads Azure Container Registry, by workload identity.
        exempt: namespaces whose images it leaves as they are, as in `policy`.
    """
    found: Object = {}
    if client:
        providers = {"azureWorkloadIdentityEnabled": True, "azureContainerRegistryEndpoints": ["*.azurecr.io"]}
        found |= {"azureWorkloadIdentity": {"clientId": client}, "oras": {"authProviders": providers}}
    if exempt:
        found |= {"provider": {"mutationExcludedNamespaces": [*CLUSTERS_OWN, *exempt]}}
    return found


def with_others(own: Iterable[Object], others: Iterable[Object]) -> tuple[Object, ...]:
    """Objects in the order in which they are applied; one of the same kind and name takes the place of our own."""
    found = {(one["kind"], one["metadata"].get("name")): one for one in own}
    found |= {(one["kind"], one["metadata"].get("name")): one for one in others}
    return tuple(sorted(found.values(), key=_rank))


def _rank(document: Object) -> int:
    if str(document["apiVersion"]).startswith(f"{CONSTRAINT_GROUP}/"):
        return len(_FIRST) + 1
    return _FIRST.index(document["kind"]) if document["kind"] in _FIRST else len(_FIRST)


def _read(name: str) -> tuple[Object, ...]:
    return tuple(manifests.objects((MANIFESTS / name).read_text(encoding="utf-8"), name))
