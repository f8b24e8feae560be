"""The gate's own manifests, from this package: Ratify's trusted signers and settings, Gatekeeper's constraint.

The charts' values lie beside them, in `manifests/`; in a checkout that is a folder of the repository.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from s3c_actions import __version__
from s3c_actions.azure import clouds
from s3c_actions.cluster import manifests
from s3c_actions.cluster.client import KubernetesObject
from s3c_actions.cluster.yaml_loader import KubernetesLoader
from s3c_actions.policy import export
from s3c_actions.policy.model import Policy

_PACKAGE = Path(__file__).parent.parent.parent
MANIFESTS = next(folder for folder in (_PACKAGE / "manifests", _PACKAGE.parent / "manifests") if folder.is_dir())
TRUST_STORE_NAME = "signers"
"""The name of the KeyManagementProvider that the verifier refers to."""

ISSUERS_STORE_NAME = "signers-issuers"
"""The name of the one beside it with the issuers of a vault's certificate, where the vault does not have them."""
TIMESTAMP_STORE_NAME = "time-stamp-authorities"
"""The name of the one that holds the root certificates of time-stamp authorities."""

EXEMPT_NAMESPACES = ("kube-system", "gatekeeper-system")
"""Namespaces that bypass every gate: the cluster's own parts, and the gate itself."""

TEMPLATE_ANNOTATION = "s3c.dev/template"
"""Annotation of the gate's template with the hash of what this version ships."""
VERSION_ANNOTATION = "s3c.dev/version"
"""Annotation with the version of s3c that made an object."""

RATIFY_GROUP = "config.ratify.deislabs.io"
CONSTRAINT_GROUP = "constraints.gatekeeper.sh"
CONSTRAINT_KIND = "RatifyVerification"
_FIRST = ("KeyManagementProvider", "Store", "Verifier", "Policy", "ConstraintTemplate")


def values_file(chart: str) -> Path:
    """Return the file of values for the chart `gatekeeper` or `ratify`."""
    return MANIFESTS / chart / "values.yaml"


def objects_for_identities(
    identities: tuple[str, ...],
    exempt: tuple[str, ...] = (),
    scopes: tuple[str, ...] = ("*",),
    *,
    issuers: bool = False,
    timestamp_check: str = "",
    allow_tags: bool = False,
) -> tuple[KubernetesObject, ...]:
    """Return the objects that configure how Ratify verifies, and when Gatekeeper asks it.

    Args:
        identities: the trusted signers, as `x509.subject: C=…, ST=…, O=…`; `*` is every subject below the certificates.
        exempt: namespaces that bypass the gate, besides the cluster's own and the gate's.
        scopes: repositories whose signatures count; `*` is every one.
        issuers: certificates of ISSUERS_STORE_NAME are trusted besides those of TRUST_STORE_NAME.
        timestamp_check: when a signature needs a time-stamp of an authority in TIMESTAMP_STORE_NAME: one of
            `signing.timestamps.CHECKS`; empty: no time-stamp counts.
        allow_tags: admit Pods whose images have no digest.
    """
    (verifier,) = _read_manifest("ratify/verifier.yaml")
    (constraint,) = _read_manifest("gatekeeper/constraint.yaml")
    (statement,) = verifier["spec"]["parameters"]["trustPolicyDoc"]["trustPolicies"]
    statement |= {"registryScopes": list(scopes), "trustedIdentities": list(identities)}
    if issuers:
        verifier["spec"]["parameters"]["verificationCertStores"]["ca"][TRUST_STORE_NAME].append(ISSUERS_STORE_NAME)
    if timestamp_check:
        export.trust_timestamps(verifier["spec"]["parameters"], TIMESTAMP_STORE_NAME, timestamp_check)
    excluded = constraint["spec"]["match"]["excludedNamespaces"]
    constraint["spec"]["match"]["excludedNamespaces"] = list(dict.fromkeys([*excluded, *exempt]))
    if allow_tags:
        constraint["spec"]["parameters"] = {"allowTags": True}
    return (verifier, *_read_manifest("ratify/policy.yaml"), template(), constraint)


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


def template() -> KubernetesObject:
    """Return the gate's constraint template, marked with this version and with the hash of what it says."""
    (document,) = _read_manifest("gatekeeper/template.yaml")
    content = json.dumps(document["spec"], sort_keys=True).encode()
    document["metadata"].setdefault("annotations", {}).update(
        {TEMPLATE_ANNOTATION: f"sha256:{hashlib.sha256(content).hexdigest()}", VERSION_ANNOTATION: __version__}
    )
    return document


