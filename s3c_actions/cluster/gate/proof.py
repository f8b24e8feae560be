"""Prove the gate of a cluster, whose inspected objects can be wrong in unforeseen ways.

The API server is asked, by dry run, to admit Pods with an unsigned image, once in each place where a new Pod can have
one. Each has to be denied, by a verdict on that image: a quota, another policy or a missing permission denies too, and
proves nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from s3c_actions.cluster import denials, image_places
from s3c_actions.cluster.client import AdmissionDenied, ApiError, Cluster, KubernetesObject, Resource
from s3c_actions.cluster.gate import stages
from s3c_actions.cluster.gate.defects import INSTALL
from s3c_actions.cluster.gate.objects import NAMESPACE
from s3c_actions.core.errors import OutsideError, Refused, S3CError
from s3c_actions.core.reference import Reference

PODS = Resource(path="/api/v1", plural="pods", namespaced=True)
RATIFY_SELECTOR = "app.kubernetes.io/name=ratify"
REMEMBERED_SECONDS = 30.0
"""Seconds that a verdict is cached, as set in manifests/: by Gatekeeper, by Ratify and by Ratify's store, 10 each."""
_PATIENCE = 5.0
_IN_A_POD = 4
_RECENT = 120
ABSENT_IMAGE = f"localhost:1/s3c-gate-probe@sha256:{64 * '0'}"
"""Nothing listens on port 1, and no image has this digest."""
# Not an existing image: it is the image of a proof's container while another place is tried.
_BESIDE = f"localhost:1/s3c-gate-probe@sha256:{64 * '1'}"
# The API server's message for an unknown volume type, or one denied by its own policy: both precede webhooks.
_NO_SUCH_PLACE = re.compile(r"must specify a volume type|ValidatingAdmissionPolicy '[^']*'.* denied request", re.DOTALL)


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
    def places_text(self) -> str:
        """Return the places for people: `as a container, an init container and an image volume`."""
        phrases = [place.phrase.removeprefix("as ") for place in self.places]
        return "as " + " and ".join(part for part in (", ".join(phrases[:-1]), phrases[-1]) if part)


def probe_pod(
    images: Sequence[str],
    place: image_places.ImagePlace = image_places.CONTAINERS,
    image: str = "",
    *,
    preview: bool = False,
) -> KubernetesObject:
    """Return a Pod that no other policy should reject; it is only used in dry runs, never created.

    Args:
        images: of its containers.
        place: where it has an additional image.
        image: the additional image; empty: none.
        preview: it is denied what the stage `deny` denies, in whatever stage its namespace is.
    """
    labels = {"app.kubernetes.io/managed-by": "s3c"} | ({stages.PREVIEW_LABEL: "true"} if preview else {})
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
        "metadata": {"generateName": "s3c-gate-", "labels": labels},
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


def try_images(
    cluster: Cluster,
    namespace: str,
    *images: str,
    preview: bool = False,
    admitted: list[KubernetesObject] | None = None,
) -> AdmissionDenied | None:
    """Ask the API server to admit a Pod with these images, by dry run; return the denial, None when it was admitted.

    Args:
        cluster: to ask.
        namespace: of the Pod.
        images: of its containers.
        preview: as in `probe_pod`.
        admitted: an admitted Pod is appended to it, as mutation changed it.

    Raises:
        OutsideError: it was rejected for a reason other than admission.
    """
    denied = _try_pod(cluster, namespace, probe_pod(images, preview=preview), admitted)
    return _with_ratify_log(cluster, denied) if denied is not None else None


