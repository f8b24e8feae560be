"""Sentences on a gate without holes: what only watches, and what should be changed or known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from s3c_actions.cluster.client import KubernetesObject
from s3c_actions.cluster.gate.defects import INSTALL
from s3c_actions.cluster.gate.matching import selector_matches
from s3c_actions.cluster.gate.objects import NAMESPACE, ConfiguredWebhook, GateObjects, dig, namespace_labels
from s3c_actions.core.gate_stage import Stage

_NEEDED_NAMESPACES = ("kube-system", NAMESPACE)
"""Namespaces whose Pods have to start before Gatekeeper does, besides those that the constraints leave out."""
_MOST_NOUNS = 8
# A namespace's name is its own; Gatekeeper's second webhook denies its label to all but the exempt namespaces.
_GUARDED_LABELS = {"kubernetes.io/metadata.name", "admission.gatekeeper.sh/ignore"}
MUTATION_UNKNOWN = (
    "What Gatekeeper's mutating webhook is asked about is not known: the account may not list "
    "mutatingwebhookconfigurations and mutations. manifests/rbac/gate-reader.yaml has the role."
)


def describe_watching(constraint: Mapping[str, Any], stage: Stage) -> str:
    """Return a sentence on a constraint that admits everything it looks at."""
    match = dig(constraint, "spec", "match") or {}
    places = ", ".join(str(name) for name in match.get("namespaces") or ()) or "every namespace that it looks at"
    return f"The gate {stage.effect} in {places} (stage {stage}, constraint {constraint['metadata']['name']})."


def failing_closed(asked: Sequence[ConfiguredWebhook]) -> Iterable[str]:
    """Yield a sentence on each webhook that fails closed, for a gate that denies nowhere."""
    for configuration, webhook in asked:
        if webhook.get("failurePolicy") == "Fail":
            yield (
                f"{configuration['metadata']['name']} fails closed, and the gate is in no namespace in the stage deny: "
                "without Gatekeeper it refuses what it should admit. Give `s3c gate install` its `mode` once more."
            )


def describe_excess(
    configuration: KubernetesObject,
    webhook: Mapping[str, Any],
    facts: GateObjects,
    *,
    nouns: Sequence[str],
    excluded: Sequence[str],
) -> str:
    """Return a sentence about what a webhook need not be asked about; empty where there is none.

    Args:
        configuration: of the webhook.
        webhook: of either kind.
        facts: the objects of the gate.
        nouns: for what is in the webhook's rules besides.
        excluded: namespaces that whatever stands behind the webhook leaves out.
    """
    name, closed = configuration["metadata"]["name"], webhook.get("failurePolicy") == "Fail"
    needed = [
        f"Pods of {namespace}"
        for namespace in dict.fromkeys([*_NEEDED_NAMESPACES, *excluded])
        if namespace in facts.namespaces
        and selector_matches(webhook.get("namespaceSelector") or {}, namespace_labels(facts, namespace))
    ]
    nouns = [*(needed if closed else ()), *nouns]
    if not nouns:
        return ""
    shown = ", ".join(nouns[:_MOST_NOUNS]) + (" and more" if len(nouns) > _MOST_NOUNS else "")
    effect = (
        "the cluster can do none of it, and may not start again"
        if closed
        else f"each such request waits up to {webhook.get('timeoutSeconds') or 10} s"
    )
    return f"{name} is asked about more than the gate needs ({shown}): without Gatekeeper {effect}. {INSTALL}"


def label_warnings(asked: Sequence[ConfiguredWebhook]) -> Iterable[str]:
    """Yield a sentence on each webhook that leaves out namespaces by labels which anyone there may set."""
    for configuration, webhook in asked:
        name = configuration["metadata"]["name"]
        keys = {
            str(expression.get("key"))
            for expression in dig(webhook, "namespaceSelector", "matchExpressions") or ()
            if expression.get("operator") in {"NotIn", "DoesNotExist"}
        } - _GUARDED_LABELS
        if keys:
            yield (
                f"{name} leaves out namespaces by the labels {', '.join(sorted(keys))}, as on Azure Kubernetes "
                "Service: whoever may label a namespace with them goes around the gate."
            )
