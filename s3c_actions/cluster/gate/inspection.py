"""The gate of a cluster: Gatekeeper's webhook, Ratify behind it, the constraint between them; looked at and tried.

What is looked at can be wrong in ways that nobody thought of, so the gate is proved as well: the API server is asked,
by dry run, to take Pods that have an image nobody signed, once in each place where a new Pod can have one. Each has to
be denied, and by a verdict on that image: a quota, another policy or a missing right denies too, and proves nothing.
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
from s3c_actions.cluster.client import AdmissionDenied, ApiError, Cluster, Object, Resource
from s3c_actions.cluster.gate import denials
from s3c_actions.core.errors import OutsideError, Refused, S3CError
from s3c_actions.core.reference import Reference

WEBHOOK = "validation.gatekeeper.sh"
TEMPLATES = Resource(path="/apis/templates.gatekeeper.sh/v1", plural="constrainttemplates", namespaced=False)
CONSTRAINTS = "/apis/constraints.gatekeeper.sh/v1beta1"
PROVIDERS = Resource(path="/apis/externaldata.gatekeeper.sh/v1beta1", plural="providers", namespaced=False)
CONFIGS = Resource(path="/apis/config.gatekeeper.sh/v1alpha1", plural="configs", namespaced=True)
WEBHOOKS = Resource(
    path="/apis/admissionregistration.k8s.io/v1", plural="validatingwebhookconfigurations", namespaced=False
)
SLICES = Resource(path="/apis/discovery.k8s.io/v1", plural="endpointslices", namespaced=True)
NAMESPACES = Resource(path="/api/v1", plural="namespaces", namespaced=False)
PODS = Resource(path="/api/v1", plural="pods", namespaced=True)
NAMESPACE = "gatekeeper-system"
RATIFY = "app.kubernetes.io/name=ratify"
REMEMBERED = 30.0
"""Seconds that a verdict is kept, as manifests/ sets it: by Gatekeeper, by Ratify and by Ratify's store, 10 each."""
_PATIENCE = 5.0
_AT_ONCE = 6
_IN_A_POD = 4
_RECENT = 120
_INSTALL = "Install it, or mend it, with `s3c gate install`."
NOT_THERE = f"localhost:1/s3c-gate-probe@sha256:{64 * '0'}"
"""Nothing listens on port 1, and no image has this digest."""
# No image at all: it stands in a proof's container where another place is tried.
_BESIDE = f"localhost:1/s3c-gate-probe@sha256:{64 * '1'}"
# How the API server says that it knows no such volume, or that a policy of its own lets none in: both before a webhook.
_NO_SUCH_PLACE = re.compile(r"must specify a volume type|ValidatingAdmissionPolicy '[^']*'.* denied request", re.DOTALL)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the cluster says of its gate: the objects, as the API has them.

    Attributes:
        webhooks: ValidatingWebhookConfigurations.
        templates, constraints, providers, configs: Gatekeeper's; empty where a kind is not known.
        namespaces: name → labels.
        ready: Services (`namespace/name`) behind which something answers.
    """

    webhooks: tuple[Object, ...]
    templates: tuple[Object, ...]
    constraints: tuple[Object, ...]
    providers: tuple[Object, ...]
    configs: tuple[Object, ...]
    namespaces: Mapping[str, Mapping[str, str]]
    ready: frozenset[str]


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """A way around the gate, or a reason why it admits nothing."""

    what: str
    remedy: str


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        holes: empty for a gate that is closed for what was asked.
        constraints: the names of those that ask Ratify.
        exempt: namespaces that go around the gate, with the reason.
    """

    holes: tuple[Hole, ...]
    constraints: tuple[str, ...]
    exempt: Mapping[str, str]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried, and denied for its signature.

    Attributes:
        denied: the denial of a container's image.
        places: those tried; without the ones that this cluster has not.
    """

    denied: AdmissionDenied
    places: tuple[image_places.Place, ...]

    @property
    def what(self) -> str:
        """The denial as a sentence."""
        return self.denied.what

    @property
    def told(self) -> str:
        """`as a container, an init container and an image volume`."""
        named = [one.phrase.removeprefix("as ") for one in self.places]
        return "as " + " and ".join(one for one in (", ".join(named[:-1]), named[-1]) if one)


def gather(cluster: Cluster) -> Facts:
    """Read what `inspect` needs.

    Raises:
        OutsideError: the cluster does not answer, or does not let us look.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        look = partial(_listed, cluster)
        templates, webhooks, providers, configs, namespaces, slices = pool.map(
            look, (TEMPLATES, WEBHOOKS, PROVIDERS, CONFIGS, NAMESPACES, SLICES)
        )
        kinds = sorted({name for one in templates if (name := _dig(one, "spec", "crd", "spec", "names", "kind"))})
        return Facts(
            webhooks=webhooks,
            templates=templates,
            constraints=tuple(one for found in pool.map(partial(_constraints, cluster), kinds) for one in found),
            providers=providers,
            configs=configs,
            namespaces={one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in namespaces},
            ready=frozenset(
                f"{metadata['namespace']}/{(metadata.get('labels') or {}).get('kubernetes.io/service-name')}"
                for metadata, ends in ((one["metadata"], one.get("endpoints") or ()) for one in slices)
                if any((end.get("conditions") or {}).get("ready") is not False for end in ends)
            ),
        )


