"""The gate: holes found in recorded objects, denials and permissions read from recorded messages, rollouts judged."""

from __future__ import annotations

import copy
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from s3c_actions.cluster import denials, rollout, rollout_state
from s3c_actions.cluster.gate import inspection, manifests
from s3c_actions.core.moments import format_moment
from tests.support import ROOT

DATA = ROOT / "tests" / "data" / "gate"
RECORDED = json.loads((DATA / "facts.json").read_text())
FACTS = RECORDED | {"templates": [manifests.template()], "mutating": [], "mutated": []}
"""What was recorded, with the template of today."""
WANTED = [("apps", "Deployment", "default")]


def recorded_denial(name: str) -> denials.Denial:
    (denial,) = denials.parse((DATA / f"{name}.txt").read_text().strip())
    return denial


@pytest.mark.parametrize(
    ("name", "reason", "remedy", "unavailable"),
    [
        ("unsigned", "it has no signature", "s3c sign", False),
        ("stranger", "not by anyone the cluster trusts", "trusted key", False),
        ("signature-expired", "its signature has expired", "again", False),
        ("absent-digest", "finds it in no registry", "Ratify's log", True),
        ("registry-down", "finds it in no registry", "Ratify's log", True),
        ("no-host", "finds it in no registry", "Ratify's log", True),
        ("absent-tag", "not in its registry", "Push it", False),
    ],
)
def test_recorded_denials(name, reason, remedy, unavailable):
    denial = recorded_denial(name)
    assert reason in denial.reason
    assert remedy in denial.remedy
    assert denial.unavailable is unavailable
    assert re.match(r"[a-z0-9.:]+/dep/\w+[@:]", denial.image)
    assert denial.image in denial.what
    assert "{" not in denial.what, "what Go prints of its structures helps nobody"
    if name != "absent-tag":
        assert denial.constraint == "ratify-verification"
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", denial.trace)


def test_a_ratify_that_is_stopped():
    denial = recorded_denial("ratify-stopped")
    assert denial.reason == "Ratify could not be asked: dial tcp 10.96.133.229:6001: connect: connection refused"
    assert denial.unavailable
    assert "gatekeeper-system" in denial.remedy


def test_ratifys_log_says_what_its_verdict_does_not():
    log, vague = (DATA / "out-of-reach.log").read_text(), recorded_denial("out-of-reach")
    assert "finds it in no registry" in vague.reason
    clear = denials.add_logged_reason(vague, log)
    assert clear.reason == "its registry could not be asked (Ratify's log: EOF)"
    assert clear.unavailable
    assert (clear.image, clear.trace, clear.constraint) == (vague.image, vague.trace, vague.constraint)
    for become, reason in (
        ("response status code 404: manifest unknown", "it is not in its registry"),
        ("GET token: response status code 401: Unauthorized", "the cluster may not read its registry"),
        ("dial tcp 10.0.0.1:443: connect: connection refused", "its registry could not be asked"),
    ):
        assert denials.add_logged_reason(vague, log.replace(": EOF ", f": {become} ")).reason.startswith(
            f"{reason} (Ratify's"
        )
    assert denials.add_logged_reason(vague, log.replace(vague.trace, "another")) == vague
    assert denials.add_logged_reason(vague, "") == vague


def test_several_denials_in_one_message():
    unsigned, stranger = ((DATA / f"{name}.txt").read_text().strip() for name in ("unsigned", "stranger"))
    parsed = denials.parse(unsigned + "\n" + stranger.partition("the request: ")[2])
    assert [denial.reason for denial in parsed] == [
        recorded_denial("unsigned").reason,
        recorded_denial("stranger").reason,
    ]


def test_a_webhook_that_cannot_be_asked_is_no_verdict():
    message = (
        'Internal error occurred: failed calling webhook "validation.gatekeeper.sh": failed to call webhook: Post '
        '"https://gatekeeper-webhook-service.gatekeeper-system.svc:443/v1/admit?timeout=7s": dial tcp 10.96.0.9:443: '
        "connect: connection refused"
    )
    (denial,) = denials.parse(message)
    assert denial.unavailable
    assert "Gatekeeper" in denial.what


def test_other_webhooks_and_other_messages():
    (denial,) = denials.parse('admission webhook "policy.example" denied the request: no team label')
    assert (denial.webhook, denial.reason, denial.constraint) == ("policy.example", "no team label", "")
    assert denials.parse('deployments.apps "web" not found') == ()
    assert denials.parse("") == ()


def test_permission():
    lacking = denials.parse_missing_permission(
        'deployments.apps "web" is forbidden: User "viewer" cannot patch resource "deployments" in API group "apps" in '
        'the namespace "shop"'
    )
    assert lacking == denials.MissingPermission(
        user="viewer", verb="patch", resource="deployments.apps", namespace="shop"
    )
    assert denials.parse_missing_permission("quota exceeded") is None


def facts(**changes: Any) -> inspection.GateObjects:
    known = copy.deepcopy(FACTS) | changes
    return inspection.GateObjects(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
        | {"ready": frozenset(known["ready"])}
    )


