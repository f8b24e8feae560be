"""The objects of which a cluster's gate consists: where the API serves them, and what they are."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec

from s3c_actions.cluster.client import ApiError, Cluster, KubernetesObject, Resource

WEBHOOK = "validation.gatekeeper.sh"
MUTATING_WEBHOOK = "mutation.gatekeeper.sh"
CONSTRAINT_TEMPLATES = Resource(path="/apis/templates.gatekeeper.sh/v1", plural="constrainttemplates", namespaced=False)
CONSTRAINTS = "/apis/constraints.gatekeeper.sh/v1beta1"
PROVIDERS = Resource(path="/apis/externaldata.gatekeeper.sh/v1beta1", plural="providers", namespaced=False)
CONFIGS = Resource(path="/apis/config.gatekeeper.sh/v1alpha1", plural="configs", namespaced=True)
WEBHOOKS = Resource(
    path="/apis/admissionregistration.k8s.io/v1", plural="validatingwebhookconfigurations", namespaced=False
)
MUTATING_WEBHOOKS = Resource(
    path="/apis/admissionregistration.k8s.io/v1", plural="mutatingwebhookconfigurations", namespaced=False
)
ENDPOINT_SLICES = Resource(path="/apis/discovery.k8s.io/v1", plural="endpointslices", namespaced=True)
ASSIGNS = Resource(path="/apis/mutations.gatekeeper.sh/v1", plural="assign", namespaced=False)
_MUTATIONS = (("v1", "assign"), ("v1", "assignmetadata"), ("v1", "modifyset"), ("v1alpha1", "assignimage"))
MUTATION_PROVIDER = "ratify-mutation-provider"
NAMESPACES = Resource(path="/api/v1", plural="namespaces", namespaced=False)
NAMESPACE = "gatekeeper-system"
_AZURE_POLICY = "azure-policy-"
_AT_ONCE = 6
ConfiguredWebhook = tuple[KubernetesObject, Mapping[str, Any]]
"""A webhook of Gatekeeper's, behind its configuration."""


class GateObjects(msgspec.Struct, frozen=True, kw_only=True):
    """The objects of the gate, as returned by the API.

    Attributes:
        webhooks: ValidatingWebhookConfigurations.
        mutating: MutatingWebhookConfigurations; None where the account may list neither them nor mutations.
        mutated: API group and kind of what other mutations than Ratify's change.
        templates, constraints, providers, configs: Gatekeeper's; empty where the cluster does not know a kind.
        namespaces: name → labels.
        ready: Services (`namespace/name`) with a ready endpoint.
    """

    webhooks: tuple[KubernetesObject, ...]
    mutating: tuple[KubernetesObject, ...] | None
    mutated: tuple[tuple[str, str], ...]
    templates: tuple[KubernetesObject, ...]
    constraints: tuple[KubernetesObject, ...]
    providers: tuple[KubernetesObject, ...]
    configs: tuple[KubernetesObject, ...]
    namespaces: Mapping[str, Mapping[str, str]]
    ready: frozenset[str]


def read_gate_objects(cluster: Cluster) -> GateObjects:
    """Read the objects that `inspect` needs.

    Raises:
        OutsideError: the cluster does not answer, or does not allow reading them.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        look = partial(list_if_served, cluster)
        mutation = pool.submit(_read_mutation, cluster)
        templates, webhooks, providers, configs, namespaces, slices = pool.map(
            look, (CONSTRAINT_TEMPLATES, WEBHOOKS, PROVIDERS, CONFIGS, NAMESPACES, ENDPOINT_SLICES)
        )
        mutating, mutated = mutation.result()
        kinds = sorted({kind for template in templates if (kind := template_kind(template))})
        return GateObjects(
            webhooks=webhooks,
            mutating=mutating,
            mutated=mutated,
            templates=templates,
            constraints=tuple(
                constraint for served in pool.map(partial(list_constraints, cluster), kinds) for constraint in served
            ),
            providers=providers,
            configs=configs,
            namespaces={entry["metadata"]["name"]: entry["metadata"].get("labels") or {} for entry in namespaces},
            ready=frozenset(
                f"{metadata['namespace']}/{(metadata.get('labels') or {}).get('kubernetes.io/service-name')}"
                for metadata, endpoints in ((entry["metadata"], entry.get("endpoints") or ()) for entry in slices)
                if any((endpoint.get("conditions") or {}).get("ready") is not False for endpoint in endpoints)
            ),
        )


def mutating_webhooks(facts: GateObjects) -> list[ConfiguredWebhook]:
    """Return Gatekeeper's mutating webhooks, but for Azure Policy's own."""
    return [
        (configuration, webhook)
        for configuration in facts.mutating or ()
        if not is_azure_policy(configuration)
        for webhook in configuration.get("webhooks") or ()
        if webhook.get("name") == MUTATING_WEBHOOK
    ]


def namespace_labels(facts: GateObjects, namespace: str) -> dict[str, str]:
    """Return a namespace's labels, with the one that every namespace has; one that is not there yet has no other."""
    return {"kubernetes.io/metadata.name": namespace, **facts.namespaces.get(namespace, {})}


