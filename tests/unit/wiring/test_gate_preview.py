"""A preview as the inputs ask for it: by the installed gate or a policy to come; what goes around the gate apart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from s3c_actions.cluster import denials
from s3c_actions.cluster.client import AdmissionDenied, Cluster, Resource
from s3c_actions.cluster.gate import manifests, proof, stages
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.errors import InputError, OutsideError, Refused
from s3c_actions.core.gate_stage import GateStages, Stage
from s3c_actions.options import declare
from s3c_actions.options import gate as declared
from s3c_actions.options.gate import stages as parse_mode
from s3c_actions.policy.objection import Objection
from s3c_actions.wiring import gate_preview
from s3c_actions.wiring.install_gate import wanted_stages
from tests.support.contexts import create_context
from tests.unit.cluster.gate.test_inspection import facts

*_, SHIPPED = manifests.objects_for_identities(("*",))
GOOD, BAD, SYSTEM = (
    f"reg.example/{name}@sha256:{digit * 64}" for name, digit in (("good", "1"), ("bad", "2"), ("dns", "3"))
)
NAMESPACES: dict[str, dict[str, str]] = {"default": {}, "shop": {}, "kube-system": {}}


def given(task: str, **flags: str) -> declared.GateInputs:
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    return declare.read(declared.GateInputs, {"task": task, **named}, {}, lambda _old: None)


class Served(Cluster):
    """A cluster with three Pods, whose gate refuses one image and what is not there."""

    def __init__(self, *, answers: bool = True) -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        self.answers = answers
        self.pods = [("shop", "good", GOOD), ("shop", "bad", BAD), ("kube-system", "dns", SYSTEM)]

    def list(self, resource: Resource, namespace: str = "", **query: str) -> list[dict[str, Any]]:
        if resource.plural != "pods":
            return []
        return [
            {
                "metadata": {"namespace": place, "name": name},
                "spec": {"containers": [{"name": "x", "image": image}]},
            }
            for place, name, image in self.pods
            if namespace in {"", place}
        ]

    def create(self, resource: Resource, document: dict[str, Any], namespace: str = "", *, dry_run: bool) -> Any:
        images = [container["image"] for container in document["spec"]["containers"]]
        images += [container["image"] for container in document["spec"].get("initContainers", [])]
        images += [volume["image"]["reference"] for volume in document["spec"].get("volumes", [])]
        for image in images:
            absent = image == proof.ABSENT_IMAGE
            if self.answers and (absent or image in {BAD, SYSTEM}):
                why = "could not be verified: could not resolve descriptor for a subject" if absent else ""
                text = f"[{stages.PREVIEW}] {image} {why or 'is not trusted: it has no signature. (trace 54ab39d7)'}"
                message = f'admission webhook "validation.gatekeeper.sh" denied the request: {text}'
                raise AdmissionDenied(denials.parse(message), message)
        return document


@pytest.fixture
def context(tmp_path):
    return create_context(tmp_path)


@pytest.fixture
def installed(monkeypatch):
    """The gate in given stages, or none."""

    def install(mode: str, **changes: Any) -> None:
        constraints = list(stages.apply_stages([SHIPPED], parse_mode(mode))) if mode else []
        known = facts(**{"constraints": constraints, "namespaces": NAMESPACES} | changes)
        monkeypatch.setattr(gate_objects, "read_gate_objects", lambda _: known)

    return install


@pytest.mark.parametrize("mode", ["audit", "warn,shop=audit", "deny"])
def test_the_installed_gate_is_asked_in_every_stage(mode, installed, context):
    installed(mode)
    outcome = gate_preview.preview(given("preview"), context, Served(), 0.0)
    preview = outcome.preview
    assert preview is not None
    assert [(image.image, image.verdict, image.command) for image in preview.images] == [
        (BAD, "refused", f"s3c sign {BAD}"),
        (GOOD, "admitted", ""),
    ]
    assert [image.image for image in preview.exempt] == [SYSTEM]
    assert preview.stages == {"*": parse_mode(mode).default, **parse_mode(mode).named}
    assert outcome.text.startswith("✘ 1 of 2 images would be refused by the installed gate")
    assert (outcome.exit_code, outcome.files["gate-preview"].exists()) == (0, True)


def test_namespaces_limit_it_and_have_to_be_there(installed, context):
    installed("audit")
    preview = gate_preview.look(given("preview"), context, Served(), ["kube-system"])
    assert (preview.images, [image.image for image in preview.exempt]) == ((), [SYSTEM])
    with pytest.raises(InputError, match="shpo is not there"):
        gate_preview.look(given("preview"), context, Served(), ["shpo"])


def test_a_gate_that_answers_nothing_is_no_clean_preview(installed, context):
    installed("audit")
    with pytest.raises(Refused, match="does not tell what it would refuse"):
        gate_preview.look(given("preview"), context, Served(answers=False), ())
    installed("", constraints=[], webhooks=[])
    with pytest.raises(InputError, match="no gate that could be asked"):
        gate_preview.look(given("preview"), context, Served(), ())
    installed("audit", providers=[])
    with pytest.raises(Refused, match="Ratify is not there"):
        gate_preview.look(given("preview"), context, Served(), ())


def test_a_policy_to_come_is_judged_by_the_registry_also_without_a_gate(installed, context, monkeypatch, tmp_path):
    installed("", constraints=[], webhooks=[])
    policy = SimpleNamespace(digest="sha256:abc")
    monkeypatch.setattr("s3c_actions.policy.model.read", lambda _: policy)

    class Registry:
        def resolve(self, reference: Any) -> Any:
            if "good" not in reference.repository and not reference.digest:
                raise OutsideError("The registry does not answer.")
            return SimpleNamespace(digest=reference.digest or GOOD.partition("@")[2])

    class Opened:
        def __enter__(self) -> Any:
            return SimpleNamespace(registry=Registry())

        def __exit__(self, *_: object) -> None:
            return None

    def run(_judge: Any, reference: Any) -> Any:
        refusals = () if "good" in reference.repository else (Objection("x", f"patch it with `s3c patch {reference}`"),)
        return SimpleNamespace(refusals=refusals)

    registries: list[set[str]] = []

    def open_judge(_options: Any, _context: Any, _policy: Any, hosts: set[str]) -> Opened:
        registries.append(hosts)
        return Opened()

    monkeypatch.setattr(gate_preview, "open_policy_judge", open_judge)
    monkeypatch.setattr("s3c_actions.steps.judge.run", run)
    cluster = Served()
    cluster.pods += [("shop", "tagged", "reg.example/good:1"), ("shop", "down", "other.example/x:1")]
    file = tmp_path / "s3c-policy.yaml"
    file.write_text("version: 1\n")
    options = given("preview", policy=str(file), exempt_namespaces="kube-*")
    outcome = gate_preview.preview(options, context, cluster, 0.0)
    assert outcome.preview is not None
    assert registries == [{"reg.example", "other.example"}]
    assert [(image.image, image.verdict, image.names) for image in outcome.preview.images] == [
        (BAD, "refused", (BAD,)),
        ("other.example/x:1", "unknown", ("other.example/x:1",)),
        (GOOD, "admitted", ("reg.example/good:1", GOOD)),
    ]
    assert outcome.preview.images[0].command == f"s3c patch {BAD}"
    assert (outcome.preview.policy, outcome.preview.stages, outcome.exit_code) == ("sha256:abc", {}, 3)
    assert set(outcome.preview.exempt_namespaces) == {"kube-system"}


def test_the_stages_that_an_installation_asks_for():
    for flags, mode in (
        ({}, "deny"),
        ({"mode": "audit"}, "audit"),
        ({"mode": "warn", "namespaces": "shop,pay"}, "deny,pay=warn,shop=warn"),
        ({"mode": "deny,shop=warn"}, "deny,shop=warn"),
    ):
        assert wanted_stages(given("install", **flags)) == parse_mode(mode)
    assert wanted_stages(given("install")) == GateStages(default=Stage.DENY)
    for wrong in (
        {"namespaces": "shop"},
        {"mode": "deny,shop=warn", "namespaces": "pay"},
        {"mode": "kube-system=warn"},
        {"mode": "deny,team-a=warn", "exempt_namespaces": "team-*"},
    ):
        with pytest.raises(InputError) as raised:
            wanted_stages(given("install", **wrong))
        assert raised.value.field == "mode"