def changed(kind: str, path: str, value: object) -> inspection.GateObjects:
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


POD_RULE = {
    "apiGroups": ["*"],
    "apiVersions": ["*"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["*", "pods/ephemeralcontainers"],
}


def rules(*changes: dict[str, Any]) -> inspection.GateObjects:
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
                    {"action": "deny", "enforcementPoints": [{"name": inspection.WEBHOOK}]}
                ]
            },
            "",
        ),
        (
            SCOPED
            | {
                "spec.scopedEnforcementActions": [
                    {"action": "deny", "enforcementPoints": [{"name": "audit.gatekeeper.sh"}]},
                    {"action": "warn", "enforcementPoints": [{"name": inspection.WEBHOOK}]},
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


def test_a_kind_and_a_namespace_have_to_be_looked_at_by_the_same_constraint():
    (own,) = copy.deepcopy(FACTS["constraints"])
    other = copy.deepcopy(own)
    own["spec"]["match"]["kinds"] = [{"apiGroups": [""], "kinds": ["Pod"]}]
    other["metadata"]["name"] = "elsewhere"
    other["spec"]["match"]["namespaces"] = ["shop"]
    (hole,) = inspection.inspect(facts(constraints=[own, other]), WANTED).holes
    assert "looks at Deployments" in hole.what


def test_a_pod_with_a_tag_is_denied_with_the_digest_to_write():
    digest = f"sha256:{64 * 'a'}"
    message = (
        'admission webhook "validation.gatekeeper.sh" denied the request: [ratify-verification] '
        "localhost:5000/app:1.4 has no digest: what is pulled later may be another image. "
        f"Write localhost:5000/app:1.4@{digest}."
    )
    (denial,) = denials.parse(message)
    assert (denial.image, denial.unavailable) == ("localhost:5000/app:1.4", False)
    assert denial.reason == "it has no digest: what is pulled later may be another image"
    assert denial.remedy == f"Write localhost:5000/app:1.4@{digest}."


def test_selectors():
    labels = {"a": "1", "b": "2"}
    assert inspection.selector_matches({}, labels)
    assert inspection.selector_matches({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, labels)
    assert inspection.selector_matches(
        {"matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["1"]}]}, labels
    )
    assert inspection.selector_matches({"matchExpressions": [{"key": "c", "operator": "DoesNotExist"}]}, labels)
    assert not inspection.selector_matches({"matchExpressions": [{"key": "c", "operator": "Exists"}]}, labels)
    assert not inspection.selector_matches(
        {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["0"]}]}, labels
    )


def live(generation: int = 2, observed: int = 2, replicas: int = 2, **status: object) -> dict[str, Any]:
    return {
        "metadata": {"generation": generation},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": observed, **status},
    }


@pytest.mark.parametrize(
    ("kind", "seen", "done"),
    [
        ("Deployment", live(replicas=2, updatedReplicas=2, availableReplicas=2) | {}, True),
        ("Deployment", live(observed=1, updatedReplicas=2, availableReplicas=2), False),
        ("Deployment", live(updatedReplicas=1, availableReplicas=2), False),
        ("Deployment", live(updatedReplicas=2, availableReplicas=1), False),
        ("Deployment", live(replicas=0), True),
        ("StatefulSet", live(readyReplicas=2, updatedReplicas=2), True),
        ("StatefulSet", live(readyReplicas=2, updatedReplicas=1, currentRevision="a", updateRevision="b"), False),
        ("DaemonSet", live(desiredNumberScheduled=1, numberAvailable=1, updatedNumberScheduled=1), True),
        ("DaemonSet", live(desiredNumberScheduled=1, numberAvailable=1, updatedNumberScheduled=0), False),
        ("Job", live(succeeded=1, conditions=[{"type": "Complete", "status": "True"}]), True),
        ("Job", live(succeeded=1), False),
        ("Job", live(), False),
        ("Pod", live(conditions=[{"type": "Ready", "status": "True"}]), True),
        ("Pod", live(phase="Pending"), False),
    ],
)
def test_rollout_states(kind, seen, done):
    assert rollout_state.rollout_state(kind, seen).done is done


def test_rollouts_that_failed():
    late = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]
    assert rollout_state.rollout_state("Deployment", live(conditions=late)).failed == "timed out"
    backoff = [{"type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit"}]
    assert "backoff" in rollout_state.rollout_state("Job", live(conditions=backoff)).failed
    assert rollout_state.rollout_state("Pod", live(phase="Failed")).failed


def test_troubles_of_a_pod():
    pod = {
        "metadata": {"name": "web-1"},
        "status": {
            "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}],
            "containerStatuses": [
                {
                    "name": "a",
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                    "lastState": {"terminated": {"exitCode": 3}},
                },
                {"name": "b", "state": {"running": {}}, "ready": False},
                {"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}},
            ],
        },
    }
    assert rollout.pod_problems(pod) == [
        "Pod web-1 finds no node: 0/1 nodes are available.",
        "Container a of web-1: CrashLoopBackOff, after exit code 3 (back-off 10s).",
        "Container b of web-1 runs, but is not ready.",
    ]
