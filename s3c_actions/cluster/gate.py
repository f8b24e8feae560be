"""The gate of a cluster: Gatekeeper's webhook, Ratify behind it, the constraint between them; looked at and tried.

What is looked at can be wrong in ways that nobody thought of, so the gate is proved as well: the API server is asked
to take a Pod of an image that nobody signed, by dry run. It has to be denied, and by a verdict on that image.
"""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from s3c_actions.cluster import denials
from s3c_actions.cluster.client import AdmissionDenied, ApiError, Cluster, Object, Resource
from s3c_actions.errors import OutsideError, Refused, S3CError
from s3c_actions.image import Reference

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
    denying = [one for one in constraints if (_dig(one, "spec", "enforcementAction") or "deny") == "deny"]
    if not asking:
        holes.append(Hole(what="No ConstraintTemplate asks Ratify about images.", remedy=_INSTALL))
    elif not constraints:
        holes.append(Hole(what=f"No constraint of the kind {', '.join(sorted(asking))} is there.", remedy=_INSTALL))
    holes += [
        Hole(
            what=f"The constraint {one['metadata']['name']} only tells: its enforcementAction is "
            f"{_dig(one, 'spec', 'enforcementAction')}.",
            remedy="Set it to `deny`.",
        )
        for one in constraints
        if one not in denying
    ]
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
            if namespace not in exempt and not any(_matches_kind(one, group, kind) for one in denying):
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
    operations = {
        operation
        for rule in webhook.get("rules") or ()
        if set(rule.get("resources") or ()) & {"*", "*/*", "pods"} and set(rule.get("apiGroups") or ()) & {"*", ""}
        for operation in rule.get("operations") or ()
    }
    if not operations & {"*"} and not {"CREATE", "UPDATE"} <= operations:
        holes.append(
            Hole(
                what=f"{name} does not look at Pods that are created or updated.", remedy="Install Gatekeeper's chart."
            )
        )
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
    for namespace, own in sorted(facts.namespaces.items()):
        labels = {"kubernetes.io/metadata.name": namespace, **own}
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


def pod(images: Sequence[str]) -> Object:
    """A Pod of some images that no other policy should mind; it is only ever tried, never made."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "s3c-gate-", "labels": {"app.kubernetes.io/managed-by": "s3c"}},
        "spec": {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": f"proof-{number}",
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
                for number, image in enumerate(images)
            ],
        },
    }


def attempt(cluster: Cluster, namespace: str, *images: str) -> AdmissionDenied | None:
    """Ask the API server to take a Pod of these images, by dry run; the denial, None when it was admitted.

    Raises:
        OutsideError: it was refused for a reason that is not admission's.
    """
    until, patience = time.monotonic() + 15, time.monotonic() + 60
    while True:
        try:
            cluster.create(PODS, pod(images), namespace, dry_run=True)
        except AdmissionDenied as denied:
            # Ratify's verdict is kept for 10 s by itself and by Gatekeeper.
            if not any(denials.BUSY in one.reason for one in denied.denials) or time.monotonic() > patience:
                return _explained(cluster, denied)
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


def prove(cluster: Cluster, unsigned: str, namespace: str, constraints: Iterable[str]) -> AdmissionDenied:
    """Prove that the gate closes.

    Args:
        cluster: where.
        unsigned: an image that is in the registry and has no signature.
        namespace: where the Pod is tried.
        constraints: the names of those that ask Ratify.

    Returns:
        The denial.

    Raises:
        Refused: the Pod was admitted, or denied by something that knows nothing of signatures.
        OutsideError: it was denied because Gatekeeper or Ratify could not be asked.
    """
    denied = attempt(cluster, namespace, unsigned)
    if denied is None:
        raise Refused(
            f"The gate is open: a Pod of an image that nobody signed was admitted to the namespace {namespace}.",
            cause="What the gate's objects say is not what it does.",
            remedy="Look at the constraint's status and at Ratify's Policy and Verifier; nothing was deployed.",
            image=unsigned,
        )
    if denied.unavailable:
        raise OutsideError(
            f"The gate admits nothing: {denied.denials[0].reason}.",
            cause=denied.cause,
            remedy=denied.remedy or "Look at the Pods in gatekeeper-system.",
            original=denied.original,
        )
    if not {one.constraint for one in denied.denials} & set(constraints):
        raise Refused(
            f"An unsigned image was denied in {namespace}, but not for its signature.",
            cause="Another policy denied it, so the gate is not proved.",
            remedy="Exempt Pods of the label app.kubernetes.io/managed-by=s3c from that policy, or prove it elsewhere.",
            original=denied.original,
        )
    return denied


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