def inspect(facts: Facts, wanted: Iterable[tuple[str, str, str]]) -> Gate:
    """Look for holes.

    Args:
        facts: what the cluster says.
        wanted: API group, kind and namespace of everything that is to be deployed; Pods are looked at in any case.
    """
    wanted = sorted(set(wanted))
    namespaces = sorted({namespace for _, _, namespace in wanted})
    found = [
        (one, webhook)
        for one in facts.webhooks
        for webhook in one.get("webhooks") or ()
        if webhook.get("name") == WEBHOOK
    ]
    if not found:
        return Gate(
            holes=(Hole(what="Gatekeeper's webhook is not there: everything is admitted.", remedy=_INSTALL),),
            constraints=(),
            exempt=dict.fromkeys(sorted(facts.namespaces), "there is no gate"),
        )
    holes = [hole for one, webhook in found for hole in _webhook(str(one["metadata"]["name"]), webhook, facts)]
    asking = {
        kind for one in facts.templates if _asks(one) and (kind := _dig(one, "spec", "crd", "spec", "names", "kind"))
    }
    constraints = [one for one in facts.constraints if one["kind"] in asking]
    denying = [one for one in constraints if not _lets_pass(one)]
    if not asking:
        holes.append(Hole(what="No ConstraintTemplate asks Ratify about images.", remedy=_INSTALL))
    elif not constraints:
        holes.append(Hole(what=f"No constraint of the kind {', '.join(sorted(asking))} is there.", remedy=_INSTALL))
    holes += [hole for one in constraints if (hole := _lets_pass(one))]
    exempt = _exempt(facts, [webhook for _, webhook in found], denying)
    holes += [
        Hole(
            what=f"The namespace {namespace} goes around the gate: {exempt[namespace]}.",
            remedy="Deploy to another namespace, or take it out of the exemptions.",
        )
        for namespace in namespaces
        if namespace in exempt
    ]
    if denying:
        for group, kind, namespace in sorted({*wanted, *(("", "Pod", one) for one in namespaces)}):
            labels = _labels(facts, namespace)
            if namespace not in exempt and not any(
                _matches_kind(one, group, kind) and _matches_namespace(one, namespace, labels) for one in denying
            ):
                holes.append(
                    Hole(
                        what=f"No constraint looks at {kind}s"
                        + (f" of {group}." if group else ".")
                        + (" Their Pods alone are looked at." if kind != "Pod" else ""),
                        remedy=f"Add the kind to `match.kinds` of {denying[0]['metadata']['name']}.",
                    )
                )
        holes += _providers(facts, found[0][1])
    return Gate(
        holes=tuple(dict.fromkeys(holes)),
        constraints=tuple(str(one["metadata"]["name"]) for one in denying),
        exempt=exempt,
    )


