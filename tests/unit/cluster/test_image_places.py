"""The one list of the places where an image can appear, and everything that has to go by it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from s3c_actions.cluster import deployed, image_places, manifests
from s3c_actions.cluster.gate import manifests as gate_manifests
from s3c_actions.cluster.gate import proof
from s3c_actions.cluster.manifests import parse_objects
from s3c_actions.core.errors import InputError

A, B, C, D = (f"registry.test/{name}@sha256:{name * 64}" for name in "abcd")
IMAGES = dict(zip(image_places.PLACES, (A, B, C, D), strict=True))


def spec(images: dict[image_places.ImagePlace, str]) -> dict[str, Any]:
    """A Pod's `spec` with an image in each of these places."""
    pod_spec: dict[str, Any] = {"containers": []}
    for number, (place, image) in enumerate(images.items()):
        item: Any = image
        for step in reversed(place.path):
            item = {step: item}
        pod_spec.setdefault(place.field, []).append({"name": f"n{number}", **item})
    return pod_spec


def workload_document(workload: image_places.Workload, pod: dict[str, Any]) -> dict[str, Any]:
    nested: Any = pod
    for step in reversed(workload.template):
        nested = {step: nested}
    version = f"{workload.group}/{workload.version}" if workload.group else workload.version
    return {"apiVersion": version, "kind": workload.kind, "metadata": {"name": "x"}, **nested}


def template() -> tuple[dict[str, Any], str]:
    (document,) = parse_objects(
        (gate_manifests.MANIFESTS / "gatekeeper" / "template.yaml").read_text(), "template.yaml"
    )
    return document, str(document["spec"]["targets"][0]["rego"])


def test_the_template_of_the_gate_looks_at_every_place_and_every_template():
    _, rego = template()
    match = re.search(r"^fields := (\[.*\])$", rego, re.MULTILINE)
    assert match
    assert set(json.loads(match[1])) == {place.field for place in image_places.PLACES if place.path == ("image",)}
    for place in image_places.PLACES:
        if place.path != ("image",):
            holder = f"pods[_].{place.field}[_]"
            assert f"volume := {holder}\n" in rego
            assert f"image := volume.{'.'.join(place.path)}\n" in rego
            assert f'["{place.field}", image] | image := spec.{place.field}[_].{".".join(place.path)}' in rego
    looked = {tuple(path.split(".")) for path in re.findall(r"pod := reviewed\.([\w.]+)$", rego, re.MULTILINE)}
    assert looked == set(image_places.TEMPLATE_PATHS)


def test_the_constraint_matches_every_workload_by_its_group():
    (constraint,) = parse_objects((gate_manifests.MANIFESTS / "gatekeeper" / "constraint.yaml").read_text(), "x")
    matched = {
        (group, kind)
        for rule in constraint["spec"]["match"]["kinds"]
        for group in rule["apiGroups"]
        for kind in rule["kinds"]
    }
    assert matched == {(workload.group, workload.kind) for workload in image_places.WORKLOADS}


@pytest.mark.parametrize("workload", image_places.WORKLOADS, ids=lambda workload: workload.kind)
def test_a_manifest_is_rewritten_in_every_place_of_every_workload(workload):
    document = workload_document(workload, spec(IMAGES))
    parsed = manifests.parse(json.dumps(document), source="x.json")
    assert sorted(use.image for use in parsed.uses) == [A, B, C, D]
    (written,) = parse_objects(parsed.rewritten({D: "registry.test/new@sha256:" + 64 * "e"}), "x.json")
    assert json.dumps(written) == json.dumps(document).replace(D, "registry.test/new@sha256:" + 64 * "e")
    assert image_places.creates_pods(document)
    assert image_places.is_built_in(workload.group, workload.kind)


def test_an_image_volume_without_a_reference_is_refused_and_other_volumes_are_none():
    pod = spec({image_places.CONTAINERS: A}) | {"volumes": [{"name": "v", "image": {"pullPolicy": "Always"}}]}
    with pytest.raises(InputError, match="Pod x, image volume v has no image"):
        manifests.parse(json.dumps(workload_document(image_places.WORKLOADS[0], pod)), source="x.json")
    pod["volumes"] = [{"name": "v", "emptyDir": {}}, {"name": "w", "image": None}]
    (use,) = manifests.parse(json.dumps(workload_document(image_places.WORKLOADS[0], pod)), source="x.json").uses
    assert use.image == A


def test_what_a_custom_kind_has_in_the_place_of_an_image_may_be_no_text():
    text = (
        "apiVersion: data.example.test/v1\nkind: Database\nmetadata: {name: orders}\n"
        "spec:\n  initContainers: [{name: warm, image: {repository: r.test/warm, tag: '1'}}]\n"
    )
    assert manifests.parse(text, source="x.yaml").uses == ()
    with pytest.raises(InputError, match="the image is no text"):
        manifests.parse(text.replace("data.example.test/v1", "v1").replace("Database", "Pod"), source="x.yaml")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "spec": {"template": {"spec": spec(IMAGES)}}}, True),
        (
            {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "spec": {"template": {"spec": spec(IMAGES)}}},
            True,
        ),
        (
            {
                "apiVersion": "jobset.x-k8s.io/v1alpha2",
                "kind": "JobSet",
                "spec": {"replicatedJobs": [{"template": {"spec": {"template": {"spec": spec(IMAGES)}}}}]},
            },
            True,
        ),
        ({"apiVersion": "data.example.test/v1", "kind": "Database", "spec": {"image": "registry.test/db:15"}}, True),
        ({"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "spec": {"endpoints": []}}, False),
        ({"apiVersion": "v1", "kind": "ConfigMap", "data": {"image": "x"}, "spec": {"image": "x"}}, False),
        ({"apiVersion": "v1", "kind": "Service", "spec": {"ports": []}}, False),
        ({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "spec": {"image": "x"}}, False),
    ],
)
def test_whatever_pods_come_of_gets_images(document, expected):
    assert image_places.creates_pods(document) is expected


def test_what_runs_is_listed_from_every_place():
    mounted = {"name": "n3", "volumeStatus": {"image": {"imageRef": f"registry.test/d@sha256:{64 * 'f'}"}}}
    pod = {
        "metadata": {"name": "x", "namespace": "shop"},
        "spec": spec(IMAGES | {image_places.PLACES[3]: "registry.test/d:1"}),
        "status": {"containerStatuses": [{"name": "n0", "imageID": A, "volumeMounts": [{"name": "other"}, mounted]}]},
    }
    assert sorted(deployed._images(pod)) == [
        (A, True),
        (B, True),
        (C, True),
        (f"registry.test/d:1@sha256:{64 * 'f'}", True),
    ]
    del pod["status"]
    assert ("registry.test/d:1", False) in deployed._images(pod)


@pytest.mark.parametrize("place", image_places.PLACES, ids=lambda place: place.noun)
def test_a_pod_of_the_proof_has_its_image_in_the_place_that_is_tried(place):
    pod_spec = proof.probe_pod([A], place, B)["spec"]
    assert sorted(pod_image.image for pod_image in image_places.pod_images(pod_spec)) == [A, B]
    assert B in {pod_image.image for pod_image in image_places.pod_images({place.field: pod_spec[place.field]})}
