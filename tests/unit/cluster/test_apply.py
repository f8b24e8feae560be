"""The order of objects, definitions among them, replicas that an autoscaler set, and Jobs that run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from s3c_actions.cluster import apply, custom_definitions, prune, rollout
from s3c_actions.cluster.apply import ApplyTarget, ObjectChange
from s3c_actions.cluster.client import ApiError, Cluster, Resource
from s3c_actions.core.errors import InputError, OutsideError

JOBS = Resource(path="/apis/batch/v1", plural="jobs", namespaced=True)
DEPLOYMENTS = Resource(path="/apis/apps/v1", plural="deployments", namespaced=True)
ORDER = """
Namespace CustomResourceDefinition Service Deployment HorizontalPodAutoscaler Job APIService Certificate Widget
MutatingWebhookConfiguration ValidatingWebhookConfiguration
"""
CORE = (("ConfigMap", "configmaps"), ("PersistentVolumeClaim", "claims"), ("Endpoints", "endpoints"))
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.test"},
    "spec": {
        "group": "example.test",
        "names": {"kind": "Widget", "plural": "widgets"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True}, {"name": "v0", "served": False}],
    },
}


class Api(Cluster):
    """Answers by path: an object, or the status of a refusal; a list of answers is used up, the last one stays."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__(None, address="https://k.example.test")  # type: ignore[arg-type]  # no request is sent
        self.answers = answers
        self.asked: list[str] = []

    def request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        self.asked.append(f"{method} {path}")
        answer = self.answers.get(f"{method} {path}", self.answers.get(path, 404))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, int):
            raise ApiError(answer, "", "", what=f"HTTP {answer}")
        return dict(answer)


def kinds(*served: tuple[str, str]) -> dict[str, Any]:
    entries = [{"kind": kind, "name": name, "namespaced": True, "verbs": ["list", "delete"]} for kind, name in served]
    return {"resources": entries}


def target(kind: str, resource: Resource, spec: dict[str, Any] | None = None, name: str = "x") -> ApplyTarget:
    version = resource.path.removeprefix("/apis/").removeprefix("/api/")
    document = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec or {}}
    return ApplyTarget(document=document, resource=resource, namespace="shop", source="m.yaml")


def test_objects_are_in_helms_order_with_webhooks_last() -> None:
    expected = [
        "Namespace",
        "CustomResourceDefinition",
        "Service",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Job",
        "APIService",
        "Certificate",
        "Widget",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ]
    assert sorted(sorted(expected), key=apply._rank) == expected


def test_a_kind_that_is_defined_in_the_set_is_known_as_such() -> None:
    api = Api({"/apis/apiextensions.k8s.io/v1": kinds(("CustomResourceDefinition", "customresourcedefinitions"))})
    widget = {"apiVersion": "example.test/v1", "kind": "Widget", "metadata": {"name": "w"}}
    planned = apply.plan_targets([(widget, "m.yaml"), (CRD, "m.yaml")], api, "shop")
    assert [(target.kind, target.undefined) for target in planned] == [
        ("CustomResourceDefinition", False),
        ("Widget", True),
    ]
    assert planned[1].resource.url(planned[1].namespace, "w") == "/apis/example.test/v1/namespaces/shop/widgets/w"
    for other in ({**widget, "apiVersion": "example.test/v0"}, {**widget, "kind": "Gadget"}):
        with pytest.raises(InputError, match="the cluster knows no"):
            apply.plan_targets([(other, "m.yaml"), (CRD, "m.yaml")], api, "shop")


def test_a_generated_name_is_refused_with_the_way_round() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "migrate-"}}
    with pytest.raises(InputError, match="migrate- has a generated name") as refused:
        apply.plan_targets([(job, "m.yaml")], Api({}), "shop")
    assert "Server-side apply needs a name" in refused.value.cause
    assert "kubectl create" in refused.value.remedy


def test_definitions_are_waited_for() -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.test"
    established = {"status": {"conditions": [{"type": "Established", "status": "True"}]}}
    api = Api({path: [404, {}, established], "/apis/example.test/v1": [404, kinds(("Widget", "widgets"))]})
    slept: list[float] = []
    custom_definitions.wait_until_served(
        api, ["widgets.example.test"], [("example.test/v1", "Widget")], sleep=slept.append
    )
    assert len(slept) == 3
    refused = {"status": {"conditions": [{"type": "NamesAccepted", "status": "False", "message": "taken"}]}}
    with pytest.raises(OutsideError, match="are not accepted"):
        custom_definitions.wait_until_served(Api({path: refused}), ["widgets.example.test"], [])
    times = iter(range(0, 1000, 50))
    with pytest.raises(OutsideError, match=r"does not serve widgets\.example\.test 60 s after"):
        custom_definitions.wait_until_served(
            Api({}), ["widgets.example.test"], [], clock=lambda: next(times), sleep=slept.append
        )


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        ({"manager": "kube-controller-manager", "subresource": "scale"}, True),
        ({"manager": "keda-operator", "subresource": "scale"}, True),
        ({"manager": "kubectl", "subresource": "scale"}, False),
        ({"manager": "helm"}, False),
    ],
)
def test_replicas_of_an_autoscaler_stay(entry: dict[str, Any], kept: bool) -> None:
    fields: dict[str, Any] = {"fieldsV1": {"f:spec": {"f:replicas": {}}}}
    path = "/apis/apps/v1/namespaces/shop/deployments/x"
    live = {"metadata": {"managedFields": [{**entry, **fields}]}, "spec": {"replicas": 5}}
    given = target("Deployment", DEPLOYMENTS, {"replicas": 2, "paused": True})
    result, sentence = apply.keep_scaled(Api({path: live}), given)
    assert result.document["spec"] == ({"paused": True} if kept else {"replicas": 2, "paused": True})
    assert bool(sentence) is kept
    assert given.document["spec"]["replicas"] == 2
    assert apply.keep_scaled(Api({}), given) == (given, "")
    without = target("Deployment", DEPLOYMENTS, {})
    assert apply.keep_scaled(Api({path: live}), without) == (without, "")


