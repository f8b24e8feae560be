"""`s3c deploy` and `s3c gate` on the lab's node, behind the real Gatekeeper and Ratify."""

from __future__ import annotations

import json
import re
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from s3c_actions.programs.install import locate
from s3c_lab import lab as labs
from s3c_lab.certificates import make
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node.programs import KUBECTL
from tests.e2e.signing import Ended, push_image, signatures

APP = Path(__file__).parent.parent.parent / "manifests" / "app" / "overlays" / "lab"
CONSTRAINT = "ratifyverification/ratify-verification"
WEBHOOK = "validatingwebhookconfiguration/gatekeeper-validating-webhook-configuration"
GATE = "gatekeeper-system"


class Kubectl:
    """kubectl on the lab's node."""

    def __init__(self, program: Path, kubeconfig: str) -> None:
        self.program = program
        self.kubeconfig = kubeconfig

    def __call__(self, *arguments: str, check: bool = True) -> str:
        argv = [str(self.program), "--kubeconfig", self.kubeconfig, *arguments]
        ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=180)
        assert ended.returncode == 0 or not check, ended.stderr
        return ended.stdout

    def names(self, namespace: str, kinds: str = "deployment,statefulset,pod,configmap") -> set[str]:
        found = self("get", kinds, "-n", namespace, "-o", "name", check=False).split()
        return {name for name in found if "kube-root-ca" not in name}

    @contextmanager
    def patched(self, thing: str, patch: str, back: str) -> Iterator[None]:
        """A JSON patch that lasts as long as the block."""
        self("patch", thing, "--type=json", "-p", patch)
        try:
            yield
        finally:
            self("patch", thing, "--type=json", "-p", back)

    @contextmanager
    def stopped(self, deployment: str) -> Iterator[None]:
        """A deployment of the gate without Pods."""
        self("scale", "-n", GATE, f"deployment/{deployment}", "--replicas=0")
        self(
            "wait",
            "-n",
            GATE,
            "--for=delete",
            "pod",
            "-l",
            f"app.kubernetes.io/name={deployment}",
            "--timeout=90s",
            check=False,
        )
        time.sleep(12)  # what Gatekeeper keeps of Ratify's answers
        try:
            yield
        finally:
            self("scale", "-n", GATE, f"deployment/{deployment}", "--replicas=1")
            self("rollout", "status", "-n", GATE, f"deployment/{deployment}", "--timeout=120s")
            time.sleep(3)


@pytest.fixture(scope="module")
def gated(lab: Lab, machine: Machine, request: pytest.FixtureRequest) -> Lab:
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        return labs.up(lab.name, None, machine, node=True)


@pytest.fixture(scope="module")
def kubectl(gated: Lab, machine: Machine) -> Kubectl:
    program = locate(KUBECTL, cache=machine.cache, runner=machine.runner, progress=machine.progress)
    return Kubectl(program.path, gated.kubeconfig)


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    yield name
    kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")


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


@pytest.fixture
def sign(gated: Lab, s3c: Callable[..., Ended]) -> Callable[..., str]:
    def run(image: str, key: str | Path = gated.key, certificate: str | Path = gated.certificate) -> str:
        ended = s3c("sign", image, "--key", key, "--certificate", certificate)
        assert ended.code == 0, ended.stderr
        return str(ended.result["images"][0]["reference"])

    return run


@pytest.fixture
def unsigned(gated: Lab) -> str:
    """An image that nobody signed: its content, and so its digest, is this test's alone."""
    repository = f"e2e/{uuid.uuid4().hex[:12]}"
    digest = push_image(gated.registry, repository, "1", repository).rpartition("@")[2]
    return f"{gated.registry}/{repository}@{digest}"


@pytest.fixture
def app(gated: Lab, sign: Callable[..., str]) -> str:
    (image,) = (one for one in gated.images if "/voting-app:" in one)
    return sign(image)


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


def test_an_unsigned_init_container(app: str, unsigned: str, deploy: Callable[..., Ended]) -> None:
    more = f"      initContainers: [{{name: first, image: '{unsigned}'}}]\n"
    ended = deploy(deployment(app, more=more), "--dry-run", trust_store="")
    assert ended.code == 1, ended.stderr
    verdicts = {one["reference"]: one["admission"]["verdict"] for one in ended.result["images"]}
    assert verdicts == {app: "admitted", unsigned: "denied"}