def _try_pod(
    cluster: Cluster, namespace: str, document: KubernetesObject, admitted: list[KubernetesObject] | None = None
) -> AdmissionDenied | None:
    account_deadline, busy_deadline = time.monotonic() + 15, time.monotonic() + 60
    while True:
        try:
            taken = cluster.create(PODS, document, namespace, dry_run=True)
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
            if admitted is not None:
                admitted.append(taken)
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
    preview: bool = False,
) -> AdmissionDenied | None:
    """Try a Pod as `attempt` does, and wait for a gate that cached an image's verdict from before it was signed.

    Args:
        cluster: to ask.
        reference: by digest.
        namespace: of the Pod.
        signatures: returns the digests of an image's signatures, whoever made them.
        tell: called before waiting for the gate, REMEMBERED seconds at most.
        preview: as in `probe_pod`.

    Raises:
        OutsideError: as `attempt` does, or the registry does not answer.
    """
    denied = try_images(cluster, namespace, reference.pinned, preview=preview)
    if not _unsigned(denied) or not signatures(reference):
        return denied
    tell(f"{reference.pinned} is signed, and the gate remembers it without: asking for up to {REMEMBERED_SECONDS:g} s")
    deadline = time.monotonic() + REMEMBERED_SECONDS + _PATIENCE
    while _unsigned(denied) and time.monotonic() < deadline:
        time.sleep(1)
        denied = try_images(cluster, namespace, reference.pinned, preview=preview)
    return denied


def _unsigned(denied: AdmissionDenied | None) -> bool:
    return denied is not None and all(denial.reason == denials.NO_SIGNATURE for denial in denied.denials)


def prove_closed(
    cluster: Cluster,
    unsigned: str,
    namespace: str,
    constraints: Iterable[str],
    beside: str = _BESIDE,
    *,
    preview: bool = False,
) -> GateProof:
    """Prove that the gate denies an unsigned image.

    Args:
        cluster: to ask.
        unsigned: an image, by digest, that is in the registry and has no signature.
        namespace: of the Pods.
        constraints: the names of those that ask Ratify.
        beside: image of the container of a Pod that has the unsigned one in another place.
        preview: as in `probe_pod`.

    Raises:
        Refused: a Pod was admitted, or denied by something that does not check signatures.
        OutsideError: it was denied because Gatekeeper or Ratify could not be reached.
    """
    asking, first, tried = frozenset(constraints), None, []
    beside = beside if beside != unsigned else _BESIDE
    for place, denied in _try_places(cluster, namespace, unsigned, beside, preview=preview):
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


def prove_closed_by_absent_image(
    cluster: Cluster, namespace: str, constraints: Iterable[str], *, preview: bool = False
) -> GateProof | S3CError:
    """Prove that the gate denies an image that does not exist: for a gate that knows no other image yet.

    It proves less than `prove`: that Ratify is asked, and that its verdict counts, but not that signatures are checked.

    Args:
        cluster: to ask.
        namespace: of the Pods.
        constraints: the names of those that ask Ratify.
        preview: as in `probe_pod`: for a gate in a stage that admits everything.

    Returns:
        The proof, or the error that there is none (yet).

    Raises:
        OutsideError: a Pod was rejected for a reason other than admission.
    """
    asking, first, tried = frozenset(constraints), None, []
    for place, denied in _try_places(cluster, namespace, ABSENT_IMAGE, _BESIDE, preview=preview):
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
        remedy = f"{INSTALL} Nothing was deployed."
    return Refused(
        f"The gate is open: it lets Pods of the namespace {namespace} have {image}, {what}, {place.phrase}.",
        cause=cause,
        remedy=remedy,
        image=image,
    )


def _not_proved_error(namespace: str) -> OutsideError:
    return OutsideError(f"The gate was not proved: no Pod could be tried in {namespace}.")


def _try_places(
    cluster: Cluster, namespace: str, image: str, beside: str, *, preview: bool = False
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
        alone = place is image_places.CONTAINERS
        document = probe_pod([image], preview=preview) if alone else probe_pod([beside], place, image, preview=preview)
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


def find_unsigned(references: Sequence[Reference], signatures: Callable[[Reference], Sequence[str]]) -> str:
    """Return a readable, unsigned manifest in the registry: the signature of a signed image.

    A signature is a manifest of its own in the image's repository, so nothing has to be pushed for the proof.
    """
    for reference in references:
        for digest in signatures(reference):
            return reference.at(digest).pinned
    return ""
