"""A gate of an earlier version on the lab's node: it is told, and brought to this one without an open moment."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from s3c_actions.cluster.client import AdmissionDenied, connect
from s3c_actions.cluster.gate import proof
from s3c_actions.core.errors import S3CError
from s3c_actions.programs.install.locate import locate
from s3c_actions.programs.install.pins import HELM
from s3c_lab import lab as labs
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node.cluster import VALUES
from tests.support import ROOT
from tests.support.cluster import WEBHOOK, Kubectl, node_helm, pod, pod_spec
from tests.support.signing import Ended

RECORDED = json.loads((ROOT / "tests" / "data" / "gate" / "facts.json").read_text())
TEMPLATE = "constrainttemplate/ratifyverification"
ABSENT = pod("x", pod_spec(proof.ABSENT_IMAGE))


@pytest.fixture
def earlier(gated: Lab, kubectl: Kubectl, machine: Machine) -> Iterator[None]:
    """The template and the webhook's rules as they were recorded before; the lab's own come back."""
    (old,) = RECORDED["templates"]
    (hooks,) = RECORDED["webhooks"]
    live = json.loads(kubectl("get", TEMPLATE, "-o", "json"))
    metadata: dict[str, Any] = {"name": "ratifyverification", "resourceVersion": live["metadata"]["resourceVersion"]}
    kubectl("replace", "-f", "-", stdin=json.dumps({**old, "metadata": metadata}))
    wide = [{"op": "replace", "path": "/webhooks/0/rules", "value": hooks["webhooks"][0]["rules"]}]
    for hook in (WEBHOOK, "mutatingwebhookconfiguration/gatekeeper-mutating-webhook-configuration"):
        kubectl("patch", hook, "--type=json", "-p", json.dumps(wide))
    until = time.monotonic() + 60
    while not _taken(kubectl):
        assert time.monotonic() < until
        time.sleep(0.5)
    yield
    assert labs.up(gated.name, None, machine, node=True) == gated
    kubectl.until_denied(ABSENT, "(trace ")


def _taken(kubectl: Kubectl) -> bool:
    live = json.loads(kubectl("get", TEMPLATE, "-o", "json"))
    pods = live["status"]["byPod"]
    return bool(pods) and all(pod["observedGeneration"] >= live["metadata"]["generation"] for pod in pods)


class Hammer(threading.Thread):
    """Tries Pods that must not get in, over and over, by dry run."""

    def __init__(self, kubeconfig: str, images: list[str], folder: Path) -> None:
        super().__init__(daemon=True)
        self.cluster = connect(kubeconfig, "", timeout=30, temp=folder, hide=lambda _: None)
        self.images = images
        self.admitted: list[str] = []
        self.denied: list[str] = []
        self.failed: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            for image in self.images:
                try:
                    self.cluster.create(proof.PODS, proof.probe_pod([image]), "default", dry_run=True)
                except AdmissionDenied as denied:
                    self.denied.append(denied.original)
                except S3CError as error:
                    self.failed.append(f"{error.what} {error.original}")
                else:
                    self.admitted.append(image)


@pytest.mark.usefixtures("earlier")
def test_a_gate_of_an_earlier_version_is_told_and_upgraded_without_an_open_moment(
    gated: Lab,
    kubectl: Kubectl,
    machine: Machine,
    signed: str,
    unsigned: str,
    s3c: Callable[..., Ended],
    tmp_path: Path,
) -> None:
    check = ("gate", "check", "--kubeconfig", gated.kubeconfig, "--image", signed)
    before = s3c(*check)
    assert "The gate's template is not that of this version" in before.stderr
    for kind in ("validating", "mutating"):
        assert f"{kind}-webhook-configuration is asked about more than the gate needs (Nodes, Leases" in before.stderr
    refused = s3c("gate", "pause", "--kubeconfig", gated.kubeconfig, "--for", "5m", "--reason", "x")
    assert refused.code == 3, refused.stderr
    assert "knows no pause" in refused.stderr

    program = locate(HELM, cache=machine.cache, runner=machine.runner, progress=machine.progress).path
    values = [
        part for name in ("gatekeeper", "ratify") for part in (f"--{name}-values", VALUES / f"{name}-values.yaml")
    ]
    flags = ("--trust-store", gated.certificate, "--trusted-identity", "*", *values)
    install = (
        *("gate", "install", "--kubeconfig", gated.kubeconfig),
        *("--helm-path", node_helm(gated, program, tmp_path), *flags),
    )
    hammer = Hammer(gated.kubeconfig, [unsigned, proof.ABSENT_IMAGE], tmp_path)
    hammer.start()
    try:
        installed = s3c(*install)
        time.sleep(3)
    finally:
        hammer.over.set()
        hammer.join(60)
    assert installed.code == 0, installed.stderr
    actions = {resource["kind"]: resource["action"] for resource in installed.result["deploy"]["applied"]}
    assert actions["ConstraintTemplate"] == "configured"
    assert hammer.admitted == []
    assert len(hammer.denied) > 20
    assert hammer.failed == []
    assert any("[ratify-verification]" in denial for denial in hammer.denied)

    after = s3c(*check)
    assert after.code == 0, after.stderr
    assert "template" not in after.stderr
    assert "is asked about more" not in after.stderr
    for kind in ("validating", "mutating"):
        hook = f"{kind}webhookconfiguration/gatekeeper-{kind}-webhook-configuration"
        live = json.loads(kubectl("get", hook, "-o", "json"))["webhooks"][0]["rules"]
        shipped = yaml.safe_load((ROOT / "manifests" / "gatekeeper" / "values.yaml").read_text())
        assert live == shipped[f"{kind}WebhookCustomRules"]
    mutations = json.loads(kubectl("get", "assign", "-o", "json"))["items"]
    policies = {mutation["spec"]["parameters"]["assign"]["externalData"]["failurePolicy"] for mutation in mutations}
    assert (len(mutations) > 2, policies) == (True, {"Ignore"})

    # An installed gate is in force: a pause ends with it.
    paused = s3c("gate", "pause", "--kubeconfig", gated.kubeconfig, "--for", "5m", "--reason", "x")
    assert paused.code == 0, paused.stderr
    assert kubectl.tried(ABSENT) == ""
    again = s3c(*install)
    assert again.code == 0, again.stderr
    assert "It is taken out" in again.stderr
    assert "[ratify-verification]" in kubectl.tried(ABSENT)
    third = s3c(*install)
    assert (third.code, third.result["deploy"]["unchanged"]) == (0, True), third.stderr
