"""The gate judged by what it lets in: signatures of every state, and every part of it away. All of it real."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s3c_lab import daemons, registry_server
from s3c_lab.certificates import Identity, make, make_authority
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node.cluster import node_name
from tests.support.cluster import CONSTRAINT, WEBHOOK, Kubectl, deployment, image_volume, pod, pod_spec
from tests.support.oci import Repository, copy_image, digest_of
from tests.support.signing import Ended, push_image, send, signatures

KEYS = "keymanagementprovider/signers"
SHORT_LIFE = timedelta(seconds=45)


@pytest.fixture(scope="module")
def authority(gated: Lab, kubectl: Kubectl) -> Iterator[Identity]:
    """One that the gate trusts besides the lab's own certificate."""
    new_authority = make_authority("s3c-e2e")
    own = Path(gated.certificate).read_text()
    _trust(kubectl, own + new_authority.chain_pem().decode())
    yield new_authority
    _trust(kubectl, own)


def _trust(kubectl: Kubectl, certificates: str) -> None:
    fetched = ("get", KEYS, "-o", "jsonpath={.status.issuccess} {.status.lastfetchedtime}")
    before, until = kubectl(*fetched), time.monotonic() + 120
    time.sleep(1)  # the time is told in seconds
    kubectl("patch", KEYS, "--type=merge", "-p", json.dumps({"spec": {"parameters": {"value": certificates}}}))
    while (now := kubectl(*fetched)) == before or not now.startswith("true"):
        assert time.monotonic() < until, now
        time.sleep(0.2)


@pytest.fixture
def judged(gated: Lab, s3c: Callable[..., Ended]) -> Callable[..., dict[str, dict[str, Any]]]:
    """What the gate makes of images by digest: reference → admission, as `s3c gate check` tells."""

    def ask(*images: str) -> dict[str, dict[str, Any]]:
        ended = s3c("gate", "check", "--kubeconfig", gated.kubeconfig, *(f"--image={image}" for image in images))
        assert ended.code in {0, 1}, ended.stderr
        admissions = {image["image"]: image["admission"] for image in ended.result["images"]}
        assert ended.code == int(any(admission["verdict"] != "admitted" for admission in admissions.values())), (
            ended.stderr
        )
        return admissions

    return ask


def test_signatures_of_every_state(
    gated: Lab,
    authority: Identity,
    sign: Callable[..., str],
    judged: Callable[..., dict[str, dict[str, Any]]],
    tmp_path: Path,
) -> None:
    trusted = (Path(gated.key), Path(gated.certificate))
    second = make("second", issuer=authority).write(tmp_path, "second")
    stranger = make("stranger").write(tmp_path, "stranger")
    end = datetime.now(UTC) + SHORT_LIFE
    short = make("short", issuer=authority, end=end).write(tmp_path, "short")
    soon: tuple[str | Path, ...] = (*trusted, f"--signature-expiry={SHORT_LIFE.seconds}s")
    states: dict[str, tuple[list[tuple[str | Path, ...]], str | None]] = {
        "expired certificate": ([short], "its signature's certificate has expired"),
        "expired signature": ([soon], "its signature has expired"),
        "stranger": ([stranger], "it is signed, but not by anyone the cluster trusts"),
        "stranger, and expired": ([stranger, short], ""),
        "one": ([trusted], None),
        "another": ([second], None),
        "two valid": ([trusted, second], None),
        "expired certificate, then good": ([short, trusted], None),
        "good, then expired certificate": ([trusted, short], None),
        "expired signature, then good": ([soon, second], None),
        "stranger, then good": ([stranger, trusted], None),
        "good, then stranger": ([trusted, stranger], None),
    }
    references: dict[str, str] = {}
    # What is to expire first, and of that what the ending certificate signs: the others are signed meanwhile.
    for state, (signers, _) in sorted(
        states.items(), key=lambda entry: (short not in entry[1][0], soon not in entry[1][0])
    ):
        repository = f"e2e/{tmp_path.name.replace('_', '-')}/{len(references)}"
        image = push_image(gated.registry, repository, "1", f"{repository} {state}")
        assert {sign(image, *signer) for signer in signers} == {image}
        assert len(signatures(image)) == len(signers)
        references[state] = image
        if soon in signers:
            end = max(end, datetime.now(UTC) + SHORT_LIFE)
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 1)
    admissions = judged(*references.values())
    verdicts = {state: admissions[image]["verdict"] for state, image in references.items()}
    assert verdicts == {state: "admitted" if reason is None else "denied" for state, (_, reason) in states.items()}
    for state, (_, reason) in states.items():
        if reason:
            assert admissions[references[state]]["reason"] == reason
            assert references[state] in admissions[references[state]]["remedy"]
            assert admissions[references[state]]["trace"]


