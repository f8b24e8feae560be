"""The gate: holes found in recorded objects, and which pauses count."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from s3c_actions.cluster.gate import inspection, manifests
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.moments import format_moment
from tests.support import ROOT

DATA = ROOT / "tests" / "data" / "gate"
RECORDED = json.loads((DATA / "facts.json").read_text())
FACTS = RECORDED | {"templates": [manifests.template()], "mutating": [], "mutated": []}
"""What was recorded, with the template of today."""
WANTED = [("apps", "Deployment", "default")]


def facts(**changes: Any) -> gate_objects.GateObjects:
    known = copy.deepcopy(FACTS) | changes
    return gate_objects.GateObjects(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
        | {"ready": frozenset(known["ready"])}
    )


def changed(kind: str, path: str, value: object) -> gate_objects.GateObjects:
    """The recorded facts with one field of every object of a kind changed; `None` takes it away."""
    objects = copy.deepcopy(FACTS[kind])
    for document in objects:
        places = document.get("webhooks", []) if path.startswith("webhook.") else [document]
        *way, last = path.removeprefix("webhook.").split(".")
        for place in places:
            inner = place
            for step in way:
                inner = inner.setdefault(step, {})
            inner[last] = value
    return facts(**{kind: objects})


def test_the_recorded_gate_is_closed():
    gate = inspection.inspect(facts(), WANTED)
    assert gate.holes == ()
    assert gate.constraints == ("ratify-verification",)
    assert set(gate.exempt) == {"kube-system", "gatekeeper-system"}


@pytest.mark.parametrize(
    ("objects", "what"),
    [
        (facts(webhooks=[]), "webhook is not there"),
        (facts(templates=[]), "No ConstraintTemplate"),
        (facts(constraints=[]), "No constraint of the kind RatifyVerification"),
        (facts(providers=[]), "Ratify is not there"),
        (facts(ready=[]), "Gatekeeper does not run"),
        (facts(ready=[service for service in FACTS["ready"] if "ratify" not in service]), "Ratify does not run"),
        (changed("webhooks", "webhook.failurePolicy", "Ignore"), "fails open"),
        (changed("webhooks", "webhook.rules", []), "does not look at Pods"),
        (changed("webhooks", "webhook.objectSelector", {"matchLabels": {"a": "b"}}), "certain labels"),
        (changed("webhooks", "webhook.matchConditions", [{"name": "x"}]), "matchConditions"),
        (changed("webhooks", "webhook.timeoutSeconds", 1), "waits 1 s"),
        (changed("webhooks", "webhook.namespaceSelector", {"matchLabels": {"gate": "on"}}), "namespaceSelector"),
        (changed("constraints", "spec.enforcementAction", "dryrun"), "only tells"),
        (changed("constraints", "spec.match.kinds", [{"apiGroups": [""], "kinds": ["Pod"]}]), "looks at Deployments"),
        (changed("constraints", "spec.match.namespaces", ["prod-*"]), "does not match it"),
        (changed("constraints", "spec.match.excludedNamespaces", ["def*"]), "does not match it"),
        (changed("constraints", "spec.match.labelSelector", {"matchLabels": {"a": "b"}}), "does not match it"),
        (changed("providers", "spec.caBundle", ""), "without TLS"),
        (
            facts(configs=[{"spec": {"match": [{"processes": ["*"], "excludedNamespaces": ["default"]}]}}]),
            "Config exempts",
        ),
    ],
)
def test_each_hole_is_found(objects, what):
    gate = inspection.inspect(objects, WANTED)
    assert any(what in hole.what for hole in gate.holes), gate.holes
    assert all(hole.remedy for hole in gate.holes)


def paused(since: timedelta, until: timedelta) -> dict[str, str]:
    """A pause between two times, from now."""
    now = datetime.now(UTC)
    return {"since": format_moment(now + since), "until": format_moment(now + until), "reason": "registry down"}


def test_a_pause_of_a_constraint_that_looks_elsewhere_is_none_of_these_objects():
    (own,) = copy.deepcopy(FACTS["constraints"])
    other = copy.deepcopy(own)
    other["metadata"]["name"] = "elsewhere"
    other["spec"]["match"]["namespaces"] = ["shop"]
    other["spec"]["parameters"] = {"pause": paused(timedelta(minutes=-1), timedelta(minutes=5))}
    gate = inspection.inspect(facts(constraints=[own, other]), WANTED)
    assert (gate.pauses, gate.active_pauses, gate.holes) == ((), (), ())
    gate = inspection.inspect(facts(constraints=[own, other]), [("apps", "Deployment", "shop")])
    assert [pause.constraint for pause in gate.active_pauses] == ["elsewhere"]
    assert "is paused from" in inspection.pause_error(gate).what
    later = inspection.inspect(
        facts(constraints=[own, other]), [("", "Pod", "shop")], now=datetime.now(UTC) + timedelta(minutes=6)
    )
    assert (len(later.pauses), later.active_pauses) == (1, ())


def test_a_kind_and_a_namespace_have_to_be_looked_at_by_the_same_constraint():
    (own,) = copy.deepcopy(FACTS["constraints"])
    other = copy.deepcopy(own)
    own["spec"]["match"]["kinds"] = [{"apiGroups": [""], "kinds": ["Pod"]}]
    other["metadata"]["name"] = "elsewhere"
    other["spec"]["match"]["namespaces"] = ["shop"]
    (hole,) = inspection.inspect(facts(constraints=[own, other]), WANTED).holes
    assert "looks at Deployments" in hole.what