def asks_provider(template: Mapping[str, Any]) -> bool:
    """Return whether a template uses an external data provider; its code is `rego` or in `code[].source.rego`."""
    sources = []
    for target in dig(template, "spec", "targets") or ():
        sources.append(str(target.get("rego") or ""))
        sources += [str(dig(code, "source", "rego") or "") for code in target.get("code") or ()]
    return any("external_data" in source for source in sources)


def mutated_kinds(cluster: Cluster) -> tuple[tuple[str, str], ...]:
    """Return the API group and kind of what other mutations than Ratify's change.

    Raises:
        OutsideError: the cluster does not answer, or does not allow reading them.
    """
    pairs: dict[tuple[str, str], None] = {}
    for version, plural in _MUTATIONS:
        resource = Resource(path=f"/apis/mutations.gatekeeper.sh/{version}", plural=plural, namespaced=False)
        for mutation in list_if_served(cluster, resource):
            if asks_ratify(mutation):  # of the constraint's kinds
                continue
            spec = mutation.get("spec") or {}
            # An AssignMetadata names its kinds in `match` alone.
            targets: list[dict[str, Any]] = spec.get("applyTo") or (spec.get("match") or {}).get("kinds") or [{}]
            for rule in targets:
                groups, kinds = rule.get("groups") or rule.get("apiGroups") or ["*"], rule.get("kinds") or ["*"]
                pairs |= {(str(group), str(kind)): None for group in groups for kind in kinds}
    return tuple(pairs)


def _read_mutation(cluster: Cluster) -> tuple[tuple[KubernetesObject, ...] | None, tuple[tuple[str, str], ...]]:
    """Return `mutating` and `mutated` of GateObjects. A role of an earlier version of ours need not have them."""
    try:
        return list_if_served(cluster, MUTATING_WEBHOOKS), mutated_kinds(cluster)
    except ApiError as error:
        if error.status != 403:
            raise
        return None, ()


def asks_ratify(mutation: Mapping[str, Any]) -> bool:
    """Return whether a mutation of Gatekeeper's is one of Ratify's chart, which write digests in the place of tags."""
    return bool(dig(mutation, "spec", "parameters", "assign", "externalData", "provider") == MUTATION_PROVIDER)


def is_azure_policy(configuration: Mapping[str, Any]) -> bool:
    """Return whether a webhook's configuration is that of Azure Policy's own Gatekeeper."""
    return str(configuration["metadata"]["name"]).startswith(_AZURE_POLICY)


def list_constraints(cluster: Cluster, kind: str) -> list[KubernetesObject]:
    """Return the constraints of a template's kind; Gatekeeper serves them by the kind in lower case."""
    resource = Resource(path=CONSTRAINTS, plural=kind.lower(), namespaced=False)
    return [{**constraint, "kind": kind} for constraint in list_if_served(cluster, resource)]


def list_if_served(cluster: Cluster, resource: Resource) -> tuple[KubernetesObject, ...]:
    """Return all objects of a kind; none when the cluster does not know it."""
    try:
        return tuple(cluster.list(resource))
    except ApiError as error:
        if error.status == 404:  # the cluster knows no such kind
            return ()
        raise


def template_kind(template: Mapping[str, Any]) -> Any:
    """Return the kind of a template's constraints."""
    return dig(template, "spec", "crd", "spec", "names", "kind")


def dig(value: Any, *keys: str) -> Any:
    """Return what lies under keys, one in the other; None where one of them is not there."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
