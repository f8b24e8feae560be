"""What the gate's webhook is asked about: the rules that fit its constraints, and how a webhook differs from them.

A webhook that is asked about less lets something through. One that is asked about more ties the whole cluster to
Gatekeeper: it fails closed, so that without Gatekeeper no node joins, and the leases of those that are there run out.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from s3c_actions.cluster import image_places
from s3c_actions.cluster.client import KubernetesObject

OPERATIONS = ("CREATE", "UPDATE")
ANY = "*"


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the cluster and the gate need when Gatekeeper does not run: the webhook must not be asked about it."""

    group: str
    resource: str
    noun: str
    namespaced: bool = False


_KEPT = (
    _Kept(group="", resource="nodes", noun="Nodes"),
    _Kept(group="coordination.k8s.io", resource="leases", noun="Leases", namespaced=True),
    _Kept(group="certificates.k8s.io", resource="certificatesigningrequests", noun="CertificateSigningRequests"),
    _Kept(group="authentication.k8s.io", resource="tokenreviews", noun="TokenReviews"),
    _Kept(group="authorization.k8s.io", resource="subjectaccessreviews", noun="SubjectAccessReviews"),
    _Kept(group="templates.gatekeeper.sh", resource="constrainttemplates", noun="the gate's own templates"),
    _Kept(group="constraints.gatekeeper.sh", resource="ratifyverification", noun="the gate's own constraints"),
    _Kept(group="externaldata.gatekeeper.sh", resource="providers", noun="the gate's own providers"),
    _Kept(group="config.ratify.deislabs.io", resource="verifiers", noun="Ratify's objects"),
)


