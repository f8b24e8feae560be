"""Which constraints are the gate's, and what is read of their pauses."""

from __future__ import annotations

import copy
from typing import Any

from s3c_actions.cluster.client import ApiError, Cluster, Resource
from s3c_actions.cluster.gate import constraints, manifests, stages
from s3c_actions.cluster.gate import objects as gate_objects
from s3c_actions.core.gate_stage import Stage, normalized
from tests.unit.cluster.gate.test_inspection import FACTS

PAUSE = {"since": "2026-11-29T12:00:00Z", "until": "2026-11-29T12:30:00Z", "reason": "registry down"}


class Served(Cluster):
    """A cluster that serves the recorded gate, and another policy of Gatekeeper's."""

    def __init__(self, *own: dict[str, Any]) -> None:
        super().__init__(None, address="https://cluster.test")  # type: ignore[arg-type]  # nothing is asked through it
        labels = {"spec": {"crd": {"spec": {"names": {"kind": "Labels"}}}, "targets": [{"rego": "package x"}]}}
        self.kinds = {
            gate_objects.CONSTRAINT_TEMPLATES.plural: [*FACTS["templates"], labels],
            "ratifyverifications": [],
            "ratifyverification": list(own),
            "labels": [{"metadata": {"name": "team"}, "spec": {"parameters": {"pause": PAUSE}}}],
        }

    def list(self, resource: Resource, namespace: str = "", **query: str) -> list[dict[str, Any]]:
        if resource.plural not in self.kinds:
            raise ApiError(404, "NotFound", "no such kind", what="The cluster knows no such kind.")
        return self.kinds[resource.plural]


def test_only_a_constraint_whose_template_asks_ratify_is_the_gates():
    (own,) = copy.deepcopy(FACTS["constraints"])
    (constraint, template), *others = constraints.list_constraints(Served(own))
    assert others == []
    assert (constraint["kind"], constraint["metadata"]["name"]) == ("RatifyVerification", "ratify-verification")
    assert template["metadata"]["name"] == "ratifyverification"
    assert constraints.read_pauses(Served(own)) == ()
    own["spec"]["parameters"] = {"pause": PAUSE}
    (pause,) = constraints.read_pauses(Served(own))
    assert (pause.constraint, pause.until, pause.reason) == ("ratify-verification", PAUSE["until"], PAUSE["reason"])


def test_a_cluster_without_gatekeeper_has_no_pause():
    cluster = Served()
    cluster.kinds = {}
    assert constraints.read_pauses(cluster) == ()


def test_what_only_watches_is_named_and_a_preview_is_not_paused():
    *_, shipped = manifests.objects_for_identities(("*",))
    written = list(stages.apply_stages([shipped], normalized(Stage.DENY, {"shop": Stage.WARN, "labs": Stage.AUDIT})))
    for constraint in written:
        constraint["spec"]["parameters"] = {"pause": PAUSE}
    assert [sentence.rpartition(" in ")[2] for sentence in constraints.describe_watching(Served(*written))] == [
        "labs (stage audit, constraint ratify-verification-audit).",
        "shop (stage warn, constraint ratify-verification-warn).",
    ]
    assert {pause.constraint for pause in constraints.read_pauses(Served(*written))} == {
        "ratify-verification",
        "ratify-verification-warn",
        "ratify-verification-audit",
    }
    assert constraints.describe_watching(Served(shipped)) == ()
