"""What lets images pass: each part of a recorded gate changed by itself."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from s3c_actions.cluster.gate import inspection
from s3c_actions.cluster.gate import objects as gate_objects
from tests.unit.cluster.gate.test_inspection import FACTS, WANTED, changed, facts
from tests.unit.cluster.gate.test_webhook import NARROW

POD_RULE = {
    "apiGroups": ["*"],
    "apiVersions": ["*"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["*", "pods/ephemeralcontainers"],
}


def rules(*changes: dict[str, Any]) -> gate_objects.GateObjects:
    return changed("webhooks", "webhook.rules", [POD_RULE | change for change in changes])


ALL = ["pods", "podtemplates", "replicationcontrollers", "deployments", "statefulsets", "daemonsets", "replicasets"]


ALL += ["jobs", "cronjobs", "pods/ephemeralcontainers"]


@pytest.mark.parametrize(
    ("objects", "gaps"),
    [
        (rules({}), []),
        (rules({"resources": ["*/*"]}), []),
        (rules({"resources": ["*", "*/ephemeralcontainers"]}), []),
        (rules({"resources": ["*", "pods/*"]}), []),
        (rules({"resources": ALL, "apiGroups": ["", "apps", "batch"], "apiVersions": ["v1"]}), []),
        (rules({"operations": ["CREATE"]}, {"operations": ["UPDATE"]}), []),
        (rules({"operations": ["*"], "scope": "Namespaced"}), []),
        (rules({"resources": ["*"]}), ["ephemeral containers (pods/ephemeralcontainers)"]),
        (rules({"resources": ALL[:-1]}), ["ephemeral containers (pods/ephemeralcontainers)"]),
        (rules({"resources": ["*", "pods/status"]}), ["ephemeral containers"]),
        (rules({}, {"resources": ["pods/ephemeralcontainers"]}), []),
        (rules({"resources": ["*"]}, {"resources": ["pods/ephemeralcontainers"], "operations": ["CREATE"]}), ["ephem"]),
        (
            rules({"resources": ["pods", "deployments"]}),
            [
                "PodTemplates, ReplicationControllers, StatefulSets, DaemonSets, ReplicaSets, Jobs, CronJobs",
                "ephemeral",
            ],
        ),
        (rules({"resources": [resource for resource in ALL if resource != "cronjobs"]}), ["CronJobs:"]),
        (
            rules({"resources": ALL, "apiGroups": ["", "batch"]}),
            ["Deployments, StatefulSets, DaemonSets, ReplicaSets:"],
        ),
        (rules({"operations": ["CREATE"]}), ["Pods that are created or updated", "PodTemplates", "ephemeral"]),
        (rules({"operations": ["UPDATE", "DELETE"]}), ["Pods that are created or updated", "PodTemplates"]),
        (rules({"apiVersions": ["v1beta1"]}), ["Pods that are created or updated", "PodTemplates", "ephemeral"]),
        (rules({"scope": "Cluster"}), ["Pods that are created or updated", "PodTemplates", "ephemeral"]),
        (rules({"apiGroups": ["apps", "batch"]}), ["Pods that are created", "PodTemplates, Replic", "ephemeral"]),
        (rules({"resources": ["*/ephemeralcontainers"]}), ["Pods that are created or updated", "PodTemplates"]),
    ],
)
def test_the_webhook_looks_at_pods_what_changes_them_and_what_makes_them(objects, gaps):
    holes = [hole.what for hole in inspection.inspect(objects, WANTED).holes]
    assert len(holes) == len(gaps)
    for hole, gap in zip(holes, gaps, strict=True):
        assert f"does not look at {gap}" in hole


SCOPED = {"spec.enforcementAction": "scoped"}


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"spec.match.source": "Generated"}, "its match.source is Generated"),
        ({"spec.match.source": "Original"}, ""),
        ({"spec.match.source": "All"}, ""),
        ({"spec.match.scope": "Cluster"}, "does not match it"),
        ({"spec.enforcementAction": "warn"}, "its enforcementAction is warn"),
        ({"spec.enforcementAction": None}, ""),
        (SCOPED, "its enforcementAction is scoped"),
        (SCOPED | {"spec.scopedEnforcementActions": [{"action": "deny", "enforcementPoints": [{"name": "*"}]}]}, ""),
        (
            SCOPED
            | {
                "spec.scopedEnforcementActions": [
                    {"action": "deny", "enforcementPoints": [{"name": gate_objects.WEBHOOK}]}
                ]
            },
            "",
        ),
        (
            SCOPED
            | {
                "spec.scopedEnforcementActions": [
                    {"action": "deny", "enforcementPoints": [{"name": "audit.gatekeeper.sh"}]},
                    {"action": "warn", "enforcementPoints": [{"name": gate_objects.WEBHOOK}]},
                ]
            },
            "its enforcementAction is scoped",
        ),
    ],
)
def test_a_constraint_has_to_deny_what_is_asked_of_the_webhook(fields, what):
    constraints = copy.deepcopy(FACTS["constraints"])
    for path, value in fields.items():
        *way, last = path.split(".")
        for constraint in constraints:
            inner = constraint
            for step in way:
                inner = inner[step]
            inner[last] = value
    holes = [hole.what for hole in inspection.inspect(facts(constraints=constraints), WANTED).holes]
    assert [what in hole for hole in holes] == [True] * len(holes)
    assert bool(holes) is bool(what)


AZURE = copy.deepcopy(FACTS["webhooks"][0])


AZURE["metadata"]["name"] = "azure-policy-validating-webhook-configuration"


AZURE["webhooks"][0]["failurePolicy"] = "Ignore"


AZURE["webhooks"][0]["timeoutSeconds"] = 1


def test_a_sound_webhook_is_enough_beside_azure_policys_own():
    own = copy.deepcopy(FACTS["webhooks"])
    own[0]["webhooks"][0]["rules"] = NARROW
    for webhooks in ([*own, AZURE], [AZURE, *own]):
        gate = inspection.inspect(facts(webhooks=webhooks), WANTED)
        assert (gate.holes, gate.warnings) == ((), ())
    own[0]["webhooks"][0]["failurePolicy"] = "Ignore"
    (hole,) = inspection.inspect(facts(webhooks=[AZURE, *own]), WANTED).holes
    assert "gatekeeper-validating-webhook-configuration is Ignore" in hole.what
    holes = inspection.inspect(facts(webhooks=[AZURE]), WANTED).holes
    assert any("azure-policy-validating-webhook-configuration is Ignore" in hole.what for hole in holes)