def constrained_kinds(constraints: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Return the API group and kind of all that constraints look at; a constraint that names none looks at `*`."""
    pairs: dict[tuple[str, str], None] = {}
    for constraint in constraints:
        match = (constraint.get("spec") or {}).get("match") or {}
        for rule in match.get("kinds") or ({"apiGroups": [ANY], "kinds": [ANY]},):
            for group in rule.get("apiGroups") or ():
                pairs |= {(str(group), str(kind)): None for kind in rule.get("kinds") or ()}
    return tuple(pairs)


def covered_workloads(kinds: Iterable[tuple[str, str]]) -> tuple[image_places.Workload, ...]:
    """Return the built-in workloads among kinds, in either of which a `*` may stand."""
    listed = tuple(kinds)
    return tuple(
        workload
        for workload in image_places.WORKLOADS
        if any(group in {ANY, workload.group} and kind in {ANY, workload.kind} for group, kind in listed)
    )


def rules(
    kinds: Iterable[tuple[str, str]],
    others: Iterable[tuple[str, str]] = (),
    find: Callable[[str, str], tuple[str, bool]] = lambda _group, _kind: (ANY, True),
) -> list[KubernetesObject]:
    """Return the rules of a webhook that is asked about exactly these kinds, by all their versions.

    Args:
        kinds: API group and kind of what the gate's constraints look at; `*` for a group or a kind stands for all
            built-in workloads that fit.
        others: the same of other policies of the same Gatekeeper, where a `*` stands for everything.
        find: returns, for a group and a kind that is no built-in workload, the plural under which the cluster serves
            it, and whether its objects are in namespaces; `*` is the plural of all of the group, and an empty one of
            a kind that the group does not have.
    """
    others = tuple(others)
    listed = (*kinds, *(pair for pair in others if ANY not in pair))
    by_group: dict[tuple[str, str], dict[str, None]] = {}
    for workload in covered_workloads(listed):
        resources = by_group.setdefault((workload.group, "Namespaced"), {})
        resources[workload.plural] = None
        subresources = (name for name in image_places.SUBRESOURCES if name.startswith(f"{workload.plural}/"))
        resources |= dict.fromkeys(subresources if not workload.group else ())
    for group, kind in listed:
        plural, namespaced = find(group, kind) if _is_other(group, kind) else ("", True)
        if plural:
            by_group.setdefault((group, "Namespaced" if namespaced else ANY), {})[plural] = None
    for group, _ in (pair for pair in others if ANY in pair):
        by_group.setdefault((group, ANY), {})[ANY] = None
    return [
        {
            "apiGroups": [group],
            "apiVersions": [ANY],
            "operations": list(OPERATIONS),
            "resources": list(resources),
            "scope": scope,
        }
        for (group, scope), resources in by_group.items()
    ]


def uncovered(webhook: Mapping[str, Any], kinds: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what brings an image into the cluster without matching a rule of the webhook, and how to fix it.

    Args:
        webhook: of a ValidatingWebhookConfiguration.
        kinds: of the constraints that look at images; Pods are always asked for.
    """
    listed = (*kinds, ("", "Pod"))
    gaps = [
        workload
        for workload in covered_workloads(listed)
        if not all(
            looks_at(webhook, workload.group, workload.version, workload.plural, operation) for operation in OPERATIONS
        )
    ]
    bypasses = []
    if any(workload.kind == "Pod" for workload in gaps):
        bypasses.append(("Pods that are created or updated", "Install Gatekeeper's chart."))
    if others := [workload for workload in gaps if workload.kind != "Pod"]:
        names = ", ".join(f"{workload.kind}s" for workload in others)
        plurals = ", ".join(workload.plural for workload in others)
        bypasses.append(
            (f"{names}: they are accepted, and their Pods alone are judged", f"Add {plurals} to its rules.")
        )
    for group, kind in listed:
        if _is_other(group, kind) and not _names(webhook, group, kind):
            bypasses.append(
                (f"{kind}s of {group or 'the core group'}, which a constraint names", "Run `s3c gate install` again.")
            )
    for subresource, noun in image_places.SUBRESOURCES.items():
        if not looks_at(webhook, "", "v1", subresource, "UPDATE"):
            bypasses.append(
                (
                    f"{noun} ({subresource}), which change the images of a Pod that runs",
                    f"Add {subresource} to its rules: `*` does not mean subresources.",
                )
            )
    return bypasses


def excess(
    webhook: Mapping[str, Any], kinds: Iterable[tuple[str, str]], others: Iterable[tuple[str, str]] = ()
) -> list[str]:
    """Return nouns for what the webhook is asked about and need not be; what the cluster cannot do without comes first.

    Args:
        webhook: of a ValidatingWebhookConfiguration.
        kinds: of the constraints that look at images.
        others: of other constraints, which the webhook serves too.
    """
    nouns = [
        kept.noun
        for kept in _KEPT
        if any(
            looks_at(webhook, kept.group, ANY, kept.resource, operation, namespaced=kept.namespaced)
            for operation in OPERATIONS
        )
    ]
    expected = {
        (str(group), str(resource))
        for rule in rules(kinds)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    excused = {group for group, _ in others} | {
        group for group, kind in kinds if ANY in {group, kind} or _is_other(group, kind)
    }
    for rule in webhook.get("rules") or ():
        nouns += [f"{operation}" for operation in rule.get("operations") or () if operation not in OPERATIONS]
        for group in rule.get("apiGroups") or ():
            if group in excused or ANY in excused:
                continue
            nouns += [
                f"{resource} of {group or 'the core group'}" if group != ANY else f"{resource} of every group"
                for resource in rule.get("resources") or ()
                if (group, resource) not in expected
            ]
    return list(dict.fromkeys(nouns))


def looks_at(
    webhook: Mapping[str, Any], group: str, version: str, resource: str, operation: str, *, namespaced: bool = True
) -> bool:
    """Return whether a webhook is called for a request; a version of `*` is any."""
    plural, _, sub = resource.partition("/")
    scopes = {ANY, "Namespaced" if namespaced else "Cluster"}
    return any(
        set(rule.get("apiGroups") or ()) & {ANY, group}
        and (version == ANY or set(rule.get("apiVersions") or ()) & {ANY, version})
        and set(rule.get("operations") or ()) & {ANY, operation}
        and (rule.get("scope") or ANY) in scopes
        and any(
            rule_plural in {ANY, plural} and rule_sub in {ANY, sub}
            for rule_plural, _, rule_sub in (str(name).partition("/") for name in rule.get("resources") or ())
        )
        for rule in webhook.get("rules") or ()
    )


def _is_other(group: str, kind: str) -> bool:
    """Return whether a pair names one kind that is no built-in workload.

    A constraint is about each of its kinds in each of its groups, and some such pairs, as Pods of apps, are nothing.
    """
    built_in = {workload.group for workload in image_places.WORKLOADS}
    return ANY not in {group, kind} and not (group in built_in and kind in image_places.WORKLOAD_KINDS)


def _names(webhook: Mapping[str, Any], group: str, kind: str) -> bool:
    """Return whether a rule is about a kind whose plural is not known: it begins with the kind, as plurals do."""
    stem = kind.lower().removesuffix("y")
    resources: Sequence[str] = [
        str(resource)
        for rule in webhook.get("rules") or ()
        if set(rule.get("apiGroups") or ()) & {ANY, group} and set(OPERATIONS) <= _operations(rule)
        for resource in rule.get("resources") or ()
    ]
    return any(resource in {ANY, "*/*"} or resource.startswith(stem) for resource in resources)


def _operations(rule: Mapping[str, Any]) -> set[str]:
    listed = {str(operation) for operation in rule.get("operations") or ()}
    return set(OPERATIONS) if ANY in listed else listed
