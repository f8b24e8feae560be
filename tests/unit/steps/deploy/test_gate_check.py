"""Nothing is deployed behind a gate that was not seen to deny an unsigned image, for every kind and namespace."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.cluster import apply, image_places
from s3c_actions.cluster.client import AdmissionDenied, Cluster, Resource
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.errors import Refused
from s3c_actions.result.model import DeployResult
from tests.support.deploying import Sentences, at_gate
from tests.unit.cluster.gate.test_inspection import FACTS, facts, paused
from tests.unit.cluster.gate.test_proof import APP, CREATABLE, OTHER, SIGNATURE, SIGNED, Answers, closed


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
    progress = Sentences()
    (constraint,) = copy.deepcopy(FACTS["constraints"])
    constraint["spec"]["parameters"] = {"pause": pause} if pause else {}
    namespaces: dict[str, dict[str, str]] = {"shop": {}, "other": {}, "second": {}, "monitoring": {}}
    monkeypatch.setattr(
        gate_objects, "read_gate_objects", lambda _: facts(namespaces=namespaces, constraints=[constraint])
    )
    state = at_gate(
        cluster,
        targets,
        images,
        signatures=signatures,
        progress=progress,
        require_gate=require,
        accept_paused_gate=accept,
    )
    assert accept or not require or state.result.unsigned_denied == SIGNATURE
    assert {admission.verdict for admission in state.result.admissions} == {"unknown" if accept else "admitted"}
    return replace(state.result, warnings=tuple(state.warnings)), list(progress.ended.values())


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
    monkeypatch.setattr(gate_objects, "read_gate_objects", lambda _: facts(namespaces={"shop": {}}))
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
