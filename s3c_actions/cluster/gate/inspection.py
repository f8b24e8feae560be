"""Inspect and prove the gate of a cluster: Gatekeeper's webhook, Ratify behind it, the constraint between them.

The inspected objects can be wrong in unforeseen ways, so the gate is proved as well: the API server is asked, by dry
run, to admit Pods with an unsigned image, once in each place where a new Pod can have one. Each has to be denied, by a
verdict on that image: a quota, another policy or a missing permission denies too, and proves nothing.
"""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from s3c_actions.cluster import image_places
from s3c_actions.cluster.client import AdmissionDenied, ApiError, Cluster, KubernetesObject, Resource
from s3c_actions.cluster.gate import denials
from s3c_actions.core.errors import OutsideError, Refused, S3CError
from s3c_actions.core.reference import Reference

WEBHOOK = "validation.gatekeeper.sh"
CONSTRAINT_TEMPLATES = Resource(path="/apis/templates.gatekeeper.sh/v1", plural="constrainttemplates", namespaced=False)
CONSTRAINTS = "/apis/constraints.gatekeeper.sh/v1beta1"
PROVIDERS = Resource(path="/apis/externaldata.gatekeeper.sh/v1beta1", plural="providers", namespaced=False)
CONFIGS = Resource(path="/apis/config.gatekeeper.sh/v1alpha1", plural="configs", namespaced=True)
WEBHOOKS = Resource(
    path="/apis/admissionregistration.k8s.io/v1", plural="validatingwebhookconfigurations", namespaced=False
)
ENDPOINT_SLICES = Resource(path="/apis/discovery.k8s.io/v1", plural="endpointslices", namespaced=True)
NAMESPACES = Resource(path="/api/v1", plural="namespaces", namespaced=False)
PODS = Resource(path="/api/v1", plural="pods", namespaced=True)
NAMESPACE = "gatekeeper-system"
RATIFY_SELECTOR = "app.kubernetes.io/name=ratify"
REMEMBERED_SECONDS = 30.0
"""Seconds that a verdict is cached, as set in manifests/: by Gatekeeper, by Ratify and by Ratify's store, 10 each."""
_PATIENCE = 5.0
_AT_ONCE = 6
_IN_A_POD = 4
_RECENT = 120
_INSTALL = "Install or repair it with `s3c gate install`."
ABSENT_IMAGE = f"localhost:1/s3c-gate-probe@sha256:{64 * '0'}"
"""Nothing listens on port 1, and no image has this digest."""
# Not an existing image: it is the image of a proof's container while another place is tried.
_BESIDE = f"localhost:1/s3c-gate-probe@sha256:{64 * '1'}"
# The API server's message for an unknown volume type, or one denied by its own policy: both precede webhooks.
_NO_SUCH_PLACE = re.compile(r"must specify a volume type|ValidatingAdmissionPolicy '[^']*'.* denied request", re.DOTALL)


class GateObjects(msgspec.Struct, frozen=True, kw_only=True):
    """The objects of the gate, as returned by the API.

    Attributes:
        webhooks: ValidatingWebhookConfigurations.
        templates, constraints, providers, configs: Gatekeeper's; empty where the cluster does not know a kind.
        namespaces: name → labels.
        ready: Services (`namespace/name`) with a ready endpoint.
    """

    webhooks: tuple[KubernetesObject, ...]
    templates: tuple[KubernetesObject, ...]
    constraints: tuple[KubernetesObject, ...]
    providers: tuple[KubernetesObject, ...]
    configs: tuple[KubernetesObject, ...]
    namespaces: Mapping[str, Mapping[str, str]]
    ready: frozenset[str]


class GateDefect(msgspec.Struct, frozen=True, kw_only=True):
    """A way to bypass the gate, or a reason why it admits nothing."""

    what: str
    remedy: str