def describe_template(live: KubernetesObject) -> str:
    """Return a sentence on a template of the gate that is not this version's; empty when it is.

    What it says is compared, not its annotations: these only name the version in the sentence.

    Args:
        live: a ConstraintTemplate of the cluster; of another name, it is not the gate's own.
    """
    ours = template()
    if live["metadata"].get("name") != ours["metadata"]["name"] or _says_the_same(live, ours):
        return ""
    annotated = str((live["metadata"].get("annotations") or {}).get(VERSION_ANNOTATION) or "")
    if _version(annotated) > _version(__version__):
        return f"The gate's template is of s3c {annotated[:20]}, a later version than this ({__version__}): update s3c."
    return (
        f"The gate's template is not that of this version of s3c ({__version__}): it is of an earlier one, or was "
        "changed. `s3c gate install` brings it up to date, and stays closed meanwhile."
    )


def _says_the_same(live: KubernetesObject, ours: KubernetesObject) -> bool:
    """Return whether a template is ours, but for the policy that was exported into it."""
    spec = live.get("spec") or {}
    targets = spec.get("targets") or [{}]
    if len(targets) != 1 or (spec.get("crd") or {}) != ours["spec"]["crd"]:
        return False
    (shipped,) = ours["spec"]["targets"]
    return export.is_exported(str(targets[0].get("rego")), str(shipped["rego"]))


def _version(text: str) -> tuple[int, ...]:
    match = re.match(r"([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})", text)
    return tuple(int(part) for part in match.groups()) if match else ()


def certificate_store(pem: str, name: str = TRUST_STORE_NAME) -> KubernetesObject:
    """Return the object that holds trusted certificates.

    Args:
        pem: the signers' certificates, their authorities' or time-stamp authorities', concatenated.
        name: TRUST_STORE_NAME, ISSUERS_STORE_NAME or TIMESTAMP_STORE_NAME.
    """
    (provider,) = _read_manifest("ratify/key-management-provider-inline.yaml")
    provider["metadata"]["name"] = name
    provider["spec"]["parameters"]["value"] = pem
    return provider


def key_vault_store(
    vault: str, certificate: str, versions: tuple[str, ...] = ("",), *, tenant: str, client: str
) -> KubernetesObject:
    """Return the object that trusts a certificate of Azure Key Vault, fetched by Ratify with workload identity.

    Args:
        vault: its address, `https://NAME.vault.azure.net`.
        certificate: its name.
        versions: of it; an empty one is the newest of the moment in which Ratify looks, every hour.
        tenant: of the identity.
        client: of the identity that may get certificates and secrets.
    """
    (provider,) = _read_manifest("ratify/key-management-provider-azurekeyvault.yaml")
    provider["spec"]["parameters"] |= {
        "vaultURI": vault,
        "tenantID": tenant,
        "clientID": client,
        "certificates": [{"name": certificate, **({"version": version} if version else {})} for version in versions],
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


def exempt_namespaces(objects: Iterable[KubernetesObject], names: Iterable[str]) -> tuple[KubernetesObject, ...]:
    """Return objects whose constraints on images leave out further namespaces."""
    exempted = []
    for document in objects:
        if document["kind"] == CONSTRAINT_KIND:
            match = document["spec"].get("match") or {}
            excluded = list(dict.fromkeys([*(match.get("excludedNamespaces") or ()), *names]))
            spec = {**document["spec"], "match": {**match, "excludedNamespaces": excluded}}
            document = {**document, "spec": spec}  # noqa: PLW2901
        exempted.append(document)
    return tuple(exempted)


def gatekeeper_values(
    validating: Iterable[KubernetesObject],
    mutating: Iterable[KubernetesObject],
    *,
    validating_exempt: Iterable[str] = (),
    mutating_exempt: Iterable[str] = (),
    fails_open: bool = False,
) -> KubernetesObject:
    """Return values for Gatekeeper's chart in addition to its file: of its webhooks; empty when the file has them.

    Args:
        validating: the rules, as `webhook.rules` returns them.
        mutating: the same, of the webhook that pins tags.
        validating_exempt: namespaces that the webhook is not asked about, besides those of the file.
        mutating_exempt: the same, of the other webhook.
        fails_open: what Gatekeeper cannot answer is admitted: in a gate that denies nothing.
    """
    wanted: KubernetesObject = {
        "validatingWebhookFailurePolicy": "Ignore" if fails_open else "Fail",
        "validatingWebhookCustomRules": list(validating),
        "mutatingWebhookCustomRules": list(mutating),
    }
    for kind, names in (("validating", validating_exempt), ("mutating", mutating_exempt)):
        listed = list(dict.fromkeys(["kube-system", *names]))
        wanted[f"{kind}WebhookExemptNamespacesLabels"] = {"kubernetes.io/metadata.name": listed}
    text = values_file("gatekeeper").read_text(encoding="utf-8")
    shipped = yaml.load(text, Loader=KubernetesLoader)  # noqa: S506 - a safe loader
    return {name: value for name, value in wanted.items() if value != shipped.get(name)}


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
