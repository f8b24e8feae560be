"""The stages of the gate as its constraints have them: one constraint for each stage that some namespace is in.

The constraint of the shipped name is about every namespace that the others do not name. Where some namespace is not in
`deny`, one more denies only Pods with a label that nothing but a dry run of s3c has: the real gate then says what it
would refuse, before it refuses it.
https://open-policy-agent.github.io/gatekeeper/website/docs/violations
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from s3c_actions.cluster.client import KubernetesObject
from s3c_actions.core.gate_stage import GateStages, Stage, normalized

BASE = "ratify-verification"
"""Name of the constraint that is about every namespace that no other one names."""
PREVIEW = f"{BASE}-preview"
PREVIEW_LABEL = "s3c.dev/gate-preview"
"""Label of Pods that are only tried, never created: they are denied in every stage what `deny` denies."""
PROMOTION = "s3c.dev/promotion"
"""Annotation of a constraint with its last promotion, as JSON: stage, namespaces, time, account, exceptions."""
_LIVE_ONLY = {PROMOTION, "kubectl.kubernetes.io/last-applied-configuration"}
_API_VERSION = "constraints.gatekeeper.sh/v1beta1"  # of an item of a list, which states none
WEBHOOK_POINT, AUDIT_POINT = "validation.gatekeeper.sh", "audit.gatekeeper.sh"
_STAGE = {stage.action: stage for stage in Stage}


def constraint_name(stage: Stage) -> str:
    """Return the name of the constraint of namespaces that are named for a stage."""
    return f"{BASE}-{stage}"


OWN_NAMES = frozenset({BASE, PREVIEW, *map(constraint_name, Stage)})
"""Names of the constraints that carry stages."""


def constraint_stage(constraint: Mapping[str, Any]) -> Stage | None:
    """Return the stage in which a constraint is for what is sent to the webhook; None when its action is unknown.

    Of several scoped actions the strictest counts, as in Gatekeeper; one of its audit alone is `audit`.
    """
    spec = constraint.get("spec") or {}
    action = spec.get("enforcementAction") or "deny"
    if action != "scoped":
        return _STAGE.get(str(action))
    scoped: list[Stage] = []
    for scope in spec.get("scopedEnforcementActions") or ():
        points = {str(point.get("name")) for point in scope.get("enforcementPoints") or ()}
        stage = _STAGE.get(str(scope.get("action")))
        if stage is not None and points & {"*", WEBHOOK_POINT}:
            scoped.append(stage)
        elif AUDIT_POINT in points:
            scoped.append(Stage.AUDIT)
    return max(scoped, key=lambda stage: stage.rank, default=None)


def is_preview(constraint: Mapping[str, Any]) -> bool:
    """Return whether a constraint is about Pods that are only tried."""
    labels = ((constraint.get("spec") or {}).get("match") or {}).get("labelSelector") or {}
    return bool((labels.get("matchLabels") or {}).get(PREVIEW_LABEL))


def staged_constraints(constraint: KubernetesObject, stages: GateStages) -> tuple[KubernetesObject, ...]:
    """Return the constraints of a gate in given stages, in the order in which no namespace is left without one.

    Args:
        constraint: the gate's, about every namespace; as a manifest or as the API returns it.
        stages: of its namespaces.
    """
    metadata = constraint["metadata"]
    kept = {name: metadata[name] for name in ("name", "labels", "annotations") if metadata.get(name)}
    annotations = {key: value for key, value in (kept.pop("annotations", None) or {}).items() if key not in _LIVE_ONLY}
    kept |= {"annotations": annotations} if annotations else {}
    spec = deepcopy(constraint["spec"])
    spec.pop("scopedEnforcementActions", None)
    base: KubernetesObject = {
        "apiVersion": constraint.get("apiVersion") or _API_VERSION,
        "kind": constraint["kind"],
        "metadata": kept,
        "spec": {**spec, "enforcementAction": stages.default.action},
    }
    if (base["spec"].get("parameters") or {}).get("pause") is not None:
        del base["spec"]["parameters"]["pause"]
    documents = [
        _changed(base, constraint_name(stage), stage, namespaces=list(names))
        for stage in Stage
        if (names := stages.namespaces(stage))
    ]
    if stages.stages != {Stage.DENY}:
        documents.append(_changed(base, PREVIEW, Stage.DENY, labelSelector={"matchLabels": {PREVIEW_LABEL: "true"}}))
    excluded = [*((base["spec"].get("match") or {}).get("excludedNamespaces") or ()), *sorted(stages.named)]
    whole = {**(base["spec"].get("match") or {}), "excludedNamespaces": list(dict.fromkeys(excluded))}
    return (*documents, {**base, "spec": {**base["spec"], "match": whole}})


def _changed(base: KubernetesObject, name: str, stage: Stage, **match: Any) -> KubernetesObject:
    spec = deepcopy(base["spec"])
    spec |= {"enforcementAction": stage.action, "match": {**(spec.get("match") or {}), **match}}
    return {**base, "metadata": {**base["metadata"], "name": name}, "spec": spec}


def apply_stages(objects: Iterable[KubernetesObject], stages: GateStages) -> tuple[KubernetesObject, ...]:
    """Return the gate's objects with their constraint in given stages; all others are unchanged."""
    staged: list[KubernetesObject] = []
    for document in objects:
        own = str(document["apiVersion"]).startswith("constraints.") and document["metadata"].get("name") == BASE
        staged += staged_constraints(document, stages) if own else (document,)
    return tuple(staged)


def read_stages(constraints: Iterable[Mapping[str, Any]]) -> GateStages | None:
    """Return the stages that constraints have; None when ours are not there, or somebody changed them by hand.

    Args:
        constraints: those of the gate; others than ours do not count.
    """
    by_name = {str(constraint["metadata"]["name"]): constraint for constraint in constraints}
    base = by_name.get(BASE)
    default = constraint_stage(base) if base is not None else None
    if base is None or default is None:
        return None
    named: dict[str, Stage] = {}
    for stage in Stage:
        constraint = by_name.get(constraint_name(stage))
        if constraint is None:
            continue
        if constraint_stage(constraint) is not stage:
            return None
        for name in _match(constraint).get("namespaces") or ():
            named[str(name)] = max(stage, named.get(str(name), stage), key=lambda candidate: candidate.rank)
    left_out = {str(name) for name in _match(base).get("excludedNamespaces") or ()}
    # What both are about is in the stricter of the two.
    both = {name for name in named if name not in left_out}
    named |= {name: max(named[name], default, key=lambda stage: stage.rank) for name in both}
    return normalized(default, named)


def whole_constraint(base: KubernetesObject, stages: GateStages) -> KubernetesObject:
    """Return a live base constraint as it is when no namespace is named for another stage."""
    match = _match(base)
    excluded = [name for name in match.get("excludedNamespaces") or () if name not in stages.named]
    return {**base, "spec": {**base["spec"], "match": {**match, "excludedNamespaces": excluded}}}


def _match(constraint: Mapping[str, Any]) -> dict[str, Any]:
    return dict((constraint.get("spec") or {}).get("match") or {})
