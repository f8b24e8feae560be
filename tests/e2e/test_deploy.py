"""`s3c deploy` and `s3c gate` on the lab's node, behind the real Gatekeeper and Ratify."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from s3c_lab.certificates import make
from s3c_lab.lab import Lab
from tests.e2e.cluster import CONSTRAINT, WEBHOOK, Kubectl
from tests.e2e.signing import Ended, signatures

APP = Path(__file__).parent.parent.parent / "manifests" / "app" / "overlays" / "lab"


@pytest.fixture
def deploy(gated: Lab, namespace: str, s3c: Callable[..., Ended], tmp_path: Path) -> Callable[..., Ended]:
    defaults = {
        "kubeconfig": gated.kubeconfig,
        "namespace": namespace,
        "rollout-timeout": "40s",
        "trust-store": gated.certificate,
    }

    def run(text: str, *flags: str, **others: str | Path) -> Ended:
        file = tmp_path / "app.yaml"
        file.write_text(text)
        named = defaults | {name.replace("_", "-"): str(value) for name, value in others.items()}
        given = [part for name, value in named.items() if value for part in (f"--{name}", value)]
        return s3c("deploy", file, "--create-namespace", *given, *flags)

    return run


def deployment(image: str, name: str = "web", more: str = "", command: str = "sleep, infinity") -> str:
    return f"""\
# Deployed by a test
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 0
{more}      containers:
        - name: main
          image: {image}  # replaced by its digest
          command: [{command}]
