"""The proof that a gate closes, by what the API server and the gate were recorded to answer (tests/data/gate)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.cluster import apply, denials, image_places, rollout
from s3c_actions.cluster.client import AdmissionDenied, ApiError, Cluster, Resource
from s3c_actions.cluster.gate import inspection, proof
from s3c_actions.core.errors import OutsideError, Refused, S3CError
from s3c_actions.core.progress import Silent, StepContext
from s3c_actions.result.model import DeployResult
from tests.support.deploying import at_gate
from tests.unit.cluster.gate.test_inspection import DATA, FACTS, facts, paused

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
        assert (resource, namespace) == (proof.PODS, inspection.NAMESPACE)
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


# Deploying


def target(kind: str, api: str, namespace: str = "shop", **spec: Any) -> apply.ApplyTarget:
    return apply.ApplyTarget(
        document={"apiVersion": api, "kind": kind, "metadata": {"name": "web"}, **({"spec": spec} if spec else {})},
        resource=Resource(path="/apis/x", plural="x", namespaced=True),
        namespace=namespace,
        source="m.yaml",
    )


POD: dict[str, Any] = {"template": {"spec": {"containers": [{"name": "main", "image": APP}]}}}
DEPLOYMENT = target("Deployment", "apps/v1", **POD)
ROLLOUT = target("Rollout", "argoproj.io/v1alpha1", **POD)
KNATIVE = target("Service", "serving.knative.dev/v1", **POD)
DATABASE = target("Database", "data.example.test/v1", image=APP)
BARE = target("Rollout", "argoproj.io/v1alpha1")
SERVICE = target("Service", "v1", "other", ports=[{"port": 80}])
MONITOR = target("ServiceMonitor", "monitoring.coreos.com/v1", "monitoring", endpoints=[{"port": "web"}])


def deployed(
    cluster: Cluster,
    *targets: apply.ApplyTarget,
    images: tuple[str, ...] = (APP,),
    signatures: dict[str, list[str]] = SIGNED,
    monkeypatch: pytest.MonkeyPatch,
    require: bool = True,
    accept: bool = False,
    pause: dict[str, str] | None = None,
) -> tuple[DeployResult, list[str]]:
    """The result after the step of the gate, and the sentences of the step."""
    sentences: list[str] = []

    class Step:
        def __enter__(self) -> Step:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def done(self, sentence: str) -> None:
            sentences.append(sentence)

    class Progress(Silent):
        def step(self, name: str) -> StepContext:
            assert name == "gate"
            return Step()

    (constraint,) = copy.deepcopy(FACTS["constraints"])
    constraint["spec"]["parameters"] = {"pause": pause} if pause else {}
    namespaces: dict[str, dict[str, str]] = {"shop": {}, "other": {}, "second": {}, "monitoring": {}}
    monkeypatch.setattr(
        inspection, "read_gate_objects", lambda _: facts(namespaces=namespaces, constraints=[constraint])
    )
    state = at_gate(
        cluster,
        targets,
        images,
        signatures=signatures,
        progress=Progress(),
        require_gate=require,
        accept_paused_gate=accept,
    )
    assert accept or not require or state.result.unsigned_denied == SIGNATURE
    assert {admission.verdict for admission in state.result.admissions} == {"unknown" if accept else "admitted"}
    return replace(state.result, warnings=tuple(state.warnings)), sentences


EVERY = [
    target(workload.kind, f"{workload.group}/{workload.version}".lstrip("/")) for workload in image_places.WORKLOADS
]


@pytest.mark.parametrize("workload", [*EVERY, ROLLOUT, KNATIVE, DATABASE, BARE], ids=lambda workload: workload.kind)
def test_the_gate_is_proved_for_every_kind_that_gets_images(workload, monkeypatch):
    cluster = closed()
    result, sentences = deployed(cluster, workload, SERVICE, MONITOR, monkeypatch=monkeypatch)
    assert "it has no signature" in result.denial
    assert sentences == [
        "an unsigned image is denied as a container, an init container and an image volume; 1 signed admitted"
    ]
    where = {namespace for namespace, _ in cluster.tried}
    assert where == ({"shop"} if workload is not BARE else {"shop", "other", "monitoring"})


@pytest.mark.parametrize("workload", [*EVERY, ROLLOUT, KNATIVE, DATABASE, BARE], ids=lambda workload: workload.kind)
@pytest.mark.parametrize("signatures", [SIGNED, {}], ids=["signed", "unsigned"])
def test_an_open_gate_is_refused_for_every_kind_that_gets_images(workload, signatures, monkeypatch):
    with pytest.raises(Refused, match="The gate is open"):
        deployed(Answers(lambda _: None), workload, signatures=signatures, monkeypatch=monkeypatch)


@pytest.mark.parametrize("place", CREATABLE, ids=lambda place: place.noun)
def test_a_place_that_the_gate_leaves_out_is_refused(place, monkeypatch):
    with pytest.raises(Refused, match=place.noun):
        deployed(closed(but=place), DEPLOYMENT, monkeypatch=monkeypatch)


def test_it_is_proved_in_each_namespace_that_gets_images(monkeypatch):
    cluster = closed()
    second = target("CronJob", "batch/v1", "second")
    deployed(cluster, DEPLOYMENT, second, SERVICE, monkeypatch=monkeypatch)
    assert {namespace for namespace, images in cluster.tried if SIGNATURE in images[image_places.CONTAINERS]} == {
        "shop",
        "second",
    }
    rest = closed()

    class OpenInSecond(Answers):
        def create(self, resource: Resource, document: dict[str, Any], namespace: str = "", *, dry_run: bool) -> Any:
            return document if namespace == "second" else rest.create(resource, document, namespace, dry_run=dry_run)

    with pytest.raises(Refused, match="lets Pods of the namespace second have"):
        deployed(OpenInSecond(lambda _: None), DEPLOYMENT, second, monkeypatch=monkeypatch)


def test_one_unsigned_image_that_is_admitted_beside_a_signed_one_is_refused(monkeypatch):
    signed = {APP: SIGNED[APP]}
    with pytest.raises(Refused, match="nobody signed it") as raised:
        deployed(closed(), DEPLOYMENT, images=(APP, OTHER), signatures=signed, monkeypatch=monkeypatch)
    assert raised.value.image == OTHER


def test_an_unsigned_image_that_is_denied_is_reported_as_such(monkeypatch):
    with pytest.raises(AdmissionDenied, match="it has no signature"):
        deployed(closed(bad=frozenset({APP})), DEPLOYMENT, signatures={}, monkeypatch=monkeypatch)


def test_a_set_without_images_asks_for_no_gate_unless_it_makes_pods(monkeypatch):
    cluster = closed()
    at_gate(cluster, [SERVICE, MONITOR], (), signatures={})
    assert cluster.tried == []
    monkeypatch.setattr(inspection, "read_gate_objects", lambda _: facts(namespaces={"shop": {}}))
    with pytest.raises(Refused, match="was not proved"):
        at_gate(cluster, [DEPLOYMENT], (), signatures={})


@pytest.mark.parametrize("require", [True, False])
def test_a_paused_gate_is_refused_unless_it_is_accepted(require, monkeypatch):
    pause = paused(timedelta(minutes=-1), timedelta(minutes=5))
    open_gate = Answers(lambda _: None)
    with pytest.raises(Refused, match=r"is paused from .* until .*: registry down\.") as raised:
        deployed(open_gate, DEPLOYMENT, monkeypatch=monkeypatch, pause=pause, require=require)
    assert "accept-paused-gate" in raised.value.remedy
    result, (sentence,) = deployed(
        open_gate, DEPLOYMENT, monkeypatch=monkeypatch, pause=pause, accept=True, require=require
    )
    assert "paused" in sentence
    assert [pause.reason for pause in result.pauses] == ["registry down"]
    assert any("is paused from" in warning for warning in result.warnings)
    assert open_gate.tried == []


@pytest.mark.parametrize(
    ("since", "until", "warned"),
    [
        (timedelta(hours=-1), timedelta(minutes=-1), False),
        (timedelta(minutes=1), timedelta(hours=1), True),
        (timedelta(hours=-1), timedelta(hours=9), True),
    ],
    ids=["over", "to come", "too long"],
)
def test_a_pause_that_is_not_in_force_is_proved_to_be_none(since, until, warned, monkeypatch):
    pause = paused(since, until)
    with pytest.raises(Refused, match="The gate is open"):
        deployed(Answers(lambda _: None), DEPLOYMENT, monkeypatch=monkeypatch, pause=pause)
    result, _ = deployed(closed(), DEPLOYMENT, monkeypatch=monkeypatch, pause=pause)
    assert any("pause" in warning for warning in result.warnings) is warned
    assert len(result.pauses) == 1


def test_changed_objects_of_custom_kinds_are_watched():
    changes = [
        apply.ObjectChange(target=target, action=action, before=None, after={})
        for target, action in (
            (DEPLOYMENT, "created"),
            (ROLLOUT, "created"),
            (KNATIVE, "unchanged"),
            (DATABASE, "configured"),
            (SERVICE, "created"),
            (MONITOR, "created"),
        )
    ]
    assert rollout.custom_targets(changes) == [ROLLOUT, DATABASE]
    # A kind of the same name in another group has another status.
    assert not rollout._watched(target("Job", "batch.volcano.sh/v1alpha1", **POD))
    assert json.dumps([workload.kind for workload in EVERY if rollout._watched(workload)]) == json.dumps(
        [workload.kind for workload in image_places.WORKLOADS if workload.kind not in {"PodTemplate", "CronJob"}]
    )
