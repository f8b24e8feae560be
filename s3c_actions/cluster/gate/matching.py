"""Inspect the gate of a cluster: Gatekeeper's webhooks, Ratify behind it, the constraint between them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from s3c_actions.cluster.client import ApiError, Cluster, KubernetesObject, Resource
from s3c_actions.cluster.gate import manifests, stages
from s3c_actions.cluster.gate import webhook as webhooks
from s3c_actions.core.errors import Refused
from s3c_actions.core.gate_pause import GatePause, PauseState
from s3c_actions.core.gate_stage import Stage

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
_NEEDED_NAMESPACES = ("kube-system", NAMESPACE)
"""Namespaces whose Pods have to start before Gatekeeper does, besides those that the constraints leave out."""
_AZURE_POLICY = "azure-policy-"
_AT_ONCE = 6
_MOST_NOUNS = 8
# A namespace's name is its own; Gatekeeper's second webhook denies its label to all but the exempt namespaces.
_GUARDED_LABELS = {"kubernetes.io/metadata.name", "admission.gatekeeper.sh/ignore"}
_Configured = tuple[KubernetesObject, Mapping[str, Any]]
"""A webhook of Gatekeeper's, behind its configuration."""
INSTALL = "Install or repair it with `s3c gate install`."
_MUTATION_UNKNOWN = (
    "What Gatekeeper's mutating webhook is asked about is not known: the account may not list "
    "mutatingwebhookconfigurations and mutations. manifests/rbac/gate-reader.yaml has the role."
)


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


class GateDefect(msgspec.Struct, frozen=True, kw_only=True):
    """A way to bypass the gate, or a reason why it admits nothing.

    Attributes:
        stage: of a gate that only watches: the stage that it is in; None for any other defect.
    """

    what: str
    remedy: str
    stage: Stage | None = None


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
        if not _not_enforced(constraint) and (stage := stages.constraint_stage(constraint))
    ]
    enforced = [constraint for constraint, _ in staged]
    denying = [constraint for constraint, stage in staged if stage is Stage.DENY]
    covering = {entry: _strictest(facts, staged, *entry) for entry in checked}
    covered = (
        {strictest[1] for strictest in covering.values() if strictest} if checked else {stage for _, stage in staged}
    )
    may_fail_open = bool(covered) and Stage.DENY not in covered and accept is not Stage.DENY
    kinds = webhooks.constrained_kinds(enforced or watched) or (("*", "*"),)
    asked, holes = _sound_webhooks(configured, facts, kinds, may_fail_open=may_fail_open)
    if not asking:
        holes.append(GateDefect(what="No ConstraintTemplate asks Ratify about images.", remedy=INSTALL))
    elif not watched:
        holes.append(
            GateDefect(what=f"No constraint of the kind {', '.join(sorted(asking))} is there.", remedy=INSTALL)
        )
    holes += [hole for constraint in watched if (hole := _not_enforced(constraint))]
    exempt = _exempt(facts, [webhook for _, webhook in asked], enforced)
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
    holes += [_stage_defect(*entry, namespace) for namespace, entry in weakest if entry[1].rank < accept.rank]
    if enforced:
        holes += _provider_holes(facts, asked[0][1])
    pauses = tuple(
        pause
        for constraint in enforced
        if any(
            _matches_kind(constraint, group, kind) and _matches_namespace(constraint, name, _labels(facts, name))
            for group, kind, name in checked
        )
        and (pause := GatePause.of(constraint))
    )
    others = webhooks.constrained_kinds(
        [constraint for constraint in facts.constraints if constraint not in constraints]
    )
    described = [
        *(
            _describe_excess(
                configuration,
                webhook,
                facts,
                nouns=webhooks.excess(webhook, kinds, others),
                excluded=excluded_namespaces(facts.constraints),
            )
            for configuration, webhook in asked
        ),
        *(
            _describe_excess(
                configuration,
                webhook,
                facts,
                nouns=webhooks.excess(webhook, kinds, facts.mutated),
                excluded=() if facts.mutated else excluded_namespaces(constraints),
            )
            for configuration, webhook in _mutating_webhooks(facts)
        ),
    ]
    excess = tuple(filter(None, described))
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
            *([_MUTATION_UNKNOWN] if facts.mutating is None else []),
            *_label_warnings(asked),
            *(_failing_closed(asked) if enforced and not denying else ()),
        ),
    )


