"""A live gate in stages: proved, changed, and what a deployment behind one that only watches says."""

from __future__ import annotations

from typing import Any

import pytest

from s3c_actions.cluster import denials
from s3c_actions.cluster.client import AdmissionDenied, Cluster, Resource
from s3c_actions.cluster.gate import inspection, manifests, proof, stages, staging
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.errors import OutsideError, Refused, S3CError
from s3c_actions.core.gate_stage import Stage
from s3c_actions.options.gate import stages as parse_mode
from s3c_actions.steps.deploy.state import DeployState
from tests.support.deploying import at_gate
from tests.unit.cluster.gate.test_inspection import facts
from tests.unit.cluster.gate.test_proof import APP, OTHER, SIGNED
from tests.unit.steps.deploy.test_gate_check import DEPLOYMENT

*_, SHIPPED = manifests.objects_for_identities(("*",))


class Watching(Cluster):
    """A gate that refuses `bad` images: of every Pod of a preview, and of others in the namespaces in `deny`."""

    def __init__(self, mode: str, *bad: str, tells: bool = True) -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        self.stages, self.bad, self.tells = parse_mode(mode), {*bad, proof.ABSENT_IMAGE}, tells

    def create(self, resource: Resource, document: dict[str, Any], namespace: str = "", *, dry_run: bool) -> Any:
        assert (resource, dry_run) == (proof.PODS, True)
        preview = stages.PREVIEW_LABEL in document["metadata"]["labels"]
        images = {container["image"] for container in document["spec"]["containers"]}
        if (preview and self.tells) or self.stages.of(namespace) is Stage.DENY:
            images |= {container["image"] for container in document["spec"].get("initContainers", [])}
            images |= {volume["image"]["reference"] for volume in document["spec"].get("volumes", [])}
            for image in sorted(images & self.bad):
                base = stages.BASE if self.stages.default is Stage.DENY else stages.constraint_name(Stage.DENY)
                name = stages.PREVIEW if preview else base
                text = f"[{name}] {image} is not trusted: it has no signature. (trace 54ab39d7)"
                message = f'admission webhook "validation.gatekeeper.sh" denied the request: {text}'
                raise AdmissionDenied(denials.parse(message), message)
        return document


def deployed(
    cluster: Watching, monkeypatch: pytest.MonkeyPatch, *, accept: Stage = Stage.DENY, require: bool = True
) -> DeployState:
    constraints = list(stages.apply_stages([SHIPPED], cluster.stages))
    namespaces: dict[str, dict[str, str]] = {"shop": {}, "default": {}}
    known = facts(constraints=constraints, namespaces=namespaces)
    monkeypatch.setattr(gate_objects, "read_gate_objects", lambda _: known)
    return at_gate(cluster, [DEPLOYMENT], (APP, OTHER), signatures=SIGNED, require_gate=require, accept_stage=accept)


@pytest.mark.parametrize("mode", ["warn", "audit", "deny,shop=warn", "audit,shop=warn"])
def test_a_gate_that_only_watches_is_refused_and_named(mode, monkeypatch):
    stage = parse_mode(mode).of("shop")
    with pytest.raises(Refused, match=rf"only tells in shop: .* \(stage {stage}\)") as raised:
        deployed(Watching(mode), monkeypatch)
    assert f"`accept-stage: {stage}`" in raised.value.remedy
    state = deployed(Watching(mode), monkeypatch, require=False)
    assert any(f"stage {stage}" in warning for warning in state.warnings)
    assert {admission.verdict for admission in state.result.admissions} == {"unknown"}


def test_a_stage_that_is_weaker_than_what_is_accepted_is_refused(monkeypatch):
    with pytest.raises(Refused, match="stage audit"):
        deployed(Watching("audit"), monkeypatch, accept=Stage.WARN)
    assert deployed(Watching("warn"), monkeypatch, accept=Stage.AUDIT).result.stages == {"shop": Stage.WARN}


def test_an_accepted_stage_deploys_and_says_what_deny_would_refuse(monkeypatch):
    state = deployed(Watching("deny,shop=warn", OTHER), monkeypatch, accept=Stage.WARN)
    assert state.result.stages == {"shop": Stage.WARN}
    assert any("In shop the gate admits every image" in warning for warning in state.warnings)
    (sentence,) = (
        warning for warning in state.warnings if "would refuse" in warning and "In shop the gate" not in warning
    )
    assert sentence == f"The stage deny would refuse {OTHER} in shop: it has no signature."
    good, bad = state.result.admissions
    assert (good.verdict, good.reason) == ("admitted", "")
    assert (bad.verdict, bad.reason) == ("admitted", "stage warn; deny would refuse it: it has no signature")
    assert f"s3c sign {OTHER}" in bad.remedy


def test_a_gate_that_does_not_tell_is_not_claimed_to_admit_by_its_policy(monkeypatch):
    state = deployed(Watching("warn", OTHER, tells=False), monkeypatch, accept=Stage.WARN)
    assert any("is not known" in warning for warning in state.warnings)
    assert not any("would refuse registry" in warning for warning in state.warnings)


def test_where_it_denies_it_has_to_be_proved_whatever_is_accepted(monkeypatch):
    with pytest.raises(Refused, match="The gate is open"):
        deployed(Watching("deny,default=warn"), monkeypatch, accept=Stage.AUDIT)


def proved(cluster: Watching, *namespaces: str) -> proof.GateProof | S3CError:
    known = facts(
        constraints=list(stages.apply_stages([SHIPPED], cluster.stages)), namespaces={name: {} for name in namespaces}
    )
    looked = inspection.inspect(known, [("", "Pod", name) for name in namespaces], accept=Stage.AUDIT)
    return staging.prove_stages(cluster, looked)


@pytest.mark.parametrize("mode", ["audit", "warn", "deny", "deny,shop=warn", "audit,shop=deny"])
def test_each_stage_is_proved_by_what_it_does(mode):
    assert isinstance(proved(Watching(mode), "default", "shop"), proof.GateProof)


def test_a_stage_that_does_something_else_is_not_proved():
    cluster = Watching("warn")
    cluster.tells = False
    assert isinstance(proved(cluster, "shop"), Refused)
    refuses = Watching("warn")
    stages_read, refuses.stages = refuses.stages, parse_mode("deny")
    known = facts(constraints=list(stages.apply_stages([SHIPPED], stages_read)), namespaces={"shop": {}})
    looked = inspection.inspect(known, [("", "Pod", "shop")], accept=Stage.AUDIT)
    error = staging.prove_stages(refuses, looked)
    assert isinstance(error, OutsideError)
    assert "although it is in the stage warn" in error.what
    assert isinstance(proved(Watching("deny")), OutsideError), "where nothing was looked at, nothing is proved"