def test_an_unsigned_tag(unsigned: str, deploy: Callable[..., Ended], kubectl: Kubectl) -> None:
    tag = unsigned.partition("@")[0] + ":1"
    denied = kubectl.tried(pod("tag", pod_spec(tag)))
    assert f"[ratify-verification] {unsigned} is not trusted: it has no signature" in denied
    ended = deploy(deployment(tag), "--dry-run", trust_store="")
    assert ended.code == 1, ended.stderr
    assert ended.image["reference"] == unsigned
    assert ended.image["admission"]["reason"] == "it has no signature"


def test_a_signed_index_speaks_for_its_children_and_they_not_for_themselves(
    gated: Lab,
    fresh: Callable[[str], str],
    sign: Callable[..., str],
    judged: Callable[..., dict[str, dict[str, Any]]],
    deploy: Callable[..., Ended],
    kubectl: Kubectl,
    namespace: str,
) -> None:
    name, _, tag = fresh("voting-app").removeprefix(f"{gated.registry}/").partition(":")
    repository = Repository(gated.registry, name)
    body, media_type = repository.raw(tag)
    child = repository.put_manifest(json.loads(body) | {"mediaType": media_type}, "child")
    platform = {"os": "linux", "architecture": "amd64"}
    repository.index([{**child, "platform": platform}], "index")
    index = sign(f"{gated.registry}/{name}:index")
    alone = f"{gated.registry}/{name}@{child['digest']}"
    assert {reference: admission["verdict"] for reference, admission in judged(index, alone).items()} == {
        index: "admitted",
        alone: "denied",
    }
    ended = deploy(deployment(alone), trust_store="")
    assert ended.code == 1, ended.stderr
    assert ended.image["admission"]["reason"] == "it has no signature"
    ended = deploy(deployment(f"{gated.registry}/{name}:index"))
    assert ended.code == 0, ended.stderr
    assert kubectl.images(namespace) == {index}


def test_a_tag_that_moved_after_signing(
    gated: Lab,
    fresh: Callable[[str], str],
    sign: Callable[..., str],
    deploy: Callable[..., Ended],
    kubectl: Kubectl,
    namespace: str,
) -> None:
    tag = fresh("voting-app")
    old = sign(tag)
    new = push_image(gated.registry, *tag.removeprefix(f"{gated.registry}/").split(":"))
    assert new != old
    ended = deploy(deployment(tag), image=old)
    assert ended.code == 0, ended.stderr
    assert kubectl.images(namespace) == {old}
    ended = deploy(deployment(tag), trust_store="")
    assert ended.code == 1, ended.stderr
    assert ended.image["reference"] == new
    assert kubectl.images(namespace) == {old}


