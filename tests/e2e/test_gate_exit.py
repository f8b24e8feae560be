"""The emergency exit on the lab's node: a pause that the clock ends, its own permission, and removing the gate."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from s3c_actions.core.moments import format_moment
from s3c_lab import lab as labs
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support import ROOT
from tests.support.cluster import CONSTRAINT, WEBHOOK, Kubectl, deployment, image_volume, pod, pod_spec, workload
from tests.support.signing import Ended

ROLES = ROOT / "manifests" / "rbac"
REASON = "registry down, INC-1234"
STRANGE = f"localhost:1/x@sha256:{64 * '1'}"
ABSENT = pod("x", pod_spec(STRANGE))


@pytest.fixture
def gate(gated: Lab, s3c: Callable[..., Ended], kubectl: Kubectl) -> Iterator[Callable[..., Ended]]:
    """`s3c gate TASK …` on the lab's node; no pause is left behind."""

    def run(task: str, *flags: str | Path, kubeconfig: str | Path = gated.kubeconfig) -> Ended:
        return s3c("gate", task, "--kubeconfig", kubeconfig, *flags)

    yield run
    kubectl("patch", CONSTRAINT, "--type=merge", "-p", '{"spec":{"parameters":{"pause":null}}}')
    kubectl.until_denied(ABSENT, "[ratify-verification]")


def write_pause(kubectl: Kubectl, since: timedelta, until: timedelta) -> None:
    now = datetime.now(UTC)
    pause = {"since": format_moment(now + since), "until": format_moment(now + until), "reason": REASON}
    kubectl("patch", CONSTRAINT, "--type=merge", "-p", json.dumps({"spec": {"parameters": {"pause": pause}}}))


def admitted(kubectl: Kubectl, seconds: float) -> bool:
    """Whether the strange Pod gets in within this time."""
    until = time.monotonic() + seconds
    while kubectl.tried(ABSENT):
        if time.monotonic() > until:
            return False
        time.sleep(0.3)
    return True


def test_a_paused_gate_admits_everything_says_so_everywhere_and_ends(
    gate: Callable[..., Ended],
    gated: Lab,
    signed: str,
    unsigned: str,
    fresh: Callable[[str], str],
    deploy: Callable[..., Ended],
    s3c: Callable[..., Ended],
    kubectl: Kubectl,
    namespace: str,
) -> None:
    paused = gate("pause", "--for", "30m", "--reason", REASON)
    assert paused.code == 0, paused.stderr
    assert "is paused from 20" in paused.stdout and REASON in paused.stdout
    (pause,) = paused.result["deploy"]["gate"]["pauses"]
    length = datetime.fromisoformat(pause["until"]) - datetime.fromisoformat(pause["since"])
    assert (pause["reason"], length) == (REASON, timedelta(minutes=30))
    # Gatekeeper goes by it as soon as the command has ended, in every place of an image.
    assert kubectl.tried(ABSENT) == ""
    assert kubectl.tried(pod("x", pod_spec(signed, **image_volume(STRANGE)))) == ""
    assert kubectl.tried(workload("Deployment", "x", pod_spec(STRANGE))) == ""

    check = gate("check", "--image", signed)
    assert check.code == 1, check.stderr
    assert "is paused from" in check.stderr and REASON in check.stderr
    for manifest, flags in ((deployment(signed), ()), (deployment(signed), ("--require-gate=false",))):
        refused = deploy(manifest, *flags)
        assert refused.code == 1, refused.stderr
        assert "is paused from" in refused.stderr and "accept-paused-gate" in refused.stderr
        assert refused.result["deploy"]["applied"] == []
    unsigned_copy = fresh("voting-app")
    accepted = deploy(deployment(unsigned_copy), "--accept-paused-gate", trust_store="")
    assert accepted.code == 0, accepted.stderr
    assert accepted.result["deploy"]["gate"]["pauses"] == [pause]
    assert any("is paused from" in warning for warning in accepted.result["deploy"]["warnings"])
    assert kubectl.images(namespace) == {accepted.image["reference"]}
    traced = s3c("trace", signed, "--trust-store", gated.certificate, "--kubeconfig", gated.kubeconfig)
    assert traced.code == 0, traced.stderr
    assert "⚠ The gate (ratify-verification) is paused from" in traced.stdout

    ended = gate("pause", "--end")
    assert ended.code == 0, ended.stderr
    assert "is in force" in ended.stdout
    assert "[ratify-verification]" in kubectl.tried(ABSENT)
    again = gate("pause", "--end")
    assert (again.code, again.result["deploy"]["unchanged"]) == (0, True), again.stderr
    assert gate("check", "--image", signed).code == 0
    denied = deploy(deployment(unsigned, "other"), "--accept-paused-gate", trust_store="")
    assert denied.code == 1, denied.stderr
    assert denied.image["admission"]["reason"] == "it has no signature"


