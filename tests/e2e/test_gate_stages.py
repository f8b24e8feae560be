"""The gate's stages on the lab's node: audit and warn admit, the preview says what deny does, promotion goes there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.cluster.gate import proof, stages
from s3c_actions.core.gate_stage import Stage
from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import HELM
from s3c_lab.certificates import make
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node.cluster import VALUES
from tests.support.cluster import WEBHOOK, Kubectl, deployment, image_volume, node_helm, pod, pod_spec, workload
from tests.support.signing import Ended

ABSENT = pod("x", pod_spec(proof.ABSENT_IMAGE))
KIND = "ratifyverification"


@pytest.fixture
def gate(
    gated: Lab, machine: Machine, kubectl: Kubectl, s3c: Callable[..., Ended], tmp_path: Path
) -> Iterator[Callable[..., Ended]]:
    """`s3c gate TASK …` on the lab's node, whose gate denies everywhere again in the end."""
    program = locate(HELM, cache=machine.cache, runner=machine.runner, progress=machine.progress).path
    values = [
        part for name in ("gatekeeper", "ratify") for part in (f"--{name}-values", VALUES / f"{name}-values.yaml")
    ]
    trust = ("--trust-store", gated.certificate, "--trusted-identity", "*", *values)
    helm = ("--helm-path", node_helm(gated, program, tmp_path))

    def run(task: str, *flags: str | Path) -> Ended:
        own = (*helm, *trust) if task == "install" else ()
        return s3c("gate", task, "--kubeconfig", gated.kubeconfig, *own, *flags)

    yield run
    ended = run("install")
    assert ended.code == 0, ended.stderr
    assert _names(kubectl) == {stages.BASE}
    kubectl.until_denied(ABSENT, "(trace ")


def _names(kubectl: Kubectl) -> set[str]:
    return {name.partition("/")[2] for name in kubectl("get", KIND, "-o", "name").split()}


def _refused(preview: Ended) -> str:
    """Return the images that a preview says would not be admitted, as an input."""
    return ",".join(image["image"] for image in preview.result["preview"]["images"] if image["verdict"] != "admitted")


def _failure_policy(kubectl: Kubectl) -> str:
    hooks = json.loads(kubectl("get", WEBHOOK, "-o", "json"))["webhooks"]
    return next(str(hook["failurePolicy"]) for hook in hooks if hook["name"] == "validation.gatekeeper.sh")


@pytest.fixture
def images(
    gated: Lab, signed: str, unsigned: str, fresh: Callable[[str], str], sign: Callable[..., str], tmp_path: Path
) -> list[str]:
    """Images in every state, by digest and by tag, and all of the lab."""
    stranger = make("stranger").write(tmp_path, "stranger")
    tagged = fresh("voting-app")
    return [
        *gated.images,
        signed,
        unsigned,
        unsigned.partition("@")[0] + ":1",
        sign(tagged),
        tagged,
        sign(fresh("voting-db"), *stranger),
        f"{gated.registry}/none@sha256:{64 * '3'}",
        f"{gated.registry}/none:1",
    ]