def test_a_signature_taken_away_after_the_deploy(
    fresh: Callable[[str], str],
    sign: Callable[..., str],
    deploy: Callable[..., Ended],
    kubectl: Kubectl,
    namespace: str,
) -> None:
    image = sign(fresh("voting-app"))
    assert deploy(deployment(image)).code == 0
    name, _, digest = image.partition("@")
    registry, _, repository = name.partition("/")
    (signature,) = signatures(image)
    body, _ = Repository(registry, repository).raw(digest.replace(":", "-"))
    for manifest_digest in (signature, digest_of(body)):
        assert send("DELETE", f"http://{registry}/v2/{repository}/manifests/{manifest_digest}")[0] == 202
    assert signatures(image) == []
    kubectl.until_denied(pod("again", pod_spec(image)), "it has no signature")
    kubectl("delete", "pod", "--all", "-n", namespace, "--wait=false")
    until = time.monotonic() + 180
    events = ("get", "events", "-n", namespace, "--field-selector=reason=FailedCreate", "-o", "jsonpath={..message}")
    while f"{image} is not trusted: it has no signature" not in kubectl(*events):
        assert time.monotonic() < until, kubectl("describe", "replicasets", "-n", namespace)
        time.sleep(0.5)
    ready = ("get", "deployment/web", "-n", namespace, "-o", "jsonpath={.status.readyReplicas}")
    while kubectl(*ready) not in {"", "0"}:
        assert time.monotonic() < until, kubectl("describe", "deployment/web", "-n", namespace)
        time.sleep(0.5)
    ended = deploy(deployment(image), trust_store="")
    assert ended.code == 1, ended.stderr
    assert ended.image["admission"]["reason"] == "it has no signature"


TEMPLATE = "constrainttemplate/ratifyverification"
STRANGE = pod("x", pod_spec(f"localhost:1/x@sha256:{64 * '1'}"))


@contextmanager
def decided_by(kubectl: Kubectl, change: Callable[[str], str], tried: dict[str, Any]) -> Iterator[None]:
    """The gate with other Rego, once it admits what it should not."""
    (target,) = json.loads(kubectl("get", TEMPLATE, "-o", "json"))["spec"]["targets"]
    changed = target | {"rego": change(target["rego"])}
    patch = '[{"op":"replace","path":"/spec/targets/0","value":%s}]'
    with kubectl.patched(TEMPLATE, patch % json.dumps(changed), patch % json.dumps(target)):
        until = time.monotonic() + 90
        while denied := kubectl.tried(tried):
            assert time.monotonic() < until, denied
            time.sleep(0.5)
        yield


def idle(_rego: str) -> str:
    return (
        "package ratifyverification\n\n"
        'violation[{"msg": "never"}] {\n'
        '  external_data({"provider": "ratify-provider", "keys": ["x"]}).system_error == "never"\n}\n'
    )


ROLLOUTS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "rollouts.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "scope": "Namespaced",
        "names": {"kind": "Rollout", "plural": "rollouts", "singular": "rollout"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}


def rollout(image: str) -> str:
    return deployment(image).replace("apps/v1", "argoproj.io/v1alpha1").replace("kind: Deployment", "kind: Rollout")


@pytest.fixture
def rollouts(kubectl: Kubectl) -> Iterator[None]:
    """The cluster knows Argo's Rollout, and nothing acts on one."""
    kubectl("apply", "-f", "-", stdin=json.dumps(ROLLOUTS))
    kubectl("wait", "--for=condition=Established", "crd/rollouts.argoproj.io", "--timeout=60s")
    yield
    kubectl("delete", "crd", "rollouts.argoproj.io")


@pytest.mark.usefixtures("rollouts")
def test_a_gate_that_looks_closed_and_is_open(
    gated: Lab, signed: str, unsigned: str, deploy: Callable[..., Ended], s3c: Callable[..., Ended], kubectl: Kubectl
) -> None:
    """Its template asks Ratify and does nothing with the answer."""
    with decided_by(kubectl, idle, STRANGE):
        for manifest, others in (
            (deployment(signed), {}),
            (deployment(unsigned), {"trust_store": ""}),
            (rollout(signed), {}),
            (rollout(unsigned), {"trust_store": ""}),
            (deployment(signed) + "---\n" + deployment(unsigned, "other"), {"trust_store": ""}),
        ):
            ended = deploy(manifest, **others)
            assert ended.code == 1, ended.stderr
            assert "The gate is open" in ended.stderr
            assert ended.result["deploy"]["applied"] == []
        for image in (signed, unsigned):
            ended = s3c("gate", "check", "--kubeconfig", gated.kubeconfig, "--image", image)
            assert ended.code == 1, ended.stderr
            assert "The gate is open" in ended.stderr
    kubectl.until_denied(STRANGE, "[ratify-verification]")