class GateInspection(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an inspection.

    Attributes:
        holes: empty for a gate without holes for the requested objects.
        constraints: the names of those that ask Ratify.
        exempt: namespaces that bypass the gate, with the reason.
    """

    holes: tuple[GateDefect, ...]
    constraints: tuple[str, ...]
    exempt: Mapping[str, str]


class GateProof(msgspec.Struct, frozen=True, kw_only=True):
    """The places that were tried, all denied for the image's signature.

    Attributes:
        denied: the denial of a container's image.
        places: those tried; without those that this cluster does not support.
    """

    denied: AdmissionDenied
    places: tuple[image_places.ImagePlace, ...]

    @property
    def what(self) -> str:
        """Return the denial as a sentence."""
        return self.denied.what

    @property
    def told(self) -> str:
        """Return the places for people: `as a container, an init container and an image volume`."""
        phrases = [place.phrase.removeprefix("as ") for place in self.places]
        return "as " + " and ".join(part for part in (", ".join(phrases[:-1]), phrases[-1]) if part)


def read_gate_objects(cluster: Cluster) -> GateObjects:
    """Read the objects that `inspect` needs.

    Raises:
        OutsideError: the cluster does not answer, or does not allow reading them.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        look = partial(_list_if_served, cluster)
        templates, webhooks, providers, configs, namespaces, slices = pool.map(
            look, (CONSTRAINT_TEMPLATES, WEBHOOKS, PROVIDERS, CONFIGS, NAMESPACES, ENDPOINT_SLICES)
        )
        kinds = sorted({kind for template in templates if (kind := _template_kind(template))})
        return GateObjects(
            webhooks=webhooks,
            templates=templates,
            constraints=tuple(
                constraint for served in pool.map(partial(_constraints, cluster), kinds) for constraint in served
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


def inspect(facts: GateObjects, targets: Iterable[tuple[str, str, str]]) -> GateInspection:
    """Find holes in the gate.

    Args:
        facts: the objects of the gate.
        targets: API group, kind and namespace of everything to be deployed; Pods are always checked.
    """
    targets = sorted(set(targets))
    namespaces = sorted({namespace for _, _, namespace in targets})
    webhooks = [
        (configuration, webhook)
        for configuration in facts.webhooks
        for webhook in configuration.get("webhooks") or ()
        if webhook.get("name") == WEBHOOK
    ]
    if not webhooks:
        return GateInspection(
            holes=(GateDefect(what="Gatekeeper's webhook is not there: everything is admitted.", remedy=_INSTALL),),
            constraints=(),
            exempt=dict.fromkeys(sorted(facts.namespaces), "there is no gate"),
        )
    holes = [
        hole
        for configuration, webhook in webhooks
        for hole in _webhook_holes(str(configuration["metadata"]["name"]), webhook, facts)
    ]
    asking = {kind for template in facts.templates if _asks_provider(template) and (kind := _template_kind(template))}
    constraints = [constraint for constraint in facts.constraints if constraint["kind"] in asking]
    denying = [constraint for constraint in constraints if not _not_enforced(constraint)]
    if not asking:
        holes.append(GateDefect(what="No ConstraintTemplate asks Ratify about images.", remedy=_INSTALL))
    elif not constraints:
        holes.append(
            GateDefect(what=f"No constraint of the kind {', '.join(sorted(asking))} is there.", remedy=_INSTALL)
        )
    holes += [hole for constraint in constraints if (hole := _not_enforced(constraint))]
    exempt = _exempt(facts, [webhook for _, webhook in webhooks], denying)
    holes += [
        GateDefect(
            what=f"The namespace {namespace} goes around the gate: {exempt[namespace]}.",
            remedy="Deploy to another namespace, or take it out of the exemptions.",
        )
        for namespace in namespaces
        if namespace in exempt
    ]
    if denying:
        for group, kind, namespace in sorted({*targets, *(("", "Pod", name) for name in namespaces)}):
            labels = _labels(facts, namespace)
            if namespace not in exempt and not any(
                _matches_kind(constraint, group, kind) and _matches_namespace(constraint, namespace, labels)
                for constraint in denying
            ):
                holes.append(
                    GateDefect(
                        what=f"No constraint looks at {kind}s"
                        + (f" of {group}." if group else ".")
                        + (" Their Pods alone are looked at." if kind != "Pod" else ""),
                        remedy=f"Add the kind to `match.kinds` of {denying[0]['metadata']['name']}.",
                    )
                )
        holes += _provider_holes(facts, webhooks[0][1])
    return GateInspection(
        holes=tuple(dict.fromkeys(holes)),
        constraints=tuple(str(constraint["metadata"]["name"]) for constraint in denying),
        exempt=exempt,
    )


def _webhook_holes(name: str, webhook: Mapping[str, Any], facts: GateObjects) -> list[GateDefect]:
    holes = []
    if webhook.get("failurePolicy") != "Fail":
        holes.append(
            GateDefect(
                what=f"The gate fails open: failurePolicy of {name} is {webhook.get('failurePolicy')}, so what "
                "Gatekeeper cannot answer in time is admitted.",
                remedy="Set `validatingWebhookFailurePolicy: Fail` in Gatekeeper's chart.",
            )
        )
    holes += [
        GateDefect(what=f"{name} does not look at {what}.", remedy=remedy) for what, remedy in _uncovered(webhook)
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


def _uncovered(webhook: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what brings an image into the cluster without matching a rule of the webhook, and how to fix it."""
    gaps = [
        workload
        for workload in image_places.WORKLOADS
        if not all(
            _looks_at(webhook, workload.group, workload.version, workload.plural, operation)
            for operation in ("CREATE", "UPDATE")
        )
    ]
    uncovered = []
    if any(workload.kind == "Pod" for workload in gaps):
        uncovered.append(("Pods that are created or updated", "Install Gatekeeper's chart."))
    if others := [workload for workload in gaps if workload.kind != "Pod"]:
        kinds = ", ".join(f"{workload.kind}s" for workload in others)
        plurals = ", ".join(workload.plural for workload in others)
        uncovered.append(
            (f"{kinds}: they are accepted, and their Pods alone are judged", f"Add {plurals} to its rules.")
        )
    for subresource, noun in image_places.SUBRESOURCES.items():
        if not _looks_at(webhook, "", "v1", subresource, "UPDATE"):
            uncovered.append(
                (
                    f"{noun} ({subresource}), which change the images of a Pod that runs",
                    f"Add {subresource} to its rules: `*` does not mean subresources.",
                )
            )
    return uncovered


def _looks_at(webhook: Mapping[str, Any], group: str, version: str, resource: str, operation: str) -> bool:
    """Return whether a webhook is called for a request, by the rules of the API server.

    https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules
    """
    plural, _, sub = resource.partition("/")
    return any(
        set(rule.get("apiGroups") or ()) & {"*", group}
        and set(rule.get("apiVersions") or ()) & {"*", version}
        and set(rule.get("operations") or ()) & {"*", operation}
        and (rule.get("scope") or "*") in {"*", "Namespaced"}
        and any(
            rule_plural in {"*", plural} and rule_sub in {"*", sub}
            for rule_plural, _, rule_sub in (str(name).partition("/") for name in rule.get("resources") or ())
        )
        for rule in webhook.get("rules") or ()
    )


def _not_enforced(constraint: Mapping[str, Any]) -> GateDefect | None:
    """Return why a constraint does not deny what is sent to the webhook; None when it does deny."""
    name, action = constraint["metadata"]["name"], _dig(constraint, "spec", "enforcementAction") or "deny"
    scoped = action == "scoped" and any(
        scope.get("action") == "deny"
        and any(point.get("name") in {"*", WEBHOOK} for point in scope.get("enforcementPoints") or ())
        for scope in _dig(constraint, "spec", "scopedEnforcementActions") or ()
    )
    if action != "deny" and not scoped:
        return GateDefect(
            what=f"The constraint {name} only tells: its enforcementAction is {action}.", remedy="Set it to `deny`."
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
        return [GateDefect(what="Ratify is not there: Gatekeeper knows no external data provider.", remedy=_INSTALL)]
    holes = []
    for provider in facts.providers:
        name, url = provider["metadata"]["name"], str(_dig(provider, "spec", "url") or "")
        host = re.match(r"https://([^.:/]+)\.([^.:/]+)", url)
        if not url.startswith("https://") or not _dig(provider, "spec", "caBundle"):
            holes.append(
                GateDefect(
                    what=f"The Provider {name} is asked without TLS: anyone in between may answer.", remedy=_INSTALL
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


def _asks_provider(template: Mapping[str, Any]) -> bool:
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


def probe_pod(
    images: Sequence[str], place: image_places.ImagePlace = image_places.CONTAINERS, image: str = ""
) -> KubernetesObject:
    """Return a Pod that no other policy should reject; it is only used in dry runs, never created.

    Args:
        images: of its containers.
        place: where it has an additional image.
        image: the additional image; empty: none.
    """
    spec: KubernetesObject = {
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(f"proof-{number}", name) for number, name in enumerate(images)],
    }
    if image and place.path == image_places.CONTAINERS.path:
        spec.setdefault(place.field, []).append(_container("proof", image))
    elif image:
        volume: Any = image
        for step in reversed(place.path):
            volume = {step: volume}
        spec[place.field] = [{"name": "proof", **volume}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "s3c-gate-", "labels": {"app.kubernetes.io/managed-by": "s3c"}},
        "spec": spec,
    }


def _container(name: str, image: str) -> KubernetesObject:
    return {
        "name": name,
        "image": image,
        "resources": {
            "requests": {"cpu": "1m", "memory": "1Mi"},
            "limits": {"cpu": "1m", "memory": "4Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def try_images(cluster: Cluster, namespace: str, *images: str) -> AdmissionDenied | None:
    """Ask the API server to admit a Pod with these images, by dry run; return the denial, None when it was admitted.

    Raises:
        OutsideError: it was rejected for a reason other than admission.
    """
    denied = _try_pod(cluster, namespace, probe_pod(images))
    return _with_ratify_log(cluster, denied) if denied is not None else None


def _try_pod(cluster: Cluster, namespace: str, document: KubernetesObject) -> AdmissionDenied | None:
    account_deadline, busy_deadline = time.monotonic() + 15, time.monotonic() + 60
    while True:
        try:
            cluster.create(PODS, document, namespace, dry_run=True)
        except AdmissionDenied as denied:
            # Ratify and Gatekeeper cache Ratify's verdict for 10 s, or for less.
            if (
                not any(denials.RATIFY_BUSY in denial.reason for denial in denied.denials)
                or time.monotonic() > busy_deadline
            ):
                return denied
            time.sleep(1)
        except OutsideError as error:
            # A namespace's service account is created a moment after the namespace.
            if "serviceaccount" not in error.original or time.monotonic() > account_deadline:
                raise
            time.sleep(0.3)
        else:
            return None


def _with_ratify_log(cluster: Cluster, denied: AdmissionDenied) -> AdmissionDenied:
    """Return the denial, with the reason from Ratify's log where Ratify's answer lacks it, if the log may be read."""
    if not any(denial.unavailable and denial.trace for denial in denied.denials):
        return denied
    try:
        pods = cluster.list(PODS, NAMESPACE, labelSelector=RATIFY_SELECTOR)
        log = "\n".join(cluster.log(NAMESPACE, denial["metadata"]["name"], seconds=_RECENT) for denial in pods)
    except S3CError:
        return denied
    return AdmissionDenied(tuple(denials.add_logged_reason(denial, log) for denial in denied.denials), denied.original)


def admitted_images(cluster: Cluster, images: Sequence[str], namespace: str) -> frozenset[str]:
    """Return those images that are admitted together in a Pod, with one request for several of them.

    The others have to be tried individually: another image of their Pod, or its size, may have been rejected.
    """
    admitted_images: list[str] = []
    for start in range(0, len(images), _IN_A_POD):
        batch = images[start : start + _IN_A_POD]
        with suppress(OutsideError):
            if len(batch) > 1 and try_images(cluster, namespace, *batch) is None:
                admitted_images += batch
    return frozenset(admitted_images)


def try_signed_image(
    cluster: Cluster,
    reference: Reference,
    namespace: str,
    *,
    signatures: Callable[[Reference], Sequence[str]],
    tell: Callable[[str], None],
) -> AdmissionDenied | None:
    """Try a Pod as `attempt` does, and wait for a gate that cached an image's verdict from before it was signed.

    Args:
        cluster: to ask.
        reference: by digest.
        namespace: of the Pod.
        signatures: returns the digests of an image's signatures, whoever made them.
        tell: called before waiting for the gate, REMEMBERED seconds at most.

    Raises:
        OutsideError: as `attempt` does, or the registry does not answer.
    """
    denied = try_images(cluster, namespace, reference.pinned)
    if not _unsigned(denied) or not signatures(reference):
        return denied
    tell(f"{reference.pinned} is signed, and the gate remembers it without: asking for up to {REMEMBERED_SECONDS:g} s")
    deadline = time.monotonic() + REMEMBERED_SECONDS + _PATIENCE
    while _unsigned(denied) and time.monotonic() < deadline:
        time.sleep(1)
        denied = try_images(cluster, namespace, reference.pinned)
    return denied


def _unsigned(denied: AdmissionDenied | None) -> bool:
    return denied is not None and all(denial.reason == denials.NO_SIGNATURE for denial in denied.denials)


def prove_closed(
    cluster: Cluster, unsigned: str, namespace: str, constraints: Iterable[str], beside: str = _BESIDE
) -> GateProof:
    """Prove that the gate denies an unsigned image.

    Args:
        cluster: to ask.
        unsigned: an image, by digest, that is in the registry and has no signature.
        namespace: of the Pods.
        constraints: the names of those that ask Ratify.
        beside: image of the container of a Pod that has the unsigned one in another place.

    Raises:
        Refused: a Pod was admitted, or denied by something that does not check signatures.
        OutsideError: it was denied because Gatekeeper or Ratify could not be reached.
    """
    asking, first, tried = frozenset(constraints), None, []
    beside = beside if beside != unsigned else _BESIDE
    for place, denied in _try_places(cluster, namespace, unsigned, beside):
        relevant = _denials_of(denied, unsigned)
        if denied is None or (not relevant and _denials_of(denied, beside)):
            raise _gate_open_error(unsigned, "which nobody signed", place, namespace)
        if denied.unavailable and (not relevant or any(denial.unavailable for denial in relevant)):
            explained = _with_ratify_log(cluster, denied)
            raise OutsideError(
                f"The gate admits nothing: {explained.denials[0].reason}.",
                cause=explained.cause,
                remedy=explained.remedy or "Look at the Pods in gatekeeper-system.",
                original=explained.original,
            )
        if not any(denial.constraint in asking for denial in relevant):
            raise Refused(
                f"An unsigned image {place.phrase} was denied in {namespace}, but not for its signature.",
                cause="Another policy denied it, so the gate is not proved.",
                remedy="Exempt Pods of the label app.kubernetes.io/managed-by=s3c from that policy, or prove it "
                "elsewhere.",
                original=denied.original,
            )
        first = first or denied
        tried.append(place)
    if first is None:
        raise _not_proved_error(namespace)
    return GateProof(denied=first, places=tuple(tried))


def prove_closed_by_absent_image(cluster: Cluster, namespace: str, constraints: Iterable[str]) -> GateProof | S3CError:
    """Prove that the gate denies an image that does not exist: for a gate that knows no other image yet.

    It proves less than `prove`: that Ratify is asked, and that its verdict counts, but not that signatures are checked.

    Returns:
        The proof, or the error that there is none (yet).

    Raises:
        OutsideError: a Pod was rejected for a reason other than admission.
    """
    asking, first, tried = frozenset(constraints), None, []
    for place, denied in _try_places(cluster, namespace, ABSENT_IMAGE, _BESIDE):
        relevant = _denials_of(denied, ABSENT_IMAGE)
        if denied is None or (not relevant and _denials_of(denied, _BESIDE)):
            return _gate_open_error(ABSENT_IMAGE, "which is not there", place, namespace)
        # A verdict has a trace; an image that does not exist is reported by Ratify itself.
        if not any(
            denial.constraint in asking and (denial.trace or "could not resolve descriptor" in denial.original)
            for denial in relevant
        ):
            return OutsideError(
                "Ratify does not answer Gatekeeper: everything is denied.",
                cause=denied.cause,
                remedy=f"Look at the logs of the Pods in {NAMESPACE}.",
                original=denied.original,
            )
        first = first or denied
        tried.append(place)
    return GateProof(denied=first, places=tuple(tried)) if first is not None else _not_proved_error(namespace)


def _gate_open_error(image: str, what: str, place: image_places.ImagePlace, namespace: str) -> Refused:
    if place is image_places.CONTAINERS:
        cause = "What the gate's objects say is not what it does."
        remedy = "Look at the constraint's status and at Ratify's Policy and Verifier; nothing was deployed."
    else:
        cause = f"Its ConstraintTemplate does not look at every place of an image: not at {place.noun}s."
        remedy = f"{_INSTALL} Nothing was deployed."
    return Refused(
        f"The gate is open: it lets Pods of the namespace {namespace} have {image}, {what}, {place.phrase}.",
        cause=cause,
        remedy=remedy,
        image=image,
    )


def _not_proved_error(namespace: str) -> OutsideError:
    return OutsideError(f"The gate was not proved: no Pod could be tried in {namespace}.")


def _try_places(
    cluster: Cluster, namespace: str, image: str, beside: str
) -> Iterator[tuple[image_places.ImagePlace, AdmissionDenied | None]]:
    """Try Pods with an image in each place that a new Pod can have one in, without those the cluster lacks.

    Yields:
        The place, and the denial; None when the Pod was admitted.

    Raises:
        OutsideError: as `attempt` does.
    """
    for place in image_places.PLACES:
        if not place.creatable:
            continue
        document = probe_pod([image]) if place is image_places.CONTAINERS else probe_pod([beside], place, image)
        try:
            denied = _try_pod(cluster, namespace, document)
        except ApiError as error:
            if place is image_places.CONTAINERS or not _NO_SUCH_PLACE.search(error.message):
                raise
            continue
        yield place, denied


def _denials_of(denied: AdmissionDenied | None, image: str) -> list[denials.Denial]:
    """Return the denials that concern an image, by its digest."""
    digest, all_denials = image.rpartition("@")[2], denied.denials if denied is not None else ()
    return [denial for denial in all_denials if digest in (denial.image or denial.original)]


def reject_unsigned(admitted: Iterable[Reference], signatures: Callable[[Reference], Sequence[str]]) -> None:
    """Reject an admitted image that has no signature: it proves that the gate is open.

    Args:
        admitted: by digest.
        signatures: returns the digests of an image's signatures, whoever made them.

    Raises:
        Refused: there is one.
        OutsideError: the registry does not answer.
    """
    for reference in admitted:
        if not signatures(reference):
            raise Refused(
                f"The gate is open: {reference.pinned} is admitted, and nobody signed it.",
                cause="Ratify trusts something else than Notary Project signatures, or trusts everything.",
                remedy=f"Look at Ratify's Policy and Verifier, or sign the image: `s3c sign {reference.pinned}`.",
                image=reference.pinned,
            )


def defects_error(looked: GateInspection) -> Refused:
    """Return the error of a gate with holes."""
    first = looked.holes[0]
    return Refused(
        " ".join(hole.what for hole in looked.holes),
        cause="What is deployed there would not be looked at, or not by all means.",
        remedy=f"{first.remedy} `require-gate: false` deploys all the same.",
    )


def find_unsigned(references: Sequence[Reference], signatures: Callable[[Reference], Sequence[str]]) -> str:
    """Return a readable, unsigned manifest in the registry: the signature of a signed image.

    A signature is a manifest of its own in the image's repository, so nothing has to be pushed for the proof.
    """
    for reference in references:
        for digest in signatures(reference):
            return reference.at(digest).pinned
    return ""


def _constraints(cluster: Cluster, kind: str) -> list[KubernetesObject]:
    """Return the constraints of a template's kind; Gatekeeper serves them by the kind in lower case."""
    resource = Resource(path=CONSTRAINTS, plural=kind.lower(), namespaced=False)
    return [{**constraint, "kind": kind} for constraint in _list_if_served(cluster, resource)]


def _list_if_served(cluster: Cluster, resource: Resource) -> tuple[KubernetesObject, ...]:
    try:
        return tuple(cluster.list(resource))
    except ApiError as error:
        if error.status == 404:  # the cluster knows no such kind
            return ()
        raise


def _template_kind(template: Mapping[str, Any]) -> Any:
    return _dig(template, "spec", "crd", "spec", "names", "kind")


def _dig(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