"""


def test_the_voting_app_takes_a_vote(
    gated: Lab, sign: Callable[..., str], kubectl: Kubectl, namespace: str, deploy: Callable[..., Ended]
) -> None:
    images = [flag for image in gated.images for flag in ("--image", sign(image))]
    kubectl("create", "namespace", namespace)
    kubectl("create", "secret", "generic", "voting-db", f"--from-literal=password={uuid.uuid4().hex}", "-n", namespace)
    text = kubectl("kustomize", str(APP)).replace("localhost:5000", gated.registry)
    ended = deploy(text, *images, rollout_timeout="120s")
    assert ended.code == 0, ended.stderr
    assert {one["admission"]["verdict"] for one in ended.result["images"]} == {"admitted"}
    assert "has no signature" in ended.result["deploy"]["gate"]["denial"]
    client = deploy(deployment(images[1], "client"))
    assert client.code == 0, client.stderr
    inside = ("exec", "-n", namespace, "deployment/client", "--", "curl", "-sSfL")
    kubectl(*inside, "-o", "/dev/null", "-d", "vote=Cats", "http://voting-app/")
    assert json.loads(kubectl(*inside, "http://voting-app/api/votes")) == {"Cats": 1, "Dogs": 0}
    kubectl("delete", "deployment/client", "-n", namespace, "--cascade=foreground")
    running = kubectl("get", "pods", "-n", namespace, "-o", "jsonpath={.items[*].spec.containers[*].image}").split()
    assert sorted(running) == sorted(one["reference"] for one in ended.result["images"])
    again = deploy(text, *images)
    assert again.code == 0, again.stderr
    assert again.result["deploy"]["unchanged"] is True
    assert "nothing to do" in again.stderr


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


def test_denied_then_signed_then_admitted(
    unsigned: str, sign: Callable[..., str], deploy: Callable[..., Ended], kubectl: Kubectl
) -> None:
    assert deploy(deployment(unsigned), "--dry-run", trust_store="").code == 1
    sign(unsigned)
    time.sleep(12)
    ended = deploy(deployment(unsigned), "--dry-run")
    assert ended.code == 0, ended.stderr
    assert ended.result["images"][0]["admission"]["verdict"] == "admitted"
    assert ended.result["deploy"]["applied"] == []


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
    verdicts = {one["reference"]: one["admission"]["verdict"] for one in ended.result["images"]}
    assert verdicts == {signed: "admitted", unsigned: "denied"}


def test_holes_are_found_by_looking(signed: str, deploy: Callable[..., Ended], kubectl: Kubectl) -> None:
    ignore = '[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"%s"}]'
    with kubectl.patched(WEBHOOK, ignore % "Ignore", ignore % "Fail"):
        ended = deploy(deployment(signed), "--dry-run")
        assert ended.code == 1
        assert "fails open" in ended.stderr
        ended = deploy(deployment(signed), "--dry-run", "--require-gate", "false")
        assert ended.code == 0, ended.stderr
        assert any("fails open" in one for one in ended.result["deploy"]["warnings"])


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
        time.sleep(3)
        ended = deploy(
            deployment(unsigned), "--require-gate", "false", "--rollback-on-failure", trust_store=certificate
        )
    assert ended.code == 1, ended.stderr
    assert "was accepted, but its Pods are denied" in ended.stderr
    actions = [(one["kind"], one["action"]) for one in ended.result["deploy"]["applied"]]
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
    ended = deploy(deployment(signed, command="/absent"), "--rollback-on-failure", rollout_timeout="15s")
    assert ended.code == 3, ended.stderr
    assert re.search(
        r"Container main of web-\S+: (RunContainerError|CrashLoopBackOff|CreateContainerError)", ended.stderr
    )
    assert [one["action"] for one in ended.result["deploy"]["applied"]] == ["configured", "restored"]
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
    assert ("other", "pruned") in {(one["name"], one["action"]) for one in ended.result["deploy"]["applied"]}
    assert kubectl.names(namespace, "deployment,configmap") == {"deployment.apps/web", "configmap/mine"}


def test_half_way_failures_list_what_was_applied(signed: str, deploy: Callable[..., Ended], kubectl: Kubectl) -> None:
    """The quota counts only what is really made, so the dry run cannot see it."""
    quota = (
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: few}\nspec: {hard: {count/deployments.apps: '1'}}\n---\n"
    )
    ended = deploy(quota + deployment(signed, "a") + "---\n" + deployment(signed, "b"))
    assert ended.code == 3, ended.stderr
    assert "quota" in ended.stderr
    names = [one["name"] for one in ended.result["deploy"]["applied"] if one["kind"] != "Namespace"]
    assert names == ["few", "a"]
    assert ended.result["deploy"]["error"]["what"].startswith("Deployment ")


def test_permissions_and_credentials_are_named(
    signed: str, deploy: Callable[..., Ended], gated: Lab, tmp_path: Path
) -> None:
    config = Path(gated.kubeconfig).read_text()
    wrong = tmp_path / "wrong"
    wrong.write_text("apiVersion: v1\nkind: Config\nclusters: [\n")
    ended = deploy(deployment(signed), kubeconfig=wrong)
    assert ended.code == 2, ended.stderr
    assert "kubeconfig" in ended.stderr
    ended = deploy(deployment(signed), "--context", "nobody")
    assert ended.code == 2
    assert "nobody is not a context" in ended.stderr
    assert config == Path(gated.kubeconfig).read_text()


def test_gate_check_and_demo(signed: str, unsigned: str, gated: Lab, s3c: Callable[..., Ended]) -> None:
    def gate(task: str, *images: str) -> Ended:
        return s3c("gate", task, "--kubeconfig", gated.kubeconfig, *(f"--image={one}" for one in images))

    ended = gate("check", signed)
    assert ended.code == 0, ended.stderr
    denied = ended.result["deploy"]["gate"]["unsigned_denied"]
    assert denied.rpartition("@")[2] in signatures(signed)
    assert gate("check", signed, unsigned).code == 1
    ended = gate("demo", signed, unsigned)
    assert ended.code == 0, ended.stderr
    assert "has no signature" in ended.stderr
    assert "is admitted" in ended.stderr


@pytest.mark.parametrize(
    ("deployment_name", "told"),
    [("ratify", "Ratify does not run"), ("gatekeeper-controller-manager", "Gatekeeper does not run")],
)
def test_a_gate_that_is_stopped(
    deployment_name: str, told: str, signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    kubectl("create", "namespace", namespace)
    with kubectl.stopped(deployment_name):
        ended = deploy(deployment(signed), "--dry-run")
        assert ended.code == 1, ended.stderr
        assert told in ended.stderr
        assert ended.result["deploy"]["applied"] == []