@pytest.mark.parametrize(
    ("place", "was", "becomes", "spec"),
    [
        ("an image volume", "volume := pods[_].volumes[_]", "volume := pods[_].nowhere[_]", image_volume),
        (
            "an init container",
            '"containers", "initContainers"',
            '"containers", "nowhere"',
            lambda image: {"initContainers": [{"name": "first", "image": image}]},
        ),
    ],
)
def test_a_gate_that_leaves_out_a_place_of_an_image_is_refused(
    place: str,
    was: str,
    becomes: str,
    spec: Callable[[str], dict[str, Any]],
    gated: Lab,
    signed: str,
    unsigned: str,
    deploy: Callable[..., Ended],
    s3c: Callable[..., Ended],
    kubectl: Kubectl,
) -> None:
    """As templates did before they knew of image volumes."""

    def change(rego: str) -> str:
        assert was in rego
        return rego.replace(was, becomes)

    through = pod("x", pod_spec(signed, **spec(unsigned)))
    with decided_by(kubectl, change, through):
        ended = deploy(deployment(signed))
        assert ended.code == 1, ended.stderr
        assert f"as {place}." in ended.stderr
        assert ended.result["deploy"]["applied"] == []
        ended = s3c("gate", "check", "--kubeconfig", gated.kubeconfig, "--image", signed)
        assert ended.code == 1, ended.stderr
        assert f"as {place}." in ended.stderr
    kubectl.until_denied(through, "[ratify-verification]")


@pytest.mark.usefixtures("rollouts")
def test_a_custom_kind_is_deployed_behind_the_proved_gate_and_not_watched(
    signed: str, unsigned: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    ended = deploy(rollout(unsigned), trust_store="")
    assert ended.code == 1, ended.stderr
    assert ended.image["admission"]["reason"] == "it has no signature"
    ended = deploy(rollout(signed))
    assert ended.code == 0, ended.stderr
    assert "denied as a container, an init container and an image volume" in ended.stderr
    assert ended.result["deploy"]["gate"]["unsigned_denied"].rpartition("@")[2] in signatures(signed)
    assert ended.image["admission"]["verdict"] == "admitted"
    (warning,) = (warning for warning in ended.result["deploy"]["warnings"] if "not watched" in warning)
    assert f"Rollout {namespace}/web" in warning
    assert kubectl("get", "rollouts", "-n", namespace, "-o", "name").split() == ["rollout.argoproj.io/web"]


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (["*"], "does not look at ephemeral containers (pods/ephemeralcontainers)"),
        (["pods", "deployments", "pods/ephemeralcontainers"], "does not look at PodTemplates"),
    ],
)
def test_a_webhook_that_is_not_asked_about_everything_is_a_hole(
    resources: list[str], message: str, signed: str, deploy: Callable[..., Ended], kubectl: Kubectl
) -> None:
    path = "/webhooks/0/rules/0/resources"
    before = json.loads(kubectl("get", WEBHOOK, "-o", "json"))["webhooks"][0]["rules"][0]["resources"]
    patch = '[{"op":"replace","path":"%s","value":%s}]'
    with kubectl.patched(WEBHOOK, patch % (path, json.dumps(resources)), patch % (path, json.dumps(before))):
        ended = deploy(deployment(signed), "--dry-run")
    assert ended.code == 1, ended.stderr
    assert message in ended.stderr


