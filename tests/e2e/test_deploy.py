"""`s3c deploy` and `s3c gate` on the lab's node, behind the real Gatekeeper and Ratify."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import HELM, NOTATION
from s3c_lab.certificates import make
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support import ROOT
from tests.support.cluster import CONSTRAINT, WEBHOOK, Kubectl, deployment, pod_spec, workload
from tests.support.processes import await_process_ids, gone
from tests.support.signing import Ended, signatures

APP = Path(__file__).parent.parent.parent / "manifests" / "app" / "overlays" / "lab"


def pinned(text: str, ended: Ended) -> str:
    """A manifest with each image in the place of the one it stands for."""
    for image in ended.result["images"]:
        text = text.replace(image["image"], image["reference"])
    return text


def test_ended_by_a_signal_it_waits_for_no_verification(
    lab: Lab, machine: Machine, fresh: Callable[[str], str], tmp_path: Path
) -> None:
    """Of two images at once, each by a notation that does not come back."""
    notation = locate(NOTATION, cache=machine.cache, runner=machine.runner, progress=machine.progress).path
    ids, slow, app = tmp_path / "ids", tmp_path / "notation", tmp_path / "app.yaml"
    slow.write_text(f'#!/bin/sh\n[ "$1" = verify ] || exec {notation} "$@"\necho $$ >>"{ids}"\nexec sleep 600\n')
    slow.chmod(0o755)
    app.write_text("---\n".join(deployment(fresh(name), name) for name in ("voting-app", "voting-db")))
    flags: list[str | Path] = ["--render-only", "--trust-store", lab.certificate, "--notation-path", slow]
    environment = {**machine.runner.environment, "PYTHONPATH": str(ROOT)}
    argv: list[str | Path] = [sys.executable, "-m", "s3c_actions", "deploy", app, *flags]
    with subprocess.Popen(argv, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as ours:
        until = time.monotonic() + 60
        while len(ids.read_text().split() if ids.exists() else ()) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        ours.terminate()
        try:
            _, errors = ours.communicate(timeout=60)
        finally:
            ours.kill()
    assert len(await_process_ids(ids)) == 2, errors
    assert gone(ids)
    assert ours.returncode == 130, errors
    assert "run it again" in errors
    assert "Traceback" not in errors


def test_the_voting_app_takes_a_vote(
    gated: Lab, sign: Callable[..., str], kubectl: Kubectl, namespace: str, deploy: Callable[..., Ended]
) -> None:
    images = [flag for image in gated.images for flag in ("--image", sign(image))]
    kubectl("create", "namespace", namespace)
    kubectl("create", "secret", "generic", "voting-db", f"--from-literal=password={uuid.uuid4().hex}", "-n", namespace)
    text = kubectl("kustomize", str(APP)).replace("localhost:5000", gated.registry)
    ended = deploy(text, *images, "--verbose", rollout_timeout="240s")
    assert ended.code == 0, ended.stderr
    assert {image["admission"]["verdict"] for image in ended.result["images"]} == {"admitted"}
    gate = ended.result["deploy"]["gate"]
    assert "has no signature" in gate["denial"]
    assert {"gatekeeper-system", "kube-system"} <= set(gate["exempt"])
    assert namespace not in gate["exempt"]
    assert re.search(rf"Deployment {namespace}/\S+: 1 of 1 ready", ended.stderr)
    (written,) = ended.result["deploy"]["manifests"]
    assert Path(written).read_text() == pinned(text, ended)
    client = deploy(deployment(images[1], "client"))
    assert client.code == 0, client.stderr
    inside = ("exec", "-n", namespace, "deployment/client", "--", "curl", "-sSfL")
    kubectl(*inside, "-o", "/dev/null", "-d", "vote=Cats", "http://voting-app/")
    assert json.loads(kubectl(*inside, "http://voting-app/api/votes")) == {"Cats": 1, "Dogs": 0}
    kubectl("delete", "deployment/client", "-n", namespace, "--cascade=foreground")
    running = kubectl("get", "pods", "-n", namespace, "-o", "jsonpath={.items[*].spec.containers[*].image}").split()
    assert sorted(running) == sorted(image["reference"] for image in ended.result["images"])
    again = deploy(text, *images)
    assert again.code == 0, again.stderr
    assert again.result["deploy"]["unchanged"] is True
    assert "nothing to do" in again.stderr


def test_the_output_of_helm_and_kustomize_is_taken_from_standard_input(
    gated: Lab, machine: Machine, kubectl: Kubectl, signed: str, s3c: Callable[..., Ended], tmp_path: Path
) -> None:
    def output(*argv: str | Path) -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    helm = locate(HELM, cache=machine.cache, runner=machine.runner, progress=machine.progress).path
    output(helm, "create", "shop")
    values = f"image.repository={signed.partition('@')[0]},image.tag=1.4.0"
    rendered = output(helm, "template", "release", "shop", "--skip-tests", "--set", values)
    built = kubectl("kustomize", str(APP)).replace("localhost:5000", gated.registry)
    for text, count in ((rendered, 1), (built, 2)):
        ended = s3c("deploy", "-", "--render-only", stdin=text)
        assert ended.code == 0, ended.stderr
        (written,) = ended.result["deploy"]["manifests"]
        assert Path(written).read_text() == pinned(text, ended) != text
        assert len(ended.result["images"]) == count


def test_an_unsigned_image_is_refused_before_anything_is_applied(
    unsigned: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    for others in ({"trust_store": ""}, {}):
        ended = deploy(deployment(unsigned), **others)
        assert ended.code == 1, ended.stderr
        assert unsigned in ended.stderr
        assert "signature" in ended.stderr
        assert ended.result["images"][0]["admission"]["verdict"] == "denied"
        assert ended.result["deploy"]["applied"] == []
    assert kubectl.names(namespace) == set()


def test_a_strangers_signature(
    unsigned: str, sign: Callable[..., str], deploy: Callable[..., Ended], tmp_path: Path
) -> None:
    key, certificate = make("stranger").write(tmp_path, "stranger")
    sign(unsigned, key, certificate)
    ended = deploy(deployment(unsigned), "--dry-run", trust_store="")
    assert ended.code == 1, ended.stderr
    assert "not by anyone the cluster trusts" in ended.stderr
    assert ended.result["images"][0]["admission"]["trace"]


def test_an_unsigned_init_container(signed: str, unsigned: str, deploy: Callable[..., Ended]) -> None:
    more = f"      initContainers: [{{name: first, image: '{unsigned}'}}]\n"
    ended = deploy(deployment(signed, more=more), "--dry-run", trust_store="")
    assert ended.code == 1, ended.stderr
    verdicts = {image["reference"]: image["admission"]["verdict"] for image in ended.result["images"]}
    assert verdicts == {signed: "admitted", unsigned: "denied"}


def test_holes_are_found_by_looking(signed: str, deploy: Callable[..., Ended], kubectl: Kubectl) -> None:
    ignore = '[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"%s"}]'
    with kubectl.patched(WEBHOOK, ignore % "Ignore", ignore % "Fail"):
        ended = deploy(deployment(signed), "--dry-run")
        assert ended.code == 1
        assert "fails open" in ended.stderr
        ended = deploy(deployment(signed), "--dry-run", "--require-gate", "false")
        assert ended.code == 0, ended.stderr
        assert any("fails open" in warning for warning in ended.result["deploy"]["warnings"])


def test_a_namespace_that_is_not_covered(
    signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    more = json.dumps([{"op": "add", "path": "/spec/match/excludedNamespaces/-", "value": namespace}])
    with kubectl.patched(CONSTRAINT, more, '[{"op":"remove","path":"/spec/match/excludedNamespaces/2"}]'):
        ended = deploy(deployment(signed))
    assert ended.code == 1
    assert f"The namespace {namespace} goes around the gate" in ended.stderr
    assert kubectl("get", "namespace", namespace, "--ignore-not-found", "-o", "jsonpath={.status.phase}") in {
        "",
        "Terminating",
    }


def test_a_deployment_whose_pods_are_denied(
    unsigned: str, sign: Callable[..., str], deploy: Callable[..., Ended], kubectl: Kubectl, tmp_path: Path
) -> None:
    """The constraint looks at Pods alone: the Deployment is accepted, and its Pods are not."""
    key, certificate = make("stranger").write(tmp_path, "stranger")
    sign(unsigned, key, certificate)
    kinds = json.loads(kubectl("get", CONSTRAINT, "-o", "json"))["spec"]["match"]["kinds"]
    patch = '[{"op":"replace","path":"/spec/match/kinds","value":%s}]'
    pods = json.dumps([{"apiGroups": [""], "kinds": ["Pod"]}])
    with kubectl.patched(CONSTRAINT, patch % pods, patch % json.dumps(kinds)):
        until = time.monotonic() + 90
        while kubectl.tried(workload("Deployment", "tried", pod_spec(unsigned))):
            assert time.monotonic() < until, "the gate still looks at Deployments"
            time.sleep(0.5)
        ended = deploy(
            deployment(unsigned), "--require-gate", "false", "--rollback-on-failure", trust_store=certificate
        )
    assert ended.code == 1, ended.stderr
    assert "was accepted, but its Pods are denied" in ended.stderr
    actions = [(resource["kind"], resource["action"]) for resource in ended.result["deploy"]["applied"]]
    assert actions == [
        ("Namespace", "created"),
        ("Deployment", "created"),
        ("Deployment", "removed"),
        ("Namespace", "removed"),
    ]


def test_a_rollout_that_does_not_come_up_says_why(
    signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    good = deployment(signed)
    assert deploy(good).code == 0
    ended = deploy(deployment(signed, command="/absent"), "--rollback-on-failure", rollout_timeout="30s")
    assert ended.code == 3, ended.stderr
    assert re.search(
        r"Container main of web-\S+: (RunContainerError|CrashLoopBackOff|CreateContainerError)", ended.stderr
    )
    assert [resource["action"] for resource in ended.result["deploy"]["applied"]] == ["configured", "restored"]
    command = kubectl(
        "get", "deployment/web", "-n", namespace, "-o", "jsonpath={.spec.template.spec.containers[0].command}"
    )
    assert json.loads(command) == ["sleep", "infinity"]
    again = deploy(good)
    assert again.code == 0, again.stderr


def test_prune_deletes_what_is_gone(
    signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    flags = ("--prune", "app.kubernetes.io/part-of=shop")
    assert deploy(deployment(signed) + "---\n" + deployment(signed, "other"), *flags).code == 0
    kubectl("create", "configmap", "mine", "-n", namespace)
    ended = deploy(deployment(signed), *flags)
    assert ended.code == 0, ended.stderr
    assert ("other", "pruned") in {
        (resource["name"], resource["action"]) for resource in ended.result["deploy"]["applied"]
    }
    assert kubectl.names(namespace, "deployment,configmap") == {"deployment.apps/web", "configmap/mine"}


def test_half_way_failures_list_what_was_applied(
    signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    """The quota counts only what is really made, so the dry run cannot see it."""
    kubectl("create", "namespace", namespace)
    kubectl("create", "quota", "few", "--hard=count/deployments.apps=1", "-n", namespace)
    # Until the controller has looked at it, it refuses nothing.
    kubectl("wait", "quota/few", "-n", namespace, "--for=jsonpath={.status.hard}", "--timeout=60s")
    ended = deploy(deployment(signed, "a") + "---\n" + deployment(signed, "b"))
    assert ended.code == 3, ended.stderr
    assert "quota" in ended.stderr
    names = [resource["name"] for resource in ended.result["deploy"]["applied"] if resource["kind"] != "Namespace"]
    assert names == ["a"]
    assert ended.result["deploy"]["error"]["what"].startswith("Deployment ")


def test_gate_check_and_demo(signed: str, unsigned: str, gated: Lab, s3c: Callable[..., Ended]) -> None:
    def gate(task: str, *images: str) -> Ended:
        return s3c("gate", task, "--kubeconfig", gated.kubeconfig, *(f"--image={image}" for image in images))

    ended = gate("check", signed)
    assert ended.code == 0, ended.stderr
    denied = ended.result["deploy"]["gate"]["unsigned_denied"]
    assert denied.rpartition("@")[2] in signatures(signed)
    assert gate("check", signed, unsigned).code == 1
    ended = gate("demo", signed, unsigned)
    assert ended.code == 0, ended.stderr
    assert "has no signature" in ended.stderr
    assert "is admitted" in ended.stderr