def _strictest(
    facts: GateObjects, staged: Sequence[tuple[KubernetesObject, Stage]], group: str, kind: str, namespace: str
) -> tuple[KubernetesObject, Stage] | None:
    """Return, of the constraints that look at a kind in a namespace, the one in the strictest stage; None without."""
    labels = _labels(facts, namespace)
    covering = [
        (constraint, stage)
        for constraint, stage in staged
        if _matches_kind(constraint, group, kind) and _matches_namespace(constraint, namespace, labels)
    ]
    return max(covering, key=_rank, default=None)


def _rank(staged: tuple[KubernetesObject, Stage]) -> int:
    return staged[1].rank


def _stage_defect(constraint: Mapping[str, Any], stage: Stage, namespace: str) -> GateDefect:
    action = _dig(constraint, "spec", "enforcementAction")
    place = f" in {namespace}" if namespace else ""
    promote = f"s3c gate promote --namespaces {namespace}" if namespace else "s3c gate promote"
    return GateDefect(
        what=f"The constraint {constraint['metadata']['name']} only tells{place}: its enforcementAction is {action} "
        f"(stage {stage}), so that every image is admitted.",
        remedy=f"Look at `s3c gate preview`, and go to the next stage with `{promote}`; `accept-stage: {stage}` "
        "deploys in this one.",
        stage=stage,
    )


def describe_watching(constraint: Mapping[str, Any], stage: Stage) -> str:
    """Return a sentence on a constraint that admits everything it looks at."""
    match = _dig(constraint, "spec", "match") or {}
    places = ", ".join(str(name) for name in match.get("namespaces") or ()) or "every namespace that it looks at"
    return f"The gate {stage.effect} in {places} (stage {stage}, constraint {constraint['metadata']['name']})."


def _failing_closed(asked: Sequence[_Configured]) -> Iterable[str]:
    for configuration, webhook in asked:
        if webhook.get("failurePolicy") == "Fail":
            yield (
                f"{configuration['metadata']['name']} fails closed, and the gate is in no namespace in the stage deny: "
                "without Gatekeeper it refuses what it should admit. Give `s3c gate install` its `mode` once more."
            )


def _sound_webhooks(
    configured: Sequence[_Configured],
    facts: GateObjects,
    kinds: Sequence[tuple[str, str]],
    *,
    may_fail_open: bool = False,
) -> tuple[Sequence[_Configured], list[GateDefect]]:
    """Return the webhooks that count, and their holes: those without any, else all but Azure Policy's own.

    One webhook that denies is enough, so that another Gatekeeper's beside it, which fails open, is no hole.
    """
    holes = {
        number: _webhook_holes(
            str(configuration["metadata"]["name"]), webhook, facts, kinds, may_fail_open=may_fail_open
        )
        for number, (configuration, webhook) in enumerate(configured)
    }
    if sound := [configured[number] for number, defects in holes.items() if not defects]:
        return sound, []
    own = [number for number in holes if not is_azure_policy(configured[number][0])] or list(holes)
    return [configured[number] for number in own], [hole for number in own for hole in holes[number]]


def _mutating_webhooks(facts: GateObjects) -> list[_Configured]:
    return [
        (configuration, webhook)
        for configuration in facts.mutating or ()
        if not is_azure_policy(configuration)
        for webhook in configuration.get("webhooks") or ()
        if webhook.get("name") == MUTATING_WEBHOOK
    ]