def _webhook(name: str, webhook: Mapping[str, Any], facts: Facts) -> list[Hole]:
    holes = []
    if webhook.get("failurePolicy") != "Fail":
        holes.append(
            Hole(
                what=f"The gate fails open: failurePolicy of {name} is {webhook.get('failurePolicy')}, so what "
                "Gatekeeper cannot answer in time is admitted.",
                remedy="Set `validatingWebhookFailurePolicy: Fail` in Gatekeeper's chart.",
            )
        )
    holes += [Hole(what=f"{name} does not look at {what}.", remedy=remedy) for what, remedy in _uncovered(webhook)]
    selector = webhook.get("objectSelector") or {}
    if selector.get("matchLabels") or selector.get("matchExpressions"):
        holes.append(
            Hole(what=f"{name} looks only at objects of certain labels.", remedy="Take its objectSelector away.")
        )
    if webhook.get("matchConditions"):
        holes.append(Hole(what=f"{name} has matchConditions that let objects pass.", remedy="Take them away."))
    service = _dig(webhook, "clientConfig", "service") or {}
    if service and f"{service.get('namespace')}/{service.get('name')}" not in facts.ready:
        holes.append(
            Hole(
                what="Gatekeeper does not run: nothing is ready behind "
                f"{service.get('namespace')}/{service.get('name')}.",
                remedy="Look at its Pods: `kubectl get pods -n gatekeeper-system`.",
            )
        )
    return holes


