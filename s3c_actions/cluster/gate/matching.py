"""Which kinds and namespaces a constraint of Gatekeeper's looks at, and which namespaces nothing looks at."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from s3c_actions.cluster.gate.objects import NAMESPACE, GateObjects, dig, namespace_labels


def excluded_namespaces(constraints: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the namespaces, besides Gatekeeper's own, that each of the constraints names as one to leave out."""
    excluded = [
        [str(name) for name in dig(constraint, "spec", "match", "excludedNamespaces") or ()]
        for constraint in constraints
    ]
    return [
        name
        for name in (excluded[0] if excluded else ())
        if "*" not in name and name != NAMESPACE and all(name in names for names in excluded)
    ]


def matches_kind(constraint: Mapping[str, Any], group: str, kind: str) -> bool:
    """Return whether a constraint looks at a kind of an API group; one that names no kinds looks at all."""
    kinds = dig(constraint, "spec", "match", "kinds")
    if not kinds:
        return True
    return any(
        set(rule.get("apiGroups") or ()) & {group, "*"} and set(rule.get("kinds") or ()) & {kind, "*"} for rule in kinds
    )


def exempt_namespaces(
    facts: GateObjects, webhooks: Sequence[Mapping[str, Any]], constraints: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Return the namespaces that bypass every constraint, with the reason."""
    exempt = {}
    for namespace in sorted(facts.namespaces):
        labels = namespace_labels(facts, namespace)
        if not any(selector_matches(webhook.get("namespaceSelector") or {}, labels) for webhook in webhooks):
            exempt[namespace] = "the webhook's namespaceSelector leaves it out"
        elif any(_config_exempts(config, namespace) for config in facts.configs):
            exempt[namespace] = "Gatekeeper's Config exempts it"
        elif constraints and not any(matches_namespace(constraint, namespace, labels) for constraint in constraints):
            exempt[namespace] = f"the constraint {constraints[0]['metadata']['name']} does not match it"
    return exempt


def matches_namespace(constraint: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> bool:
    """Return whether a constraint looks at everything in a namespace, which has these labels."""
    match = dig(constraint, "spec", "match") or {}
    only, never = match.get("namespaces") or (), match.get("excludedNamespaces") or ()
    if only and not any(fnmatch.fnmatchcase(namespace, str(pattern)) for pattern in only):
        return False
    if any(fnmatch.fnmatchcase(namespace, str(pattern)) for pattern in never):
        return False
    # The labels of future objects are unknown: a constraint for some labels does not cover the namespace.
    if match.get("labelSelector") or match.get("name") or match.get("scope") == "Cluster":
        return False
    return selector_matches(match.get("namespaceSelector") or {}, labels)


def _config_exempts(config: Mapping[str, Any], namespace: str) -> bool:
    return any(
        set(entry.get("processes") or ()) & {"*", "webhook"}
        and any(fnmatch.fnmatchcase(namespace, str(pattern)) for pattern in entry.get("excludedNamespaces") or ())
        for entry in dig(config, "spec", "match") or ()
    )


def selector_matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether a label selector (meta/v1 LabelSelector) matches labels; one with an unknown operator does not."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for expression in selector.get("matchExpressions") or ():
        key, values = expression.get("key"), expression.get("values") or ()
        fits = {
            "In": labels.get(key) in values,
            "NotIn": key not in labels or labels[key] not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not fits.get(str(expression.get("operator")), False):
            return False
    return True