def test_holes_are_found_by_looking(app: str, deploy: Callable[..., Ended], kubectl: Kubectl) -> None:
    ignore = '[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"%s"}]'
    with kubectl.patched(WEBHOOK, ignore % "Ignore", ignore % "Fail"):
        ended = deploy(deployment(app), "--dry-run")
        assert ended.code == 1
        assert "fails open" in ended.stderr
        ended = deploy(deployment(app), "--dry-run", "--require-gate", "false")
        assert ended.code == 0, ended.stderr
        assert any("fails open" in one for one in ended.result["deploy"]["warnings"])


def test_a_namespace_that_is_not_covered(
    app: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    more = json.dumps([{"op": "add", "path": "/spec/match/excludedNamespaces/-", "value": namespace}])
    with kubectl.patched(CONSTRAINT, more, '[{"op":"remove","path":"/spec/match/excludedNamespaces/2"}]'):
        ended = deploy(deployment(app))
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
    app: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    good = deployment(app)
    assert deploy(good).code == 0
    ended = deploy(deployment(app, command="/absent"), "--rollback-on-failure", rollout_timeout="15s")
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


def test_prune_deletes_what_is_gone(app: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str) -> None:
    flags = ("--prune", "app.kubernetes.io/part-of=shop")
    assert deploy(deployment(app) + "---\n" + deployment(app, "other"), *flags).code == 0
    kubectl("create", "configmap", "mine", "-n", namespace)
    ended = deploy(deployment(app), *flags)
    assert ended.code == 0, ended.stderr
    assert ("other", "pruned") in {(one["name"], one["action"]) for one in ended.result["deploy"]["applied"]}
    assert kubectl.names(namespace, "deployment,configmap") == {"deployment.apps/web", "configmap/mine"}


def test_half_way_failures_list_what_was_applied(app: str, deploy: Callable[..., Ended], kubectl: Kubectl) -> None:
    """The quota counts only what is really made, so the dry run cannot see it."""
    quota = (
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: few}\nspec: {hard: {count/deployments.apps: '1'}}\n---\n"
    )
    ended = deploy(quota + deployment(app, "a") + "---\n" + deployment(app, "b"))
    assert ended.code == 3, ended.stderr
    assert "quota" in ended.stderr
    names = [one["name"] for one in ended.result["deploy"]["applied"] if one["kind"] != "Namespace"]
    assert names == ["few", "a"]
    assert ended.result["deploy"]["error"]["what"].startswith("Deployment ")


def test_permissions_and_credentials_are_named(
    app: str, deploy: Callable[..., Ended], gated: Lab, tmp_path: Path
) -> None:
    config = Path(gated.kubeconfig).read_text()
    wrong = tmp_path / "wrong"
    wrong.write_text("apiVersion: v1\nkind: Config\nclusters: [\n")
    ended = deploy(deployment(app), kubeconfig=wrong)
    assert ended.code == 2, ended.stderr
    assert "kubeconfig" in ended.stderr
    ended = deploy(deployment(app), "--context", "nobody")
    assert ended.code == 2
    assert "nobody is not a context" in ended.stderr
    assert config == Path(gated.kubeconfig).read_text()


def test_gate_check_and_demo(app: str, unsigned: str, gated: Lab, s3c: Callable[..., Ended]) -> None:
    def gate(task: str, *images: str) -> Ended:
        return s3c("gate", task, "--kubeconfig", gated.kubeconfig, *(f"--image={one}" for one in images))

    ended = gate("check", app)
    assert ended.code == 0, ended.stderr
    denied = ended.result["deploy"]["gate"]["unsigned_denied"]
    assert denied.rpartition("@")[2] in signatures(app)
    assert gate("check", app, unsigned).code == 1
    ended = gate("demo", app, unsigned)
    assert ended.code == 0, ended.stderr
    assert "has no signature" in ended.stderr
    assert "is admitted" in ended.stderr


@pytest.mark.parametrize(
    ("deployment_name", "told"),
    [("ratify", "Ratify does not run"), ("gatekeeper-controller-manager", "Gatekeeper does not run")],
)
def test_a_gate_that_is_stopped(
    deployment_name: str, told: str, app: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    kubectl("create", "namespace", namespace)
    with kubectl.stopped(deployment_name):
        ended = deploy(deployment(app), "--dry-run")
        assert ended.code == 1, ended.stderr
        assert told in ended.stderr
        assert ended.result["deploy"]["applied"] == []