def _uncovered(webhook: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What brings an image into the cluster and no rule of the webhook looks at, and what to change."""
    gaps = [
        one
        for one in image_places.WORKLOADS
        if not all(_looks_at(webhook, one.group, one.version, one.plural, how) for how in ("CREATE", "UPDATE"))
    ]
    found = []
    if any(one.kind == "Pod" for one in gaps):
        found.append(("Pods that are created or updated", "Install Gatekeeper's chart."))
    if others := [one for one in gaps if one.kind != "Pod"]:
        kinds = ", ".join(f"{one.kind}s" for one in others)
        named = ", ".join(one.plural for one in others)
        found.append((f"{kinds}: they are accepted, and their Pods alone are judged", f"Add {named} to its rules."))
    for one, noun in image_places.SUBRESOURCES.items():
        if not _looks_at(webhook, "", "v1", one, "UPDATE"):
            found.append(
                (
                    f"{noun} ({one}), which change the images of a Pod that runs",
                    f"Add {one} to its rules: `*` does not mean subresources.",
                )
            )
    return found


def _looks_at(webhook: Mapping[str, Any], group: str, version: str, resource: str, operation: str) -> bool:
    """Whether a webhook is asked about a request, as the API server decides it.

    https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules
    """
    plural, _, sub = resource.partition("/")
    return any(
        set(rule.get("apiGroups") or ()) & {"*", group}
        and set(rule.get("apiVersions") or ()) & {"*", version}
        and set(rule.get("operations") or ()) & {"*", operation}
        and (rule.get("scope") or "*") in {"*", "Namespaced"}
        and any(
            named in {"*", plural} and within in {"*", sub}
            for named, _, within in (str(one).partition("/") for one in rule.get("resources") or ())
        )
        for rule in webhook.get("rules") or ()
    )


def _lets_pass(constraint: Mapping[str, Any]) -> Hole | None:
    """Why a constraint denies nothing that is asked of the webhook; None when it does deny."""
    name, action = constraint["metadata"]["name"], _dig(constraint, "spec", "enforcementAction") or "deny"
    scoped = action == "scoped" and any(
        one.get("action") == "deny"
        and any(point.get("name") in {"*", WEBHOOK} for point in one.get("enforcementPoints") or ())
        for one in _dig(constraint, "spec", "scopedEnforcementActions") or ()
    )
    if action != "deny" and not scoped:
        return Hole(
            what=f"The constraint {name} only tells: its enforcementAction is {action}.", remedy="Set it to `deny`."
        )
    if (source := _dig(constraint, "spec", "match", "source") or "All") not in {"All", "Original"}:
        return Hole(
            what=f"The constraint {name} does not look at what is created itself: its match.source is {source}.",
            remedy="Take `source` out of its `match`.",
        )
    return None


def _labels(facts: Facts, namespace: str) -> dict[str, str]:
    return {"kubernetes.io/metadata.name": namespace, **facts.namespaces.get(namespace, {})}


def _providers(facts: Facts, webhook: Mapping[str, Any]) -> list[Hole]:
    if not facts.providers:
        return [Hole(what="Ratify is not there: Gatekeeper knows no external data provider.", remedy=_INSTALL)]
    holes = []
    for one in facts.providers:
        name, url = one["metadata"]["name"], str(_dig(one, "spec", "url") or "")
        host = re.match(r"https://([^.:/]+)\.([^.:/]+)", url)
        if not url.startswith("https://") or not _dig(one, "spec", "caBundle"):
            holes.append(
                Hole(what=f"The Provider {name} is asked without TLS: anyone in between may answer.", remedy=_INSTALL)
            )
        elif host and f"{host[2]}/{host[1]}" not in facts.ready:
            holes.append(
                Hole(
                    what=f"Ratify does not run: nothing is ready behind {host[2]}/{host[1]}, where {name} leads.",
                    remedy=f"Look at its Pods: `kubectl get pods -n {host[2]}`.",
                )
            )
        timeout, patience = _dig(one, "spec", "timeout"), webhook.get("timeoutSeconds")
        if isinstance(timeout, int) and isinstance(patience, int) and timeout > patience:
            holes.append(
                Hole(
                    what=f"The API server waits {patience} s for Gatekeeper, which waits {timeout} s for {name}.",
                    remedy="Order them: webhook ≥ provider > Ratify.",
                )
            )
    return holes


def _asks(template: Mapping[str, Any]) -> bool:
    """Whether a template asks an external data provider; its code is either `rego` or in `code[].source.rego`."""
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
        set(one.get("apiGroups") or ()) & {group, "*"} and set(one.get("kinds") or ()) & {kind, "*"} for one in kinds
    )


def _exempt(
    facts: Facts, webhooks: Sequence[Mapping[str, Any]], constraints: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Namespaces that no constraint is asked for, with the reason."""
    found = {}
    for namespace in sorted(facts.namespaces):
        labels = _labels(facts, namespace)
        if not any(selects(webhook.get("namespaceSelector") or {}, labels) for webhook in webhooks):
            found[namespace] = "the webhook's namespaceSelector leaves it out"
        elif any(_config_exempts(one, namespace) for one in facts.configs):
            found[namespace] = "Gatekeeper's Config exempts it"
        elif constraints and not any(_matches_namespace(one, namespace, labels) for one in constraints):
            found[namespace] = f"the constraint {constraints[0]['metadata']['name']} does not match it"
    return found


def _matches_namespace(constraint: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> bool:
    match = _dig(constraint, "spec", "match") or {}
    only, never = match.get("namespaces") or (), match.get("excludedNamespaces") or ()
    if only and not any(fnmatch.fnmatchcase(namespace, str(one)) for one in only):
        return False
    if any(fnmatch.fnmatchcase(namespace, str(one)) for one in never):
        return False
    # Which objects have the labels cannot be known beforehand: a constraint for some does not cover the namespace.
    if match.get("labelSelector") or match.get("name") or match.get("scope") == "Cluster":
        return False
    return selects(match.get("namespaceSelector") or {}, labels)


def _config_exempts(config: Mapping[str, Any], namespace: str) -> bool:
    return any(
        set(one.get("processes") or ()) & {"*", "webhook"}
        and any(fnmatch.fnmatchcase(namespace, str(name)) for name in one.get("excludedNamespaces") or ())
        for one in _dig(config, "spec", "match") or ()
    )


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector (meta/v1 LabelSelector) takes these labels; one with an unknown operator does not."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for one in selector.get("matchExpressions") or ():
        key, values = one.get("key"), one.get("values") or ()
        fits = {
            "In": labels.get(key) in values,
            "NotIn": key not in labels or labels[key] not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not fits.get(str(one.get("operator")), False):
            return False
    return True


def pod(images: Sequence[str], place: image_places.Place = image_places.CONTAINERS, image: str = "") -> Object:
    """A Pod that no other policy should mind; it is only ever tried, never made.

    Args:
        images: of its containers.
        place: where it has one more image.
        image: that one; empty: there is none.
    """
    spec: Object = {
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(f"proof-{number}", one) for number, one in enumerate(images)],
    }
    if image and place.path == image_places.CONTAINERS.path:
        spec.setdefault(place.field, []).append(_container("proof", image))
    elif image:
        named: Any = image
        for step in reversed(place.path):
            named = {step: named}
        spec[place.field] = [{"name": "proof", **named}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "s3c-gate-", "labels": {"app.kubernetes.io/managed-by": "s3c"}},
        "spec": spec,
    }


def _container(name: str, image: str) -> Object:
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


def attempt(cluster: Cluster, namespace: str, *images: str) -> AdmissionDenied | None:
    """Ask the API server to take a Pod of these images, by dry run; the denial, None when it was admitted.

    Raises:
        OutsideError: it was refused for a reason that is not admission's.
    """
    denied = _attempt(cluster, namespace, pod(images))
    return _explained(cluster, denied) if denied is not None else None


def _attempt(cluster: Cluster, namespace: str, document: Object) -> AdmissionDenied | None:
    until, patience = time.monotonic() + 15, time.monotonic() + 60
    while True:
        try:
            cluster.create(PODS, document, namespace, dry_run=True)
        except AdmissionDenied as denied:
            # Ratify's verdict is kept for 10 s by itself and by Gatekeeper.
            if not any(denials.BUSY in one.reason for one in denied.denials) or time.monotonic() > patience:
                return denied
            time.sleep(5)
        except OutsideError as error:
            # A namespace's service account is made a moment after the namespace.
            if "serviceaccount" not in error.original or time.monotonic() > until:
                raise
            time.sleep(0.3)
        else:
            return None


def _explained(cluster: Cluster, denied: AdmissionDenied) -> AdmissionDenied:
    """The denial, with what Ratify's log says where Ratify itself does not, and where we may read it."""
    if not any(one.unavailable and one.trace for one in denied.denials):
        return denied
    try:
        pods = cluster.list(PODS, NAMESPACE, labelSelector=RATIFY)
        log = "\n".join(cluster.log(NAMESPACE, one["metadata"]["name"], seconds=_RECENT) for one in pods)
    except S3CError:
        return denied
    return AdmissionDenied(tuple(denials.explained(one, log) for one in denied.denials), denied.original)


def admitted(cluster: Cluster, images: Sequence[str], namespace: str) -> frozenset[str]:
    """Those of the images of which some Pod at once is admitted, in one request for several of them.

    What is not among them has to be asked about by itself: another one of its Pod, or the size of that, may be minded.
    """
    found: list[str] = []
    for start in range(0, len(images), _IN_A_POD):
        few = images[start : start + _IN_A_POD]
        with suppress(OutsideError):
            if len(few) > 1 and attempt(cluster, namespace, *few) is None:
                found += few
    return frozenset(found)


def ask(
    cluster: Cluster,
    reference: Reference,
    namespace: str,
    *,
    signatures: Callable[[Reference], Sequence[str]],
    tell: Callable[[str], None],
) -> AdmissionDenied | None:
    """Ask as `attempt` does, and wait for a gate that remembers an image from before it was signed.

    Args:
        cluster: where.
        reference: by digest.
        namespace: where the Pod is tried.
        signatures: digests of an image's signatures, whoever made them.
        tell: told when the gate is waited for, REMEMBERED seconds at most.

    Raises:
        OutsideError: as `attempt` does, or the registry does not answer.
    """
    denied = attempt(cluster, namespace, reference.pinned)
    if not _unsigned(denied) or not signatures(reference):
        return denied
    tell(f"{reference.pinned} is signed, and the gate remembers it without: asking for up to {REMEMBERED:g} s")
    until = time.monotonic() + REMEMBERED + _PATIENCE
    while _unsigned(denied) and time.monotonic() < until:
        time.sleep(1)
        denied = attempt(cluster, namespace, reference.pinned)
    return denied


def _unsigned(denied: AdmissionDenied | None) -> bool:
    return denied is not None and all(one.reason == denials.UNSIGNED for one in denied.denials)


def prove(cluster: Cluster, unsigned: str, namespace: str, constraints: Iterable[str], beside: str = _BESIDE) -> Proof:
    """Prove that the gate closes.

    Args:
        cluster: where.
        unsigned: an image, by digest, that is in the registry and has no signature.
        namespace: where the Pods are tried.
        constraints: the names of those that ask Ratify.
        beside: image of the container of a Pod that has the unsigned one in another place.

    Raises:
        Refused: a Pod was admitted, or denied by something that knows nothing of signatures.
        OutsideError: it was denied because Gatekeeper or Ratify could not be asked.
    """
    asking, first, tried = frozenset(constraints), None, []
    beside = beside if beside != unsigned else _BESIDE
    for place, denied in _denials(cluster, namespace, unsigned, beside):
        about = _about(denied, unsigned)
        if denied is None or (not about and _about(denied, beside)):
            raise _open(unsigned, "which nobody signed", place, namespace)
        if denied.unavailable and (not about or any(one.unavailable for one in about)):
            explained = _explained(cluster, denied)
            raise OutsideError(
                f"The gate admits nothing: {explained.denials[0].reason}.",
                cause=explained.cause,
                remedy=explained.remedy or "Look at the Pods in gatekeeper-system.",
                original=explained.original,
            )
        if not any(one.constraint in asking for one in about):
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
        raise _not_tried(namespace)
    return Proof(denied=first, places=tuple(tried))


def prove_absent(cluster: Cluster, namespace: str, constraints: Iterable[str]) -> Proof | S3CError:
    """Prove that the gate closes by an image that is not there: for a gate that knows of no other image yet.

    It is less than `prove`: that Ratify is asked, and that its word counts. A signature is nothing that it looks for.

    Returns:
        The proof, or the error that there is none (yet).

    Raises:
        OutsideError: a Pod was refused for a reason that is not admission's.
    """
    asking, first, tried = frozenset(constraints), None, []
    for place, denied in _denials(cluster, namespace, NOT_THERE, _BESIDE):
        about = _about(denied, NOT_THERE)
        if denied is None or (not about and _about(denied, _BESIDE)):
            return _open(NOT_THERE, "which is not there", place, namespace)
        # A verdict leaves a trace; what Ratify cannot find it says by itself.
        if not any(
            one.constraint in asking and (one.trace or "could not resolve descriptor" in one.original) for one in about
        ):
            return OutsideError(
                "Ratify does not answer Gatekeeper: everything is denied.",
                cause=denied.cause,
                remedy=f"Look at the logs of the Pods in {NAMESPACE}.",
                original=denied.original,
            )
        first = first or denied
        tried.append(place)
    return Proof(denied=first, places=tuple(tried)) if first is not None else _not_tried(namespace)


def _open(image: str, what: str, place: image_places.Place, namespace: str) -> Refused:
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


def _not_tried(namespace: str) -> OutsideError:
    return OutsideError(f"The gate was not proved: no Pod could be tried in {namespace}.")


def _denials(
    cluster: Cluster, namespace: str, image: str, beside: str
) -> Iterator[tuple[image_places.Place, AdmissionDenied | None]]:
    """What becomes of Pods with an image in each place that a new Pod can have one in; without what the cluster lacks.

    Raises:
        OutsideError: as `attempt`.
    """
    for place in image_places.PLACES:
        if not place.creatable:
            continue
        document = pod([image]) if place is image_places.CONTAINERS else pod([beside], place, image)
        try:
            denied = _attempt(cluster, namespace, document)
        except ApiError as error:
            if place is image_places.CONTAINERS or not _NO_SUCH_PLACE.search(error.message):
                raise
            continue
        yield place, denied


def _about(denied: AdmissionDenied | None, image: str) -> list[denials.Denial]:
    """Those of the denials that are about an image, by its digest."""
    digest, found = image.rpartition("@")[2], denied.denials if denied is not None else ()
    return [one for one in found if digest in (one.image or one.original)]


def refuse_unsigned(admitted: Iterable[Reference], signatures: Callable[[Reference], Sequence[str]]) -> None:
    """Take an image that has no signature and was admitted for what it is: proof that the gate is open.

    Args:
        admitted: by digest.
        signatures: digests of an image's signatures, whoever made them.

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


def refusal(looked: Gate) -> Refused:
    """The error of a gate with holes."""
    first = looked.holes[0]
    return Refused(
        " ".join(hole.what for hole in looked.holes),
        cause="What is deployed there would not be looked at, or not by all means.",
        remedy=f"{first.remedy} `require-gate: false` deploys all the same.",
    )


def unsigned_of(references: Sequence[Reference], signatures: Callable[[Reference], Sequence[str]]) -> str:
    """Something in the registry that is there, can be read, and that nobody signed: the signature of a signed image.

    A signature is a manifest of its own in the image's repository. So nothing has to be pushed for the proof.
    """
    for reference in references:
        for digest in signatures(reference):
            return reference.at(digest).pinned
    return ""


def _constraints(cluster: Cluster, kind: str) -> list[Object]:
    """Those of a template's kind; Gatekeeper serves them by the kind in small letters."""
    resource = Resource(path=CONSTRAINTS, plural=kind.lower(), namespaced=False)
    return [{**one, "kind": kind} for one in _listed(cluster, resource)]


def _listed(cluster: Cluster, resource: Resource) -> tuple[Object, ...]:
    try:
        return tuple(cluster.list(resource))
    except ApiError as error:
        if error.status == 404:  # the cluster knows no such kind
            return ()
        raise


def _dig(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