def test_a_job_that_runs_is_not_recreated() -> None:
    path = "/apis/batch/v1/namespaces/shop/jobs"
    with pytest.raises(InputError, match="recreate: Job shop/x still runs"):
        apply.try_recreation(Api({f"{path}/x": {"status": {}}}), target("Job", JOBS))
    ended = {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}
    api = Api({f"{path}/x": ended, f"POST {path}": {}})
    apply.try_recreation(api, target("Job", JOBS))
    assert api.asked[-1] == f"POST {path}"


def test_a_removed_definition_is_gone() -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.test"
    resource = Resource(path="/apis/apiextensions.k8s.io/v1", plural="customresourcedefinitions", namespaced=False)
    definition = ApplyTarget(document=CRD, resource=resource, namespace="", source="m.yaml")
    change = ObjectChange(target=definition, action="created", before=None, after=CRD)
    slept: list[float] = []
    api = Api({f"DELETE {path}": {}, path: [CRD, CRD, 404]})
    undone = apply.undo(api, change, sleep=slept.append)
    assert undone is not None
    assert undone.action == "removed"
    assert api.asked == [f"DELETE {path}", *[f"GET {path}"] * 3]
    assert len(slept) == 2
    times = iter(range(0, 1000, 50))
    with pytest.raises(OutsideError, match=r"widgets\.example\.test is still being deleted") as e:
        apply.undo(Api({path: CRD}), change, clock=lambda: next(times), sleep=slept.append)
    assert "kubectl get customresourcedefinition widgets.example.test -o yaml" in str(e.value.remedy)
    deployment = target("Deployment", DEPLOYMENTS)
    api = Api({"/apis/apps/v1/namespaces/shop/deployments/x": {}})
    apply.undo(api, ObjectChange(target=deployment, action="created", before=None, after={}), sleep=slept.append)
    assert len(api.asked) == 1


def event(reason: str, message: str = "") -> dict[str, Any]:
    return {"items": [{"reason": "SuccessfulCreate"}, {"reason": reason, "message": message}]}


def test_a_job_that_is_gone_is_read_from_its_events() -> None:
    job = target("Job", JOBS, {"ttlSecondsAfterFinished": 0})
    change = ObjectChange(target=job, action="created", before=None, after={"metadata": {"uid": "u"}})
    events = "/api/v1/namespaces/shop/events"

    def wait(answer: Any, changed_object: ObjectChange = change) -> None:
        noted: list[str] = []
        rollout.wait_for_rollout(
            Api({events: answer}), [changed_object], timeout=5, note=noted.append, sleep=lambda _: None
        )
        assert noted == ["Job shop/x: complete, and removed by its TTL"]

    wait([event("Started"), event("Completed")])
    with pytest.raises(OutsideError, match="x failed: Job has reached the specified backoff limit"):
        wait(event("BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    with pytest.raises(OutsideError, match="no event tells how it ended"):
        wait(event("Started"))
    other = ObjectChange(target=target("Job", JOBS), action="created", before=None, after={})
    with pytest.raises(OutsideError, match="was deleted while it came up"):
        wait(event("Completed"), other)


def test_prune_lists_what_it_leaves_and_what_it_may_not_see() -> None:
    def listed(*names: str, **more: Any) -> dict[str, Any]:
        return {"items": [{"metadata": {"name": name, **more}} for name in names]}

    api = Api(
        {
            "/apis": {"groups": [{"preferredVersion": {"groupVersion": "example.test/v1"}}]},
            "/api/v1": kinds(
                ("ConfigMap", "configmaps"), ("PersistentVolumeClaim", "claims"), ("Endpoints", "endpoints")
            ),
            "/apis/example.test/v1": kinds(("Widget", "widgets"), ("Gadget", "gadgets")),
            "/api/v1/namespaces/shop/configmaps": listed("old", "kept"),
            "DELETE /api/v1/namespaces/shop/configmaps/old": {},
            "/api/v1/namespaces/shop/claims": listed("data"),
            "/api/v1/namespaces/shop/endpoints": listed("web"),
            "/apis/example.test/v1/namespaces/shop/widgets": listed("w", ownerReferences=[{}]),
            "/apis/example.test/v1/namespaces/shop/gadgets": 403,
        }
    )
    kept = target("ConfigMap", Resource(path="/api/v1", plural="configmaps", namespaced=True), name="kept")
    kept.document["apiVersion"] = "v1"
    deleted: list[ObjectChange] = []
    left, unseen = prune.prune(api, "part-of=shop", [kept], ["shop"], deleted.append)
    assert [change.target.where for change in deleted] == ["ConfigMap shop/old"]
    assert left.startswith("prune leaves PersistentVolumeClaim shop/data: the label part-of=shop")
    assert unseen == "prune could not look for Gadget: the account may not list these kinds."
    assert json.dumps(api.asked).count("DELETE") == 1