def _describe_excess(
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
        and selector_matches(webhook.get("namespaceSelector") or {}, _labels(facts, namespace))
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


def excluded_namespaces(constraints: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the namespaces, besides Gatekeeper's own, that each of the constraints names as one to leave out."""
    excluded = [
        [str(name) for name in _dig(constraint, "spec", "match", "excludedNamespaces") or ()]
        for constraint in constraints
    ]
    return [
        name
        for name in (excluded[0] if excluded else ())
        if "*" not in name and name != NAMESPACE and all(name in names for names in excluded)
    ]


def _label_warnings(asked: Sequence[_Configured]) -> Iterable[str]:
    for configuration, webhook in asked:
        name = configuration["metadata"]["name"]
        keys = {
            str(expression.get("key"))
            for expression in _dig(webhook, "namespaceSelector", "matchExpressions") or ()
            if expression.get("operator") in {"NotIn", "DoesNotExist"}
        } - _GUARDED_LABELS
        if keys:
            yield (
                f"{name} leaves out namespaces by the labels {', '.join(sorted(keys))}, as on Azure Kubernetes "
                "Service: whoever may label a namespace with them goes around the gate."
            )


def _webhook_holes(
    name: str,
    webhook: Mapping[str, Any],
    facts: GateObjects,
    kinds: Sequence[tuple[str, str]],
    *,
    may_fail_open: bool,
) -> list[GateDefect]:
    holes = []
    if webhook.get("failurePolicy") != "Fail" and not may_fail_open:
        holes.append(
            GateDefect(
                what=f"The gate fails open: failurePolicy of {name} is {webhook.get('failurePolicy')}, so what "
                "Gatekeeper cannot answer in time is admitted.",
                remedy="Set `validatingWebhookFailurePolicy: Fail` in Gatekeeper's chart.",
            )
        )
    holes += [
        GateDefect(what=f"{name} does not look at {what}.", remedy=remedy)
        for what, remedy in webhooks.uncovered(webhook, kinds)
    ]
    selector = webhook.get("objectSelector") or {}
    if selector.get("matchLabels") or selector.get("matchExpressions"):
        holes.append(
            GateDefect(what=f"{name} looks only at objects of certain labels.", remedy="Take its objectSelector away.")
        )
    if webhook.get("matchConditions"):
        holes.append(GateDefect(what=f"{name} has matchConditions that let objects pass.", remedy="Take them away."))
    service = _dig(webhook, "clientConfig", "service") or {}
    if service and f"{service.get('namespace')}/{service.get('name')}" not in facts.ready:
        holes.append(
            GateDefect(
                what="Gatekeeper does not run: nothing is ready behind "
                f"{service.get('namespace')}/{service.get('name')}.",
                remedy="Look at its Pods: `kubectl get pods -n gatekeeper-system`.",
            )
        )
    return holes


def _not_enforced(constraint: Mapping[str, Any]) -> GateDefect | None:
    """Return why a constraint looks at nothing that is sent to the webhook, whatever its stage; None when it does."""
    name = constraint["metadata"]["name"]
    if stages.constraint_stage(constraint) is None:
        action = _dig(constraint, "spec", "enforcementAction")
        return GateDefect(
            what=f"The constraint {name} does nothing: its enforcementAction is {action}.", remedy="Set it to `deny`."
        )
    if (source := _dig(constraint, "spec", "match", "source") or "All") not in {"All", "Original"}:
        return GateDefect(
            what=f"The constraint {name} does not look at what is created itself: its match.source is {source}.",
            remedy="Take `source` out of its `match`.",
        )
    return None


def _labels(facts: GateObjects, namespace: str) -> dict[str, str]:
    return {"kubernetes.io/metadata.name": namespace, **facts.namespaces.get(namespace, {})}


def _provider_holes(facts: GateObjects, webhook: Mapping[str, Any]) -> list[GateDefect]:
    if not facts.providers:
        return [GateDefect(what="Ratify is not there: Gatekeeper knows no external data provider.", remedy=INSTALL)]
    holes = []
    for provider in facts.providers:
        name, url = provider["metadata"]["name"], str(_dig(provider, "spec", "url") or "")
        host = re.match(r"https://([^.:/]+)\.([^.:/]+)", url)
        if not url.startswith("https://") or not _dig(provider, "spec", "caBundle"):
            holes.append(
                GateDefect(
                    what=f"The Provider {name} is asked without TLS: anyone in between may answer.", remedy=INSTALL
                )
            )
        elif host and f"{host[2]}/{host[1]}" not in facts.ready:
            holes.append(
                GateDefect(
                    what=f"Ratify does not run: nothing is ready behind {host[2]}/{host[1]}, where {name} leads.",
                    remedy=f"Look at its Pods: `kubectl get pods -n {host[2]}`.",
                )
            )
        timeout, patience = _dig(provider, "spec", "timeout"), webhook.get("timeoutSeconds")
        if isinstance(timeout, int) and isinstance(patience, int) and timeout > patience:
            holes.append(
                GateDefect(
                    what=f"The API server waits {patience} s for Gatekeeper, which waits {timeout} s for {name}.",
                    remedy="Order them: webhook ≥ provider > Ratify.",
                )
            )
    return holes


def asks_provider(template: Mapping[str, Any]) -> bool:
    """Return whether a template uses an external data provider; its code is `rego` or in `code[].source.rego`."""
    sources = []
    for target in _dig(template, "spec", "targets") or ():
        sources.append(str(target.get("rego") or ""))
        sources += [str(_dig(code, "source", "rego") or "") for code in target.get("code") or ()]
    return any("external_data" in source for source in sources)


def _matches_kind(constraint: Mapping[str, Any], group: str, kind: str) -> bool:
    kinds = _dig(constraint, "spec", "match", "kinds")
    if not kinds:
        return True
    return any(
        set(rule.get("apiGroups") or ()) & {group, "*"} and set(rule.get("kinds") or ()) & {kind, "*"} for rule in kinds
    )


def _exempt(
    facts: GateObjects, webhooks: Sequence[Mapping[str, Any]], constraints: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Return the namespaces that bypass every constraint, with the reason."""
    exempt = {}
    for namespace in sorted(facts.namespaces):
        labels = _labels(facts, namespace)
        if not any(selector_matches(webhook.get("namespaceSelector") or {}, labels) for webhook in webhooks):
            exempt[namespace] = "the webhook's namespaceSelector leaves it out"
        elif any(_config_exempts(config, namespace) for config in facts.configs):
            exempt[namespace] = "Gatekeeper's Config exempts it"
        elif constraints and not any(_matches_namespace(constraint, namespace, labels) for constraint in constraints):
            exempt[namespace] = f"the constraint {constraints[0]['metadata']['name']} does not match it"
    return exempt


def _matches_namespace(constraint: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> bool:
    match = _dig(constraint, "spec", "match") or {}
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
        for entry in _dig(config, "spec", "match") or ()
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


def pause_error(looked: GateInspection) -> Refused:
    """Return the error of a gate that is paused."""
    return Refused(
        " ".join(pause.describe(datetime.now(UTC)) for pause in looked.active_pauses),
        cause="Until then the cluster admits every image, signed or not.",
        remedy="Wait for its end, or end it: `s3c gate pause --end`. `accept-paused-gate` deploys all the same.",
    )


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
    return bool(_dig(mutation, "spec", "parameters", "assign", "externalData", "provider") == MUTATION_PROVIDER)


def is_azure_policy(configuration: Mapping[str, Any]) -> bool:
    """Return whether a webhook's configuration is that of Azure Policy's own Gatekeeper."""
    return str(configuration["metadata"]["name"]).startswith(_AZURE_POLICY)


def defects_error(looked: GateInspection) -> Refused:
    """Return the error of a gate with holes."""
    first = looked.holes[0]
    return Refused(
        " ".join(hole.what for hole in looked.holes),
        cause="What is deployed there would not be looked at, or not by all means.",
        remedy=f"{first.remedy} `require-gate: false` deploys all the same.",
    )


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
    return _dig(template, "spec", "crd", "spec", "names", "kind")


def _dig(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