def test_it_is_proved_in_every_namespace_that_gets_images(
    signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    """One of two is left out by a constraint's label selector for namespaces."""
    other = f"{namespace}-other"
    kubectl("create", "namespace", other)
    try:
        elsewhere = deployment(signed, "other").replace(
            "{name: other}\nspec", f"{{name: other, namespace: {other}}}\nspec"
        )
        assert other in elsewhere
        ended = deploy(deployment(signed) + "---\n" + elsewhere, namespace="")
        assert ended.code == 0, ended.stderr
        more = json.dumps([{"op": "add", "path": "/spec/match/excludedNamespaces/-", "value": other}])
        with kubectl.patched(CONSTRAINT, more, '[{"op":"remove","path":"/spec/match/excludedNamespaces/2"}]'):
            ended = deploy(deployment(signed) + "---\n" + elsewhere, namespace="")
        assert ended.code == 1, ended.stderr
        assert f"The namespace {other} goes around the gate" in ended.stderr
    finally:
        kubectl("delete", "namespace", other, "--wait=false")
        kubectl("delete", "deployment/web", "-n", "default", "--ignore-not-found", "--wait=false")


@contextmanager
def registry_stopped(lab: Lab, machine: Machine) -> Iterator[None]:
    daemons.stop(Path(lab.folder) / "registry.pid", machine)
    try:
        yield
    finally:
        registry_server.start(Path(lab.folder), int(lab.registry.rpartition(":")[2]), machine)


@contextmanager
def registry_out_of_the_nodes_reach(lab: Lab) -> Iterator[None]:
    """It answers this machine, and not the cluster."""
    forwarder = f"{node_name(lab.name)}-registry"
    subprocess.run(["docker", "stop", "--time=0", forwarder], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["docker", "start", forwarder], check=True, capture_output=True)


def test_the_registry_is_stopped(
    gated: Lab,
    machine: Machine,
    fresh: Callable[[str], str],
    sign: Callable[..., str],
    deploy: Callable[..., Ended],
    kubectl: Kubectl,
) -> None:
    tag = fresh("voting-app")
    image, other, third = (sign(copy_image(tag, f"{uuid.uuid4().hex}/voting-app")) for _ in range(3))
    with registry_stopped(gated, machine):
        denied = kubectl.tried(pod("x", pod_spec(image)))
        assert f"[ratify-verification] {image}" in denied
        ended = deploy(deployment(image), trust_store="")
        assert ended.code == 3, ended.stderr
        assert gated.registry in ended.stderr
        assert ended.result["images"] == []
    with registry_out_of_the_nodes_reach(gated):
        ended = deploy(deployment(other), trust_store="")
        assert ended.code in {1, 3}, ended.stderr
        assert "its registry could not be asked" in ended.stderr
        assert ended.result["deploy"]["applied"] == []
    assert deploy(deployment(third), "--dry-run").code == 0


@pytest.mark.parametrize(
    ("part", "message", "denied"),
    [
        ("ratify", "Ratify does not run", "[ratify-verification] Ratify could not be asked about"),
        ("gatekeeper-controller-manager", "Gatekeeper does not run", "failed calling webhook"),
    ],
)
def test_a_part_of_the_gate_is_stopped(
    part: str,
    message: str,
    denied: str,
    signed: str,
    deploy: Callable[..., Ended],
    kubectl: Kubectl,
    namespace: str,
) -> None:
    kubectl("create", "namespace", namespace)
    with kubectl.stopped(part):
        kubectl.until_denied(pod("x", pod_spec(signed)), denied)
        ended = deploy(deployment(signed))
        assert ended.code == 1, ended.stderr
        assert message in ended.stderr
        # Nor does it get in when the missing gate is accepted.
        ended = deploy(deployment(signed), "--require-gate=false")
        assert ended.code == 1, ended.stderr
        assert "could not be asked" in ended.stderr
        assert ended.result["deploy"]["applied"] == []
    assert kubectl.names(namespace) == set()