def test_it_ends_by_the_clock_with_nothing_of_s3c_running(gate: Callable[..., Ended], kubectl: Kubectl) -> None:
    write_pause(kubectl, timedelta(minutes=-1), timedelta(seconds=20))
    assert admitted(kubectl, 15)
    kubectl.until_denied(ABSENT, "[ratify-verification]")
    live = json.loads(kubectl("get", CONSTRAINT, "-o", "json"))
    assert datetime.fromisoformat(live["spec"]["parameters"]["pause"]["until"]) <= datetime.now(UTC)


def test_ratify_does_not_have_to_answer_in_a_pause(
    gate: Callable[..., Ended], kubectl: Kubectl, signed: str, deploy: Callable[..., Ended], namespace: str
) -> None:
    with kubectl.stopped("ratify"):
        kubectl.until_denied(pod("x", pod_spec(signed)), "failed to send external data request")
        assert gate("pause", "--for", "10m", "--reason", REASON).code == 0
        assert kubectl.tried(ABSENT) == ""
        ended = deploy(deployment(signed), "--accept-paused-gate", trust_store="")
        assert ended.code == 0, ended.stderr
        assert any("Ratify does not run" in warning for warning in ended.result["deploy"]["warnings"])
        assert gate("pause", "--end").code == 0
    assert kubectl.images(namespace) == {signed}


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (timedelta(hours=-1), timedelta(hours=4)),
        (timedelta(minutes=5), timedelta(minutes=30)),
        (timedelta(minutes=-30), timedelta(minutes=-1)),
    ],
    ids=["too long", "to come", "over"],
)
def test_what_is_no_pause_opens_nothing(
    since: timedelta, until: timedelta, gate: Callable[..., Ended], kubectl: Kubectl, signed: str
) -> None:
    write_pause(kubectl, since, until)
    assert not admitted(kubectl, 6)
    check = gate("check", "--image", signed)
    assert check.code == 0, check.stderr


