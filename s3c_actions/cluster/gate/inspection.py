"""Inspect the gate of a cluster: Gatekeeper's webhooks, Ratify behind it, the constraint between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from s3c_actions.cluster.client import KubernetesObject
from s3c_actions.cluster.gate import manifests, stages
from s3c_actions.cluster.gate import webhook as webhooks
from s3c_actions.cluster.gate.defects import (
    INSTALL,
    GateDefect,
    not_enforced,
    provider_holes,
    sound_webhooks,
    stage_defect,
)
from s3c_actions.cluster.gate.matching import excluded_namespaces, exempt_namespaces, matches_kind, matches_namespace
from s3c_actions.cluster.gate.objects import (
    WEBHOOK,
    ConfiguredWebhook,
    GateObjects,
    asks_provider,
    mutating_webhooks,
    namespace_labels,
    template_kind,
)
from s3c_actions.cluster.gate.sentences import (
    MUTATION_UNKNOWN,
    describe_excess,
    describe_watching,
    failing_closed,
    label_warnings,
)
from s3c_actions.core.errors import Refused
from s3c_actions.core.gate_pause import GatePause, PauseState
from s3c_actions.core.gate_stage import Stage


class GateInspection(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an inspection.

    Attributes:
        holes: empty for a gate without holes for the requested objects, in a stage that is accepted.
        constraints: the names of those that ask Ratify, and deny.
        stages: namespace of the requested objects → the weakest stage that one of them is in.
        watching: sentences about constraints that only watch, whatever stage is accepted.
        exempt: namespaces that bypass the gate, with the reason.
        pauses: of the constraints that look at the requested objects, in whatever state; see `active_pauses`.
        excess: sentences about webhooks that are asked about more than the constraint looks at.
        warnings: sentences about what is no hole, and should be changed or known; `excess` is among them.
    """

    holes: tuple[GateDefect, ...]
    constraints: tuple[str, ...]
    exempt: Mapping[str, str]
    stages: Mapping[str, Stage] = msgspec.field(default_factory=dict)
    watching: tuple[str, ...] = ()
    pauses: tuple[GatePause, ...] = ()
    active_pauses: tuple[GatePause, ...] = ()
    excess: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def inspect(
    facts: GateObjects,
    targets: Iterable[tuple[str, str, str]],
    *,
    now: datetime | None = None,
    accept: Stage = Stage.DENY,
) -> GateInspection:
    """Find holes in the gate.

    Args:
        facts: the objects of the gate.
        targets: API group, kind and namespace of everything to be deployed; Pods are always checked. Without any, the
            whole gate is.
        now: with a time zone; the moment at which pauses are judged, by default the present.
        accept: the weakest stage that is no hole.
    """
    now = now or datetime.now(UTC)
    targets = sorted(set(targets))
    namespaces = sorted({namespace for _, _, namespace in targets})
    checked = sorted({*targets, *(("", "Pod", name) for name in namespaces)})
    configured = [
        (configuration, webhook)
        for configuration in facts.webhooks
        for webhook in configuration.get("webhooks") or ()
        if webhook.get("name") == WEBHOOK
    ]
    if not configured:
        return GateInspection(
            holes=(GateDefect(what="Gatekeeper's webhook is not there: everything is admitted.", remedy=INSTALL),),
            constraints=(),
            exempt=dict.fromkeys(sorted(facts.namespaces), "there is no gate"),
        )
    asking = {kind for template in facts.templates if asks_provider(template) and (kind := template_kind(template))}
    constraints = [constraint for constraint in facts.constraints if constraint["kind"] in asking]
    watched = [constraint for constraint in constraints if not stages.is_preview(constraint)]
    staged = [
        (constraint, stage)
        for constraint in watched
        if not not_enforced(constraint) and (stage := stages.constraint_stage(constraint))
    ]
    enforced = [constraint for constraint, _ in staged]
    denying = [constraint for constraint, stage in staged if stage is Stage.DENY]
    covering = {entry: _strictest(facts, staged, *entry) for entry in checked}
    covered = (
        {strictest[1] for strictest in covering.values() if strictest} if checked else {stage for _, stage in staged}
    )
    may_fail_open = bool(covered) and Stage.DENY not in covered and accept is not Stage.DENY
    kinds = webhooks.constrained_kinds(enforced or watched) or (("*", "*"),)
    asked, holes = sound_webhooks(configured, facts, kinds, may_fail_open=may_fail_open)
    if not asking:
        holes.append(GateDefect(what="No ConstraintTemplate asks Ratify about images.", remedy=INSTALL))
    elif not watched:
        holes.append(
            GateDefect(what=f"No constraint of the kind {', '.join(sorted(asking))} is there.", remedy=INSTALL)
        )
    holes += [hole for constraint in watched if (hole := not_enforced(constraint))]
    exempt = exempt_namespaces(facts, [webhook for _, webhook in asked], enforced)
    holes += [
        GateDefect(
            what=f"The namespace {namespace} goes around the gate: {exempt[namespace]}.",
            remedy="Deploy to another namespace, or take it out of the exemptions.",
        )
        for namespace in namespaces
        if namespace in exempt
    ]
    in_stage: dict[str, tuple[KubernetesObject, Stage]] = {}
    for (group, kind, namespace), strictest in covering.items():
        if namespace in exempt or not enforced:
            continue
        if strictest is not None:
            in_stage[namespace] = min(strictest, in_stage.get(namespace, strictest), key=_rank)
            continue
        holes.append(
            GateDefect(
                what=f"No constraint looks at {kind}s"
                + (f" of {group}." if group else ".")
                + (" Their Pods alone are looked at." if kind != "Pod" else ""),
                remedy=f"Add the kind to `match.kinds` of {enforced[0]['metadata']['name']}.",
            )
        )
    weakest = list(in_stage.items()) if checked else [("", min(staged, key=_rank))] if staged else []
    holes += [stage_defect(*entry, namespace) for namespace, entry in weakest if entry[1].rank < accept.rank]
    if enforced:
        holes += provider_holes(facts, asked[0][1])
    pauses = _pauses(facts, enforced, checked)
    excess = _excess(facts, asked, constraints, kinds)
    return GateInspection(
        holes=tuple(dict.fromkeys(holes)),
        constraints=tuple(str(constraint["metadata"]["name"]) for constraint in denying),
        exempt=exempt,
        stages={namespace: stage for namespace, (_, stage) in in_stage.items()},
        watching=tuple(describe_watching(constraint, stage) for constraint, stage in staged if stage is not Stage.DENY),
        pauses=pauses,
        excess=excess,
        active_pauses=tuple(pause for pause in pauses if pause.state(now) is PauseState.ACTIVE),
        warnings=(
            *(pause.describe(now) for pause in pauses if pause.state(now) in {PauseState.PENDING, PauseState.VOID}),
            *(sentence for template in facts.templates if (sentence := manifests.describe_template(template))),
            *excess,
            *([MUTATION_UNKNOWN] if facts.mutating is None else []),
            *label_warnings(asked),
            *(failing_closed(asked) if enforced and not denying else ()),
        ),
    )


