"""The proof that a gate closes, by what the API server and the gate were recorded to answer (tests/data/gate)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from s3c_actions.cluster import denials, image_places
from s3c_actions.cluster.client import AdmissionDenied, ApiError, Cluster, Resource
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.cluster.gate import proof
from s3c_actions.core.errors import OutsideError, Refused, S3CError
from tests.unit.cluster.gate.test_inspection import DATA

CONSTRAINT = "ratify-verification"
APP, OTHER, SIGNATURE = (f"registry.test/app@sha256:{digit * 64}" for digit in "abc")
SIGNED = {APP: [SIGNATURE.partition("@")[2]], OTHER: [SIGNATURE.partition("@")[2]]}
CREATABLE = [place for place in image_places.PLACES if place.creatable]


def recorded(name: str, image: str) -> str:
    """A recorded denial, of this image."""
    message = (DATA / f"{name}.txt").read_text().strip()
    (denial,) = denials.parse(message)
    return message.replace(denial.image, image)


def entry(name: str, image: str) -> str:
    return recorded(name, image).partition("the request: ")[2]


def denied(*entries: str) -> AdmissionDenied:
    message = 'admission webhook "validation.gatekeeper.sh" denied the request: ' + "\n".join(entries)
    return AdmissionDenied(denials.parse(message), message)


def refused(status: int, message: str) -> ApiError:
    return ApiError(status, "", message, what=f"The cluster refused to create Pods (HTTP {status}).")


class Answers(Cluster):
    """A cluster that answers a Pod by what stands where in it; it was asked about `tried`, by namespace."""

    def __init__(self, answer: Callable[[dict[image_places.ImagePlace, list[str]]], S3CError | None]) -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        self.answer = answer
        self.tried: list[tuple[str, dict[image_places.ImagePlace, list[str]]]] = []

    def create(self, resource: Resource, document: dict[str, Any], namespace: str = "", *, dry_run: bool) -> Any:
        assert (resource, dry_run) == (proof.PODS, True)
        images: dict[image_places.ImagePlace, list[str]] = {}
        for pod_image in image_places.pod_images(document["spec"]):
            images.setdefault(pod_image.place, []).append(pod_image.image)
        self.tried.append((namespace, images))
        if (error := self.answer(images)) is not None:
            raise error
        return document

    def list(self, resource: Resource, namespace: str = "", **query: str) -> list[dict[str, Any]]:
        assert (resource, namespace) == (proof.PODS, gate_objects.NAMESPACE)
        return []  # of Ratify's log there is nothing to read


def closed(*, but: image_places.ImagePlace | None = None, bad: frozenset[str] = frozenset({SIGNATURE})) -> Answers:
    """A gate that looks at every place but one and trusts what is not bad; Ratify does not find `localhost:1`."""

    def answer(images_by_place: dict[image_places.ImagePlace, list[str]]) -> S3CError | None:
        entries = []
        for place, images in images_by_place.items():
            for image in images:
                if place != but and image in bad:
                    entries.append(entry("unsigned", image))
                if place != but and image.startswith("localhost:1/"):
                    entries.append(entry("absent-digest", image))
        return denied(*entries) if entries else None

    return Answers(answer)


@pytest.mark.parametrize("beside", [APP, proof._BESIDE])
def test_an_unsigned_image_is_tried_in_every_place_that_a_new_pod_has(beside):
    cluster = closed()
    closed_by = proof.prove_closed(cluster, SIGNATURE, "shop", [CONSTRAINT], beside)
    assert closed_by.places == (*CREATABLE,)
    assert closed_by.places_text == "as a container, an init container and an image volume"
    assert "it has no signature" in closed_by.what
    assert [images.get(place) for place, (_, images) in zip(CREATABLE, cluster.tried, strict=True)] == [[SIGNATURE]] * 3
    assert all(images[image_places.CONTAINERS] == [beside] for _, images in cluster.tried[1:])


@pytest.mark.parametrize("place", CREATABLE, ids=lambda place: place.noun)
def test_a_gate_that_leaves_out_a_place_is_open(place):
    with pytest.raises(Refused, match=rf"The gate is open: .* nobody signed, {place.phrase}") as raised:
        proof.prove_closed(closed(but=place), SIGNATURE, "shop", [CONSTRAINT], APP)
    assert raised.value.image == SIGNATURE
    assert (f"not at {place.noun}s" in raised.value.cause) is (place is not image_places.CONTAINERS)


def in_place(place: image_places.ImagePlace, error: S3CError | None) -> Answers:
    """As `closed`, but for a Pod that has the unsigned image there."""
    rest = closed()
    return Answers(lambda images: error if SIGNATURE in images.get(place, []) else rest.answer(images))


VOLUME = image_places.PLACES[-1]
NO_VOLUMES = 'Pod "s3c-gate-x" is invalid: spec.volumes[0]: Required value: must specify a volume type'
OWN_POLICY = "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'no-images' with binding 'b' denied request: no"


@pytest.mark.parametrize(("status", "message"), [(422, NO_VOLUMES), (422, OWN_POLICY)])
def test_a_place_that_the_cluster_has_not_is_not_claimed(status, message):
    closed_by = proof.prove_closed(in_place(VOLUME, refused(status, message)), SIGNATURE, "shop", [CONSTRAINT], APP)
    assert closed_by.places_text == "as a container and an init container"


QUOTA = "pods is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1"
SECURITY = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": restricted volume types'
RIGHT = 'pods is forbidden: User "ci" cannot create resource "pods" in API group "" in the namespace "shop"'


@pytest.mark.parametrize("place", CREATABLE, ids=lambda place: place.noun)
@pytest.mark.parametrize("message", [QUOTA, SECURITY, RIGHT])
def test_what_refuses_without_the_gate_proves_nothing(place, message):
    with pytest.raises(ApiError):
        proof.prove_closed(in_place(place, refused(403, message)), SIGNATURE, "shop", [CONSTRAINT], APP)


def test_the_first_place_has_to_be_there():
    with pytest.raises(ApiError):
        proof.prove_closed(
            in_place(image_places.CONTAINERS, refused(422, OWN_POLICY)), SIGNATURE, "shop", [CONSTRAINT], APP
        )


LABELS = 'admission webhook "policy.example" denied the request: no team label'


@pytest.mark.parametrize("place", CREATABLE, ids=lambda place: place.noun)
@pytest.mark.parametrize(
    "error",
    [
        AdmissionDenied(denials.parse(LABELS), LABELS),
        denied("[team-label] every Pod needs the label team"),
        denied(f"[{CONSTRAINT}] every Pod needs the label team"),
        denied(entry("unsigned", SIGNATURE).replace(CONSTRAINT, "another")),
    ],
)
def test_a_denial_for_another_reason_proves_nothing(place, error):
    with pytest.raises(
        Refused, match=f"An unsigned image {place.phrase} was denied in shop, but not for its signature"
    ):
        proof.prove_closed(in_place(place, error), SIGNATURE, "shop", [CONSTRAINT], APP)


@pytest.mark.parametrize("place", CREATABLE[1:], ids=lambda place: place.noun)
@pytest.mark.parametrize("beside", [APP, proof._BESIDE])
def test_a_denial_of_the_image_beside_it_shows_that_the_place_is_left_out(place, beside):
    with pytest.raises(Refused, match=f"The gate is open: .*{place.phrase}"):
        proof.prove_closed(in_place(place, denied(entry("unsigned", beside))), SIGNATURE, "shop", [CONSTRAINT], beside)


@pytest.mark.parametrize("name", ["absent-digest", "registry-down", "no-host"])
def test_no_verdict_on_the_unsigned_image_proves_nothing(name):
    with pytest.raises(OutsideError, match="The gate admits nothing"):
        proof.prove_closed(
            in_place(image_places.CONTAINERS, denied(entry(name, SIGNATURE))), SIGNATURE, "shop", [CONSTRAINT], APP
        )


def test_a_ratify_that_is_stopped_proves_nothing():
    message = (DATA / "ratify-stopped.txt").read_text().strip()
    with pytest.raises(OutsideError, match="Ratify could not be asked"):
        proof.prove_closed(
            Answers(lambda _: AdmissionDenied(denials.parse(message), message)), SIGNATURE, "x", [CONSTRAINT]
        )


def test_an_image_that_is_not_there_proves_an_installed_gate():
    closed_by = proof.prove_closed_by_absent_image(closed(), "shop", [CONSTRAINT])
    assert isinstance(closed_by, proof.GateProof)
    assert closed_by.places == (*CREATABLE,)
    for place in CREATABLE:
        open_ = proof.prove_closed_by_absent_image(closed(but=place), "shop", [CONSTRAINT])
        assert isinstance(open_, Refused)
        assert f"which is not there, {place.phrase}" in open_.what
    assert isinstance(proof.prove_closed_by_absent_image(closed(), "shop", ["another"]), OutsideError)