@pytest.fixture
def pauser(kubectl: Kubectl, gated: Lab, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """Kubeconfig of an account that may pause the gate, and nothing else."""
    files = [ROLES / f"gate-{name}.yaml" for name in ("pauser", "pause-policy", "pause-binding")]
    for file in files:
        kubectl("apply", "-f", str(file))
    kubectl("create", "namespace", namespace)
    kubectl("create", "serviceaccount", "pauser", "-n", namespace)
    kubectl(
        *("create", "clusterrolebinding", namespace, "--clusterrole=s3c-gate-pauser"),
        f"--serviceaccount={namespace}:pauser",
    )
    document = yaml.safe_load(Path(gated.kubeconfig).read_text())
    document["users"][0]["user"] = {"token": kubectl("create", "token", "pauser", "-n", namespace).strip()}
    file = tmp_path / "pauser.yaml"
    file.write_text(yaml.safe_dump(document))
    yield file
    kubectl("delete", "clusterrolebinding", namespace)
    for file in reversed(files):
        kubectl("delete", "-f", str(file))


def test_pausing_is_a_permission_of_its_own(
    gate: Callable[..., Ended], kubectl: Kubectl, pauser: Path, signed: str
) -> None:
    account = Kubectl(kubectl.program, str(pauser))
    opened = {
        "excludedNamespaces": '[{"op":"add","path":"/spec/match/excludedNamespaces/-","value":"default"}]',
        "enforcementAction": '[{"op":"replace","path":"/spec/enforcementAction","value":"dryrun"}]',
        "allowTags": '[{"op":"add","path":"/spec/parameters","value":{"allowTags":true}}]',
        "match": '[{"op":"remove","path":"/spec/match"}]',
    }

    def refusals() -> dict[str, str]:
        return {
            name: account.run("patch", CONSTRAINT, "--dry-run=server", "--type=json", "-p", patch).stderr
            for name, patch in opened.items()
        }

    until = time.monotonic() + 30  # the API server reads a policy a moment after it is made
    while not all("may not delete the constraint" in refusal for refusal in refusals().values()):
        assert time.monotonic() < until, refusals()
        time.sleep(0.5)
    assert "cannot delete" in account.run("delete", CONSTRAINT, "--dry-run=server").stderr
    assert "forbidden" in account.run("delete", WEBHOOK, "--dry-run=server").stderr
    paused = gate("pause", "--for", "5m", "--reason", REASON, kubeconfig=pauser)
    assert paused.code == 0, paused.stderr
    assert kubectl.tried(ABSENT) == ""
    assert all("may not delete the constraint" in refusal for refusal in refusals().values())
    ended = gate("pause", "--end", kubeconfig=pauser)
    assert ended.code == 0, ended.stderr
    assert "[ratify-verification]" in kubectl.tried(ABSENT)
    # Whoever looks after the gate is not held to it.
    assert kubectl.run("patch", CONSTRAINT, "--dry-run=server", "--type=json", "-p", opened["match"]).returncode == 0
    assert gate("check", "--image", signed).code == 0


def test_an_account_that_may_not_pause_is_told_what_lacks(
    gate: Callable[..., Ended], kubectl: Kubectl, pauser: Path
) -> None:
    role = json.loads(kubectl("get", "clusterrole/s3c-gate-pauser", "-o", "json"))["rules"]
    patch = '[{"op":"replace","path":"/rules/1/verbs","value":%s}]'
    with kubectl.patched("clusterrole/s3c-gate-pauser", patch % '["get","list"]', patch % json.dumps(role[1]["verbs"])):
        refused = gate("pause", "--for", "5m", "--reason", REASON, kubeconfig=pauser)
    assert refused.code == 3, refused.stderr
    assert "patch ratifyverification.constraints.gatekeeper.sh" in refused.stderr
    assert "[ratify-verification]" in kubectl.tried(ABSENT)


def test_the_gate_is_removed_even_if_it_does_not_run_and_comes_back(
    gate: Callable[..., Ended], kubectl: Kubectl, gated: Lab, machine: Machine, signed: str, unsigned: str
) -> None:
    refused = gate("uninstall")
    assert refused.code == 2, refused.stderr
    assert "Give `--yes`" in refused.stderr
    assert "[ratify-verification]" in kubectl.tried(ABSENT)
    kubectl("scale", "-n", "gatekeeper-system", "deployment/gatekeeper-controller-manager", "--replicas=0")
    kubectl.until_denied(pod("x", pod_spec(signed)), "failed calling webhook")
    try:
        removed = gate("uninstall", "--yes")
        assert removed.code == 0, removed.stderr
        assert "is removed: it admits every image" in removed.stdout
        done = [(resource["kind"], resource["action"]) for resource in removed.result["deploy"]["applied"]]
        assert done[0] == ("ValidatingWebhookConfiguration", "removed")
        assert done[-2:] == [("Chart", "removed")] * 2
        assert kubectl.tried(pod("x", pod_spec(unsigned))) == ""
        for kind in ("constrainttemplates", "verifiers", "keymanagementproviders", "providers"):
            assert kubectl("get", kind, "-o", "name") == ""
        hooks = kubectl("get", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "-o", "name")
        assert "gatekeeper" not in hooks
        again = gate("uninstall", "--yes")
        assert again.code == 0, again.stderr
        assert "has no gate" in again.stdout
        assert gate("pause", "--for", "5m", "--reason", REASON).code == 2
    finally:
        assert labs.up(gated.name, None, machine, node=True) == gated
    assert "[ratify-verification]" in kubectl.tried(ABSENT)
    assert gate("check", "--image", signed).code == 0