def test_the_preview_is_what_deny_then_does_for_every_image(
    gate: Callable[..., Ended],
    images: list[str],
    signed: str,
    unsigned: str,
    kubectl: Kubectl,
    namespace: str,
) -> None:
    kubectl("create", "namespace", namespace)
    installed = gate("install", "--mode", f"{namespace}=audit")
    assert installed.code == 0, installed.stderr
    assert _failure_policy(kubectl) == "Fail"
    for number, image in enumerate(images):
        spec = pod_spec(image)
        if number % 3 == 1:
            spec = {**pod_spec(signed), "initContainers": [{"name": "first", "image": image}]}
        elif number % 3 == 2:
            spec = pod_spec(signed, **image_volume(image))
        kind = "CronJob" if number % 2 else "Deployment"
        document = json.dumps(workload(kind, f"w{number}", spec))
        created = kubectl.run("create", "-n", namespace, "-f", "-", stdin=document)
        assert (created.returncode, created.stderr) == (0, ""), "in audit everything is admitted, without a word"

    audited = (f"{KIND}/{stages.constraint_name(Stage.AUDIT)}", "-o", "jsonpath={.status.totalViolations}")
    until = time.monotonic() + 180
    while int(kubectl("get", *audited) or "0") == 0:
        assert time.monotonic() < until, "Gatekeeper's audit counts what is refused"
        time.sleep(1)
    seen = gate("preview", "--namespaces", namespace)
    assert seen.code == 0, seen.stderr
    listed = {name: image for image in seen.result["preview"]["images"] for name in image["names"]}
    # Of tags that lead somewhere, Ratify's mutation has written the digests into the templates.
    assert {image for image in images if "@" in image} <= {*listed}
    assert {entry["verdict"] for entry in listed.values()} == {"admitted", "refused"}
    denials = {image: kubectl.tried(pod("x", pod_spec(image))) for image in listed}
    assert {image: entry["verdict"] for image, entry in listed.items()} == {
        image: "refused" if denial else "admitted" for image, denial in denials.items()
    }
    for image, entry in listed.items():
        if entry["verdict"] == "refused":
            assert entry["reason"] and (entry["command"] or entry["remedy"]), image
    assert listed[unsigned]["command"] == f"s3c sign {unsigned}"
    refused = sum(image["verdict"] == "refused" for image in seen.result["preview"]["images"])
    assert f"{refused} of {len(seen.result['preview']['images'])} images would be refused" in seen.stdout

    closed = gate("promote", "--namespaces", namespace)
    assert closed.code == 1, closed.stderr
    assert stages.constraint_name(Stage.AUDIT) in _names(kubectl)
    excepted = [image["image"] for image in seen.result["preview"]["images"] if image["verdict"] == "refused"]
    for stage in ("warn", "deny"):
        promoted = gate("promote", "--namespaces", namespace, "--except", ",".join(excepted))
        assert promoted.code == 0, promoted.stderr
        assert promoted.result["deploy"]["gate"]["stages"] == {namespace: stage}
        strange = json.dumps(pod("x", pod_spec(unsigned)))
        tried = kubectl.run("create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=strange)
        if stage == "warn":
            sentence = f"Warning: [ratify-verification-warn] {unsigned} is not trusted: it has no signature."
            assert tried.returncode == 0
            assert sentence in tried.stderr
    for image, entry in listed.items():
        tried = kubectl.run(
            "create", "-n", namespace, "--dry-run=server", "-f", "-", stdin=json.dumps(pod("x", pod_spec(image)))
        )
        assert (tried.returncode != 0) == (entry["verdict"] == "refused"), (image, tried.stderr)
    base = json.loads(kubectl("get", f"{KIND}/{stages.BASE}", "-o", "json"))
    records: list[dict[str, Any]] = json.loads(base["metadata"]["annotations"][stages.PROMOTION])
    assert [(record["stage"], record["namespaces"], {*record["except"]}) for record in records[:2]] == [
        ("deny", [namespace], {*excepted}),
        ("warn", [namespace], {*excepted}),
    ]
    assert _names(kubectl) == {stages.BASE}


def test_a_cluster_in_warn_admits_says_so_everywhere_and_stands_without_gatekeeper(
    gate: Callable[..., Ended],
    gated: Lab,
    signed: str,
    unsigned: str,
    deploy: Callable[..., Ended],
    s3c: Callable[..., Ended],
    kubectl: Kubectl,
) -> None:
    installed = gate("install", "--mode", "warn")
    assert installed.code == 0, installed.stderr
    assert "The gate is weakened" in installed.stderr
    assert "in the stages warn" in installed.stdout
    tried = gate("install", "--mode", "warn", "--image", signed)
    assert tried.code == 0, tried.stderr
    assert "asked what the stage deny would do" in tried.stderr
    assert _failure_policy(kubectl) == "Ignore"
    again = gate("install", "--mode", "warn")
    assert (again.code, again.result["deploy"]["unchanged"]) == (0, True), again.stderr
    assert "weakened" not in again.stderr

    refused = deploy(deployment(signed))
    assert refused.code == 1, refused.stderr
    assert "stage warn" in refused.stderr
    accepted = deploy(deployment(signed), "--accept-stage", "warn")
    assert accepted.code == 0, accepted.stderr
    assert "only warns of what it would refuse" in accepted.stderr
    dry_run = deploy(deployment(unsigned), "--accept-stage", "warn", "--dry-run", trust_store="")
    assert dry_run.code == 0, dry_run.stderr
    assert f"The stage deny would refuse {unsigned}" in dry_run.stderr
    check = gate("check", "--image", signed)
    assert check.code == 1, check.stderr
    assert "stage warn" in check.stderr
    trace = s3c("trace", signed, "--kubeconfig", gated.kubeconfig)
    assert "only warns of what it would refuse" in trace.stdout + trace.stderr
    thing = ("-n", "gatekeeper-system", "deployment/gatekeeper-controller-manager")
    kubectl("scale", *thing, "--replicas=0")
    try:
        kubectl(
            "wait", "-n", thing[1], "--for=delete", "pod", "-l", "control-plane=controller-manager", "--timeout=180s"
        )
        away = kubectl.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(ABSENT))
        assert away.returncode == 0, "a gate that only watches stops nothing when it is away"
    finally:
        kubectl("scale", *thing, "--replicas=1")
        kubectl("rollout", "status", *thing, "--timeout=240s")
        labelled = {**ABSENT, "metadata": {"name": "x", "labels": {stages.PREVIEW_LABEL: "true"}}}
        kubectl.until_denied(labelled, "(trace ")
    may_go = _refused(gate("preview", "--namespaces", "default"))
    named = ("--except", may_go) if may_go else ()
    namespaced = gate("promote", "--namespaces", "default", *named)
    assert namespaced.code == 0, namespaced.stderr
    assert _failure_policy(kubectl) == "Fail"
    weakened = gate("install", "--mode", "warn")
    assert weakened.code == 0, weakened.stderr
    assert "The gate is weakened" in weakened.stderr
    assert _failure_policy(kubectl) == "Ignore"
    denying = gate("install", "--mode", "deny")
    assert denying.code == 0, denying.stderr
    assert "The gate goes from the stages warn to deny" in denying.stderr
    assert _failure_policy(kubectl) == "Fail"