def _pauses(
    facts: GateObjects, constraints: Sequence[KubernetesObject], checked: Sequence[tuple[str, str, str]]
) -> tuple[GatePause, ...]:
    """Return the pauses of the constraints that look at one of these, by API group, kind and namespace."""
    return tuple(
        pause
        for constraint in constraints
        if any(
            matches_kind(constraint, group, kind) and matches_namespace(constraint, name, namespace_labels(facts, name))
            for group, kind, name in checked
        )
        and (pause := GatePause.of(constraint))
    )


def _excess(
    facts: GateObjects,
    asked: Sequence[ConfiguredWebhook],
    constraints: Sequence[KubernetesObject],
    kinds: Sequence[tuple[str, str]],
) -> tuple[str, ...]:
    """Return sentences on the webhooks that are asked about more than the gate's constraints look at.

    Args:
        facts: the objects of the gate.
        asked: the validating webhooks that count.
        constraints: of the gate.
        kinds: API group and kind of what they look at.
    """
    others = webhooks.constrained_kinds(
        [constraint for constraint in facts.constraints if constraint not in constraints]
    )
    described = [
        *(
            describe_excess(
                configuration,
                webhook,
                facts,
                nouns=webhooks.excess(webhook, kinds, others),
                excluded=excluded_namespaces(facts.constraints),
            )
            for configuration, webhook in asked
        ),
        *(
            describe_excess(
                configuration,
                webhook,
                facts,
                nouns=webhooks.excess(webhook, kinds, facts.mutated),
                excluded=() if facts.mutated else excluded_namespaces(constraints),
            )
            for configuration, webhook in mutating_webhooks(facts)
        ),
    ]
    return tuple(filter(None, described))


def _strictest(
    facts: GateObjects, staged: Sequence[tuple[KubernetesObject, Stage]], group: str, kind: str, namespace: str
) -> tuple[KubernetesObject, Stage] | None:
    """Return, of the constraints that look at a kind in a namespace, the one in the strictest stage; None without."""
    labels = namespace_labels(facts, namespace)
    covering = [
        (constraint, stage)
        for constraint, stage in staged
        if matches_kind(constraint, group, kind) and matches_namespace(constraint, namespace, labels)
    ]
    return max(covering, key=_rank, default=None)


def _rank(staged: tuple[KubernetesObject, Stage]) -> int:
    return staged[1].rank


def pause_error(looked: GateInspection) -> Refused:
    """Return the error of a gate that is paused."""
    return Refused(
        " ".join(pause.describe(datetime.now(UTC)) for pause in looked.active_pauses),
        cause="Until then the cluster admits every image, signed or not.",
        remedy="Wait for its end, or end it: `s3c gate pause --end`. `accept-paused-gate` deploys all the same.",
    )


def defects_error(looked: GateInspection) -> Refused:
    """Return the error of a gate with holes."""
    first = looked.holes[0]
    return Refused(
        " ".join(hole.what for hole in looked.holes),
        cause="What is deployed there would not be looked at, or not by all means.",
        remedy=f"{first.remedy} `require-gate: false` deploys all the same.",
    )
