"""A promotion: which stage comes next, what it needs, and what is written into the cluster."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from s3c_actions.cluster import denials
from s3c_actions.cluster.client import AdmissionDenied, ApiError, Cluster, Resource
from s3c_actions.cluster.gate import inspection, manifests, proof, stages
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.errors import InputError, OutsideError, Refused
from s3c_actions.core.gate_stage import Stage
from s3c_actions.core.progress import Silent
from s3c_actions.options.gate import stages as parse_mode
from s3c_actions.report.document import PreviewEntry, PreviewImage
from s3c_actions.steps import promote_gate
from s3c_actions.steps.promote_gate import PromoteTools, find_exceptions, plan, read_records
from tests.unit.cluster.gate.test_inspection import FACTS

*_, SHIPPED = manifests.objects_for_identities(("*",))
APP, OTHER = (f"reg.example/app@sha256:{digit * 64}" for digit in "12")


def live(mode: str) -> list[dict[str, Any]]:
    documents = copy.deepcopy(list(stages.apply_stages([SHIPPED], parse_mode(mode))))
    for document in documents:
        document["metadata"] |= {"generation": 1, "resourceVersion": "1"}
    return documents


@pytest.mark.parametrize(
    ("before", "namespaces", "after"),
    [
        ("audit", (), "warn"),
        ("warn", (), "deny"),
        ("warn,shop=audit", (), "deny,shop=audit"),
        ("warn,shop=audit", ("shop",), "warn"),
        ("warn", ("shop", "pay"), "warn,pay=deny,shop=deny"),
        ("audit,pay=warn", (), "warn"),
        ("deny,pay=warn", ("pay",), "deny"),
    ],
)
def test_the_next_stage(before, namespaces, after):
    promotion = plan(live(before), namespaces, "https://cluster.test")
    assert promotion.after == parse_mode(after)
    assert not promotion.after.weakened(promotion.before)
    assert {promotion.after.of(name) for name in namespaces or ("default",)} == {promotion.stage}


@pytest.mark.parametrize(
    ("before", "namespaces", "field", "what"),
    [
        ("deny", (), "task", "in the stage deny already"),
        ("deny,shop=warn", ("pay",), "namespaces", "in the stage deny already"),
        ("warn,shop=audit", ("shop", "pay"), "namespaces", "several stages: shop in audit, pay in warn"),
        ("warn", ("kube-system",), "namespaces", "has no stage"),
    ],
)
def test_a_promotion_that_cannot_be(before, namespaces, field, what):
    with pytest.raises(InputError, match=what) as raised:
        plan(live(before), namespaces, "https://cluster.test")
    assert raised.value.field == field


def test_a_gate_of_other_constraints_is_not_promoted():
    with pytest.raises(InputError, match="no gate with stages"):
        plan([], (), "https://cluster.test")


def image(name: str, verdict: Any, **fields: Any) -> PreviewImage:
    given = {"names": (name,), "reason": "it has no signature", "remedy": "", "command": f"s3c sign {name}"} | fields
    return PreviewImage(image=name, verdict=verdict, places=("shop/app",), running=True, static=False, **given)


def seen(*images: PreviewImage) -> PreviewEntry:
    return PreviewEntry(cluster="c", policy="", stages={}, images=images, exempt=(), exempt_namespaces={})


def test_only_what_is_named_may_be_refused():
    assert find_exceptions(seen(image(APP, "admitted")), ()) == ()
    for verdict, verb in (("refused", "would be refused"), ("unknown", "could not be judged")):
        preview = seen(image(APP, verdict), image(OTHER, "admitted"))
        with pytest.raises(Refused, match=verb) as raised:
            find_exceptions(preview, ())
        assert "1 of 2 images" in raised.value.what
        assert f"s3c sign {APP}" in raised.value.remedy
        assert find_exceptions(preview, (APP,)) == (APP,)
    tagged = image(APP, "refused", names=("reg.example/app:1", APP))
    assert find_exceptions(seen(tagged), ("reg.example/app:1",)) == (APP,)
    with pytest.raises(Refused):
        find_exceptions(seen(image(APP, "refused"), image(OTHER, "refused")), (APP,))
    for unused in (OTHER, "reg.example/none:1"):
        with pytest.raises(InputError, match="is not refused"):
            find_exceptions(seen(image(APP, "refused"), image(OTHER, "admitted")), (APP, unused))


class Api(Cluster):
    """A cluster with the gate: Gatekeeper follows at once, and denies an image that is not there by its constraints."""

    def __init__(self, mode: str, *, policy: str = "Ignore", knows: bool = True) -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        self.objects = {str(constraint["metadata"]["name"]): constraint for constraint in live(mode)}
        self.webhook = copy.deepcopy(FACTS["webhooks"][0])
        self.webhook["metadata"]["resourceVersion"] = "7"
        for hook in self.webhook["webhooks"]:
            hook["failurePolicy"] = policy if hook["name"] == gate_objects.WEBHOOK else "Ignore"
        self.knows, self.written = knows, list[str]()

    def request(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        if path == gate_objects.CONSTRAINTS:
            return {"resources": [{"kind": "RatifyVerification", "name": "ratifyverification", "namespaced": False}]}
        assert (method, path) == ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews")
        if not self.knows:
            raise ApiError(404, "NotFound", "no such kind", what="The cluster knows no such kind.")
        return {"status": {"userInfo": {"username": "admin@example.com"}}}

    def list(self, resource: Resource, namespace: str = "", **query: str) -> list[dict[str, Any]]:
        names = {name: {"metadata": {"name": name}} for name in ("default", "shop", "kube-system")}
        served: dict[str, list[dict[str, Any]]] = {
            "constrainttemplates": FACTS["templates"],
            "ratifyverification": [*self.objects.values()],
            "validatingwebhookconfigurations": [self.webhook],
            "providers": FACTS["providers"],
            "namespaces": [*names.values()],
            "endpointslices": [
                {
                    "metadata": {
                        "namespace": name.partition("/")[0],
                        "labels": {"kubernetes.io/service-name": name.partition("/")[2]},
                    },
                    "endpoints": [{"conditions": {"ready": True}}],
                }
                for name in FACTS["ready"]
            ],
        }
        return served.get(resource.plural, [])

    def get(self, resource: Resource, name: str, namespace: str = "") -> dict[str, Any] | None:
        constraint = self.objects.get(name)
        pods = [
            {"operations": ["webhook"], "observedGeneration": (constraint or {}).get("metadata", {}).get("generation")}
        ]
        return {**constraint, "status": {"byPod": pods}} if constraint else None

    def apply(
        self, resource: Resource, document: dict[str, Any], namespace: str = "", *, dry_run: bool, force: bool
    ) -> dict[str, Any]:
        assert not dry_run
        name = document["metadata"]["name"]
        before = self.objects.get(name, {"metadata": {"generation": 0, "resourceVersion": "0"}})
        kept = {**before["metadata"], **document["metadata"]}
        if before.get("spec") != document["spec"]:
            kept |= {"generation": kept["generation"] + 1, "resourceVersion": str(int(kept["resourceVersion"]) + 1)}
        self.objects[name] = {**document, "metadata": kept}
        self.written.append(name)
        return self.objects[name]

    def merge(
        self, resource: Resource, name: str, patch: dict[str, Any], namespace: str = "", *, dry_run: bool = False
    ) -> dict[str, Any]:
        if resource == gate_objects.WEBHOOKS:
            assert patch["metadata"] == {"resourceVersion": "7"}
            self.webhook["webhooks"] = patch["webhooks"]
            self.written.append("webhook")
            return {**self.webhook}
        changed: dict[str, Any] = copy.deepcopy(self.objects[name])
        changed["metadata"].setdefault("annotations", {}).update(patch["metadata"]["annotations"])
        changed["metadata"]["managedFields"] = [{"time": "2026-11-29T12:00:00Z"}]
        if not dry_run:
            self.objects[name] = changed
        return changed

    def delete(self, resource: Resource, name: str, namespace: str = "") -> None:
        del self.objects[name]
        self.written.append(f"-{name}")

    def create(self, resource: Resource, document: dict[str, Any], namespace: str = "", *, dry_run: bool) -> Any:
        assert (resource, dry_run) == (proof.PODS, True)
        image_name = proof.ABSENT_IMAGE
        preview = stages.PREVIEW_LABEL in document["metadata"]["labels"]
        facts = gate_objects.GateObjects(
            **{**FACTS, "constraints": tuple(self.objects.values()), "namespaces": {namespace: {}}}
        )
        looked = inspection.inspect(facts, [("", "Pod", namespace)], accept=Stage.AUDIT)
        by = [stages.PREVIEW] if preview and stages.PREVIEW in self.objects else []
        by += [stages.BASE] if looked.stages.get(namespace) is Stage.DENY else []
        if by:
            text = f"[{by[0]}] {image_name} could not be verified: could not resolve descriptor for a subject"
            message = f'admission webhook "validation.gatekeeper.sh" denied the request: {text}'
            raise AdmissionDenied(denials.parse(message), message)
        return document


def promoted(api: Api, *namespaces: str, exceptions: tuple[str, ...] = ()) -> Any:
    promotion = plan(list(api.objects.values()), namespaces, api.address)
    return promote_gate.run(promotion, exceptions, PromoteTools(cluster=api, namespace="default", progress=Silent()))


def test_the_constraint_keeps_who_promoted_when_and_what_may_be_refused():
    api = Api("audit")
    assert promoted(api, exceptions=(APP,)).stages == {"default": Stage.WARN}
    assert stages.read_stages(api.objects.values()) == parse_mode("warn")
    result = promoted(api)
    assert (result.failure, result.stages) == (None, {"default": Stage.DENY})
    assert stages.read_stages(api.objects.values()) == parse_mode("deny")
    assert set(api.objects) == {stages.BASE}
    by = {"at": "2026-11-29T12:00:00Z", "by": "admin@example.com", "namespaces": []}
    assert read_records(api.objects[stages.BASE]["metadata"]["annotations"][stages.PROMOTION]) == [
        {**by, "stage": "deny", "except": []},
        {**by, "stage": "warn", "except": [APP]},
    ]


def test_the_webhook_fails_closed_before_anything_is_denied(monkeypatch):
    monkeypatch.setattr(promote_gate, "TAKEN_SECONDS", 0.0)  # one that fails open is never proved
    api = Api("warn")
    assert promoted(api, "shop").applied[0].kind == "ValidatingWebhookConfiguration"
    assert api.written[0] == "webhook"
    hooks = {hook["name"]: hook["failurePolicy"] for hook in api.webhook["webhooks"]}
    assert hooks.pop(gate_objects.WEBHOOK) == "Fail"
    assert set(hooks.values()) <= {"Ignore"}
    assert stages.read_stages(api.objects.values()) == parse_mode("warn,shop=deny")
    watching = Api("audit", policy="Ignore")
    promoted(watching, "shop")
    assert "webhook" not in watching.written


def test_a_namespace_gets_its_constraint_before_it_loses_another():
    api = Api("warn,shop=audit")
    assert promoted(api, "shop").stages == {"shop": Stage.WARN}
    assert api.written == [stages.PREVIEW, stages.BASE, f"-{stages.constraint_name(Stage.AUDIT)}"]


def test_nothing_changes_where_the_cluster_does_not_say_who_promotes():
    api = Api("audit", knows=False)
    with pytest.raises(OutsideError, match="does not say as whom"):
        promoted(api)
    assert api.written == []


def test_an_error_half_way_is_the_results(monkeypatch):
    api = Api("audit")
    monkeypatch.setattr(promote_gate, "TAKEN_SECONDS", 0.0)
    monkeypatch.setattr(api, "create", lambda *_, **__: None)
    result = promoted(api)
    assert isinstance(result.failure, Refused)
    assert [change.name for change in result.applied] == [stages.PREVIEW, stages.BASE]


@pytest.mark.parametrize("text", [None, "", "x", "{}", "[1]", json.dumps("a")])
def test_a_record_that_somebody_else_wrote_is_none(text):
    assert read_records(text) == []
