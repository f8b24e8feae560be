"""Rollouts and changes on the lab's real API server: sets, Jobs, custom kinds, autoscalers, fixed fields, prune."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.cluster import Kubectl, pod_spec, workload
from tests.support.signing import Ended

Deploy = Callable[..., Ended]
OK = ["sh", "-c", "exit 0"]


def text(*documents: dict[str, Any]) -> str:
    return "---\n".join(f"{json.dumps(document)}\n" for document in documents)


def sized(kind: str, image: str, mark: str = "a", **more: Any) -> dict[str, Any]:
    """A workload whose Pods differ by a mark."""
    spec = pod_spec(image)
    spec["containers"][0] |= {"command": ["sleep", "infinity"], "env": [{"name": "MARK", "value": mark}]}
    manifest = workload(kind, "web", spec)
    manifest["spec"] |= more
    return manifest


def job(image: str, name: str = "once", command: list[str] | None = None, **more: Any) -> dict[str, Any]:
    spec = pod_spec(image)
    spec["containers"][0]["command"] = command or OK
    manifest = workload("Job", name, spec)
    manifest["spec"] |= {"backoffLimit": 0, **more}
    return manifest


def warnings(ended: Ended) -> str:
    return "\n".join(ended.result["deploy"]["warnings"])


def actions(ended: Ended) -> dict[str, str]:
    return {
        f"{resource['kind']}/{resource['name']}": resource["action"] for resource in ended.result["deploy"]["applied"]
    }


@pytest.mark.parametrize(
    ("kind", "strategy", "notice"),
    [
        ("StatefulSet", {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}, "keeps 1 of 2 Pods"),
        ("StatefulSet", {"type": "OnDelete"}, "2 Pods are of an earlier revision"),
        ("DaemonSet", {"type": "OnDelete"}, "1 Pods are of an earlier revision"),
    ],
    ids=["partition", "StatefulSet OnDelete", "DaemonSet OnDelete"],
)
def test_sets_that_keep_earlier_pods_are_up(
    kind: str, strategy: dict[str, Any], notice: str, signed: str, deploy: Deploy
) -> None:
    more = {"updateStrategy": strategy} | ({"replicas": 2} if kind == "StatefulSet" else {})
    first = deploy(text(sized(kind, signed, "a", **more)))
    assert first.code == 0, first.stderr
    assert "revision" not in warnings(first)
    ended = deploy(text(sized(kind, signed, "b", **more)))
    assert ended.code == 0, ended.stderr
    assert notice in warnings(ended)


def test_jobs_end_as_their_conditions_say(signed: str, deploy: Deploy) -> None:
    indexed = {
        "completions": 3,
        "parallelism": 3,
        "completionMode": "Indexed",
        "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
    }
    first = ["sh", "-c", '[ "$JOB_COMPLETION_INDEX" = 0 ] || sleep infinity']
    queue = ["sh", "-c", "case $HOSTNAME in queue-*) sleep 3;; esac"]
    ended = deploy(
        text(
            job(signed, "policy", first, **indexed),
            job(signed, "none", completions=0),
            job(signed, "later", suspend=True),
            job(signed, "queue", queue, parallelism=2),
        )
    )
    assert ended.code == 0, ended.stderr
    assert "Job" in warnings(ended)
    assert "later: it is suspended" in warnings(ended)
    failed = deploy(text(job(signed, "bad", ["sh", "-c", "exit 3"])))
    assert failed.code == 3, failed.stderr
    assert "bad failed: Job has reached the specified backoff limit" in failed.stderr


def test_a_work_queue_is_up_when_all_its_pods_ended(
    signed: str, deploy: Deploy, kubectl: Kubectl, namespace: str
) -> None:
    some = ["sh", "-c", "sleep $(( $(printf %d 0x$(hostname | md5sum | cut -c1)) % 4 + 1 ))"]
    ended = deploy(text(job(signed, "queue", some, parallelism=3)))
    assert ended.code == 0, ended.stderr
    live = json.loads(kubectl("get", "job/queue", "-n", namespace, "-o", "json"))
    assert live["status"]["succeeded"] == 3
    assert not live["status"].get("active")


def test_a_job_that_its_ttl_removes_is_no_failure(signed: str, deploy: Deploy) -> None:
    ended = deploy(text(job(signed, "gone", ttlSecondsAfterFinished=0)), "--verbose")
    assert ended.code == 0, ended.stderr
    failed = deploy(text(job(signed, "bad", ["sh", "-c", "exit 3"], ttlSecondsAfterFinished=0)))
    assert failed.code == 3, failed.stderr
    assert "bad failed: Job has reached the specified backoff limit" in failed.stderr


def test_a_paused_deployment_is_up_with_a_notice(signed: str, deploy: Deploy) -> None:
    assert deploy(text(sized("Deployment", signed, "a"))).code == 0
    ended = deploy(text(sized("Deployment", signed, "b", paused=True)))
    assert ended.code == 0, ended.stderr
    assert "it is paused" in warnings(ended)


def volume_claim(size: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "none",
            "resources": {"requests": {"storage": size}},
        },
    }


def definition(group: str, kind: str, plural: str, version: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


ROLLOUTS = definition("argoproj.io", "Rollout", "rollouts", "v1alpha1")
SERVICES = definition("serving.knative.dev", "Service", "services", "v1")


@pytest.fixture
def definitions(kubectl: Kubectl) -> Iterator[None]:
    """Argo's Rollout and Knative's Service, without their controllers: the tests write what these would."""
    kubectl(
        "apply",
        "--server-side",
        "-f",
        "-",
        stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": [ROLLOUTS, SERVICES]}),
    )
    kubectl("wait", "--for=condition=Established", "crd/rollouts.argoproj.io", "crd/services.serving.knative.dev")
    yield
    kubectl("delete", "crd", "rollouts.argoproj.io", "services.serving.knative.dev", "--ignore-not-found")


@contextmanager
def controller(kubectl: Kubectl, what: str, namespace: str, *statuses: dict[str, Any]) -> Iterator[None]:
    """Write these statuses of an object, one after the other, as its controller would."""

    def write() -> None:
        until = time.monotonic() + 60
        for status in statuses:
            while time.monotonic() < until:
                done = kubectl.run(
                    "patch",
                    what,
                    "-n",
                    namespace,
                    "--subresource=status",
                    "--type=merge",
                    "-p",
                    json.dumps({"status": status}),
                )
                if done.returncode == 0:
                    break
                time.sleep(0.2)
            time.sleep(1)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def custom(version: str, kind: str, image: str) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": {"spec": pod_spec(image)}}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "web"}, "spec": spec}


def phase(name: str, message: str = "") -> dict[str, Any]:
    return {"phase": name, "message": message, "observedGeneration": "1"}


def ready(status: str, message: str = "") -> dict[str, Any]:
    return {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": status, "message": message}]}


@pytest.mark.parametrize(
    ("kind", "statuses", "code", "message"),
    [
        ("Rollout", [phase("Progressing"), phase("Healthy")], 0, ""),
        ("Rollout", [phase("Paused", "CanaryPauseStep")], 0, "is paused (CanaryPauseStep)"),
        ("Rollout", [phase("Degraded", "no progress")], 3, "web failed: no progress"),
        ("Service", [ready("Unknown"), ready("True")], 0, ""),
        ("Service", [ready("Unknown"), ready("False", "Revision failed")], 3, "web failed: Revision failed"),
        ("Service", [], 0, "is applied and not watched"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("definitions")
def test_custom_kinds_are_watched_by_their_status(
    kind: str,
    statuses: list[dict[str, Any]],
    code: int,
    message: str,
    signed: str,
    deploy: Deploy,
    kubectl: Kubectl,
    namespace: str,
) -> None:
    version, plural = {
        "Rollout": ("argoproj.io/v1alpha1", "rollouts.argoproj.io"),
        "Service": ("serving.knative.dev/v1", "services.serving.knative.dev"),
    }[kind]
    with controller(kubectl, f"{plural}/web", namespace, *statuses):
        ended = deploy(text(custom(version, kind, signed)))
    assert ended.code == code, ended.stderr
    assert message in ended.stderr if code else message in warnings(ended)
    assert message or not ended.result["deploy"]["warnings"]


def test_a_definition_and_its_objects_in_one_set(signed: str, deploy: Deploy, kubectl: Kubectl, namespace: str) -> None:
    group = f"{uuid.uuid4().hex[:8]}.example.test"
    both = text(
        {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}},
        definition(group, "Widget", "widgets", "v1"),
        sized("Deployment", signed),
    )
    try:
        tried = deploy(both, "--dry-run")
        assert tried.code == 0, tried.stderr
        assert "was not tried" in warnings(tried)
        assert kubectl.run("get", f"crd/widgets.{group}").returncode != 0
        ended = deploy(both)
        assert ended.code == 0, ended.stderr
        assert actions(ended)[f"CustomResourceDefinition/widgets.{group}"] == "created"
        assert actions(ended)["Widget/w"] == "created"
        assert kubectl("get", f"widgets.{group}/w", "-n", namespace, "-o", "jsonpath={.spec.size}") == "1"
    finally:
        kubectl("delete", "crd", f"widgets.{group}", "--ignore-not-found")


def test_a_definition_goes_again_when_an_object_of_it_is_refused(signed: str, deploy: Deploy, kubectl: Kubectl) -> None:
    group = f"{uuid.uuid4().hex[:8]}.example.test"
    defined = definition(group, "Widget", "widgets", "v1")
    defined["spec"]["versions"][0]["schema"]["openAPIV3Schema"] |= {
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}
    }
    wrong = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": "large"}}
    ended = deploy(text(wrong, defined, sized("Deployment", signed)))
    assert ended.code == 3, ended.stderr
    assert "Widget" in ended.stderr
    assert kubectl.run("get", f"crd/widgets.{group}").returncode != 0


def test_a_finished_job_is_recreated_on_request(signed: str, deploy: Deploy, kubectl: Kubectl, namespace: str) -> None:
    assert deploy(text(job(signed))).code == 0
    refused = deploy(text(job(signed, command=["sh", "-c", "exit 0; :"])))
    assert refused.code == 3, refused.stderr
    assert "The Job once exists, and its spec.template cannot be changed" in refused.stderr
    assert "--recreate=jobs" in refused.stderr
    ended = deploy(text(job(signed, command=["sh", "-c", "exit 0; :"])), "--recreate", "jobs")
    assert ended.code == 0, ended.stderr
    assert actions(ended) == {"Job/once": "recreated"}
    again = deploy(text(job(signed, command=["sh", "-c", "exit 0; :"])), "--recreate", "jobs")
    assert again.result["deploy"]["unchanged"] is True
    ours = ("apply", "--server-side", "--field-manager=s3c", "-n", namespace, "-f", "-")
    kubectl(*ours, stdin=json.dumps(job(signed, "long", ["sleep", "infinity"])))
    running = deploy(text(job(signed, "long")), "--recreate", "jobs")
    assert running.code == 2, running.stderr
    assert "still runs" in running.stderr


def test_fixed_fields_are_explained(signed: str, deploy: Deploy) -> None:
    claim = volume_claim("2Mi")
    other = volume_claim("2Mi")
    other["spec"]["storageClassName"] = "other"
    stateful = sized("StatefulSet", signed, replicas=0)
    deployed = sized("Deployment", signed, replicas=0)
    assert deploy(text(claim, stateful, deployed)).code == 0
    for changed, message in (
        (other, "The volume claim data exists"),
        (stateful | {"spec": stateful["spec"] | {"serviceName": "other"}}, "The StatefulSet web exists"),
        (
            deployed
            | {
                "spec": deployed["spec"]
                | {
                    "selector": {"matchLabels": {"app": "other"}},
                    "template": deployed["spec"]["template"] | {"metadata": {"labels": {"app": "other"}}},
                }
            },
            "The Deployment web exists, and its spec.selector cannot be changed",
        ),
    ):
        ended = deploy(text(changed))
        assert ended.code == 3, ended.stderr
        assert message in ended.stderr


def test_conflicts_name_who_and_what_and_an_autoscaler_keeps_its_replicas(
    signed: str, deploy: Deploy, kubectl: Kubectl, namespace: str
) -> None:
    wanted = text(sized("Deployment", signed, replicas=1))
    assert deploy(wanted).code == 0
    scale = json.dumps({"spec": {"replicas": 2}})
    patch = ("patch", "deployment/web", "-n", namespace, "--subresource=scale", "--type=merge", "-p", scale)
    kubectl(*patch, "--field-manager=kubectl-scale")
    ended = deploy(wanted)
    assert ended.code == 3, ended.stderr
    assert "spec.replicas (kubectl-scale (by `scale`))" in ended.stderr
    assert deploy(wanted, "--force-conflicts").code == 0
    kubectl(*patch, "--field-manager=kube-controller-manager")
    kept = deploy(wanted, "--force-conflicts")
    assert kept.code == 0, kept.stderr
    assert "keeps its 2 replicas: kube-controller-manager scales it" in kept.stderr
    assert kubectl("get", "deployment/web", "-n", namespace, "-o", "jsonpath={.spec.replicas}") == "2"
    kubectl("label", "deployment/web", "-n", namespace, "team=b", "--field-manager=somebody")
    other = sized("Deployment", signed, replicas=1)
    other["metadata"]["labels"] = {"team": "a"}
    ended = deploy(text(other))
    assert ended.code == 3, ended.stderr
    assert "metadata.labels.team (somebody)" in ended.stderr


def test_prune_takes_the_autoscaler_along_and_lists_what_it_leaves(
    signed: str, deploy: Deploy, kubectl: Kubectl, namespace: str
) -> None:
    flags = ("--prune", "app.kubernetes.io/part-of=shop")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 1},
    }
    claim = volume_claim("1Mi")
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "n"},
        "spec": {"podSelector": {}},
    }
    ports = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": ports}
    assert deploy(text(sized("Deployment", signed), scaler, claim, policy, service), *flags).code == 0
    ended = deploy(text(sized("Deployment", signed)), *flags)
    assert ended.code == 0, ended.stderr
    pruned = {name for name, action in actions(ended).items() if action == "pruned"}
    assert pruned == {"HorizontalPodAutoscaler/web", "NetworkPolicy/n", "Service/web"}
    assert f"prune leaves PersistentVolumeClaim {namespace}/data" in warnings(ended)
    assert "could not look" not in warnings(ended)
