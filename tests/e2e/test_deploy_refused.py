"""`s3c deploy` refusing: what is wrong is named, and nothing is applied."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import ruamel.yaml

from s3c_lab.certificates import make_authority
from s3c_lab.lab import Lab
from tests.support import ROOT
from tests.support.cluster import Kubectl, deployment
from tests.support.oci import Repository
from tests.support.signing import Ended

ROLES = ROOT / "manifests" / "rbac"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "manifests: there are no manifests"),
        ("# nothing\n---\n", "manifests: there are no manifests"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n spec: {}\n", "app.yaml, line 4: it is not valid YAML"),
        ("{{ if .Values.x }}\nkind: Pod\n{{ end }}\n", "template of Helm's"),
        (deployment("UPPER"), "manifests: app.yaml, line 13 (Deployment web, container main): 'UPPER' is not"),
    ],
)
def test_manifests_that_cannot_be_used(
    text: str, message: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    ended = deploy(text)
    assert ended.code == 2, ended.stderr
    assert message in ended.stderr
    assert kubectl("get", "namespace", namespace, "--ignore-not-found") == ""


def test_an_image_without_a_digest_where_no_registry_is_asked(
    signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    tag = signed.partition("@")[0] + ":1.4.0"
    ended = deploy(deployment(signed) + "---\n" + deployment(tag, "other"), "--resolve=false")
    assert ended.code == 2, ended.stderr
    assert f"app.yaml, line 28 (Deployment other, container main): {tag} has no digest" in ended.stderr
    assert "resolve" in ended.stderr
    assert kubectl("get", "namespace", namespace, "--ignore-not-found") == ""


def test_images_that_are_not_there_or_for_other_machines(
    gated: Lab,
    signed: str,
    repository: Repository,
    layers: list[bytes],
    sign: Callable[..., str],
    deploy: Callable[..., Ended],
    kubectl: Kubectl,
    namespace: str,
) -> None:
    ended = deploy(deployment(f"{gated.registry}/nowhere:1"))
    assert ended.code == 2, ended.stderr
    assert f"{gated.registry}/nowhere:1" in ended.stderr
    assert "app.yaml, line 13" in ended.stderr
    repository.image(layers[:1], "arm", architecture="arm64")
    arm = sign(f"{gated.registry}/{repository.name}:arm")
    ended = deploy(deployment(signed) + "---\n" + deployment(arm, "other"))
    assert ended.code == 2, ended.stderr
    assert f"{arm} is for linux/arm64, and the nodes are linux/amd64" in ended.stderr
    assert kubectl("get", "namespace", namespace, "--ignore-not-found") == ""


def test_what_the_api_server_does_not_take(
    signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    """The second object alone is wrong: the server's dry run finds it before the first is applied."""
    for wrong, message in (
        (deployment(signed, "other").replace("matchLabels: {app: other}", "matchLabels: {app: web}"), "selector"),
        (deployment(signed, "other").replace("spec:\n  selector", "spec:\n  replica: 2\n  selector"), "replica"),
        ("apiVersion: example.org/v1\nkind: Toy\nmetadata: {name: x}\n", "the cluster knows no Toy"),
    ):
        ended = deploy(deployment(signed) + "---\n" + wrong)
        assert ended.code in {2, 3}, ended.stderr
        assert message in ended.stderr
        assert ended.result["deploy"]["applied"] == []
    assert kubectl.names(namespace) == set()


def test_fields_that_another_tool_manages(
    signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    kubectl("create", "namespace", namespace)
    theirs = deployment(signed).replace("spec:\n  selector", "spec:\n  replicas: 0\n  selector")
    kubectl("apply", "--server-side", "--field-manager=helm", "-n", namespace, "-f", "-", stdin=theirs)
    ours = theirs.replace("replicas: 0", "replicas: 1")
    ended = deploy(ours)
    assert ended.code == 3, ended.stderr
    assert "Another field manager owns" in ended.stderr
    assert "force-conflicts" in ended.stderr
    assert ended.result["deploy"]["applied"] == []
    ended = deploy(ours, "--force-conflicts")
    assert ended.code == 0, ended.stderr
    fields = ("get", "deployment/web", "-n", namespace, "--show-managed-fields", "-o", "json")
    managers = {entry["manager"] for entry in json.loads(kubectl(*fields))["metadata"]["managedFields"]}
    assert "s3c" in managers


@pytest.fixture
def kubeconfig(gated: Lab, tmp_path: Path) -> Callable[..., Path]:
    """Writes the lab's kubeconfig with other facts of its cluster, or another user."""
    yaml = ruamel.yaml.YAML(typ="safe", pure=True)

    def write(user: dict[str, str] | None = None, **cluster: str) -> Path:
        config = yaml.load(Path(gated.kubeconfig))
        config["clusters"][0]["cluster"] |= {name.replace("_", "-"): value for name, value in cluster.items()}
        if user is not None:
            config["users"][0]["user"] = user
        file = tmp_path / "kubeconfig"
        file.write_text(json.dumps(config))
        return file

    return write


def test_a_kubeconfig_that_does_not_work(
    signed: str,
    deploy: Callable[..., Ended],
    kubectl: Kubectl,
    kubeconfig: Callable[..., Path],
    namespace: str,
    tmp_path: Path,
) -> None:
    def refused(code: int, pattern: str, *flags: str, **named: str | Path) -> None:
        ended = deploy(deployment(signed), *flags, trust_store="", **named)
        assert ended.code == code, ended.stderr
        assert re.search(pattern, ended.stderr, re.DOTALL), ended.stderr
        assert "Traceback" not in ended.stderr

    broken = tmp_path / "broken"
    broken.write_text("apiVersion: v1\nkind: Config\nclusters: [\n")
    refused(2, "kubeconfig: .*absent is not a file", kubeconfig=tmp_path / "absent")
    refused(2, "kubeconfig: .*broken, line [0-9]+: it is not YAML", kubeconfig=broken)
    refused(2, "nobody is not a context", "--context", "nobody")
    # A token that was good until its account was deleted: what an expired one is to the server.
    kubectl("create", "serviceaccount", namespace, "-n", "default")
    token = kubectl("create", "token", namespace, "-n", "default").strip()
    kubectl("delete", "serviceaccount", namespace, "-n", "default")
    refused(2, "kubeconfig: .* does not accept its credentials .*expired", kubeconfig=kubeconfig({"token": token}))
    assert token not in (tmp_path / "s3c-out" / "result.json").read_text()
    other = make_authority("another").chain_pem()
    ca = tmp_path / "other.crt"
    ca.write_bytes(other)
    untrusted = kubeconfig(certificate_authority=str(ca), certificate_authority_data="")
    refused(3, "does not answer.*certificate is not the one the kubeconfig trusts", kubeconfig=untrusted)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = kubeconfig(server=f"https://127.0.0.1:{nobody.getsockname()[1]}")
        refused(3, "does not answer.*No API server listens there", kubeconfig=gone)
    assert kubectl("get", "namespace", namespace, "--ignore-not-found") == ""


@pytest.fixture
def deployer(kubectl: Kubectl, namespace: str, kubeconfig: Callable[..., Path]) -> Iterator[Path]:
    """Kubeconfig of an account that has the roles of manifests/rbac, in a namespace that is there."""
    kubectl("apply", "-f", str(ROLES))
    kubectl("create", "namespace", namespace)
    kubectl("create", "serviceaccount", "deployer", "-n", namespace)
    account = f"--serviceaccount={namespace}:deployer"
    kubectl("create", "clusterrolebinding", namespace, "--clusterrole=s3c-gate-reader", account)
    kubectl("create", "rolebinding", "deployer", "-n", namespace, "--clusterrole=s3c-deployer", account)
    yield kubeconfig({"token": kubectl("create", "token", "deployer", "-n", namespace).strip()})
    kubectl("delete", "clusterrolebinding", namespace)
    kubectl("delete", "-f", str(ROLES))


def test_the_roles_are_enough_and_what_lacks_is_named(
    signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, deployer: Path, namespace: str
) -> None:
    user = f"system:serviceaccount:{namespace}:deployer"

    def refused(what: str) -> None:
        ended = deploy(deployment(signed), kubeconfig=deployer, trust_store="")
        assert ended.code == 3, ended.stderr
        assert f"The cluster does not let {user} {what}" in ended.stderr
        assert "Bind a role with the verb" in ended.stderr
        assert ended.result["deploy"]["applied"] == []
        assert kubectl.names(namespace) == set()

    def rule(role: str, resources: list[str], verbs: list[str]) -> AbstractContextManager[None]:
        rules = json.loads(kubectl("get", f"clusterrole/{role}", "-o", "json"))["rules"]
        (number,) = (n for n, entry in enumerate(rules) if entry["resources"] == resources)
        patch = '[{"op":"replace","path":"/rules/%d/verbs","value":%s}]'
        now, before = (patch % (number, json.dumps(value)) for value in (verbs, rules[number]["verbs"]))
        return kubectl.patched(f"clusterrole/{role}", now, before)

    workloads = ["deployments", "statefulsets", "daemonsets", "replicasets"]
    with rule("s3c-deployer", workloads, ["get", "list"]):
        refused(f"patch deployments.apps in the namespace {namespace}")
    with rule("s3c-deployer", workloads, ["get", "list", "patch"]):
        refused(f"create deployments.apps in the namespace {namespace}")
    with rule("s3c-gate-reader", ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"], ["get"]):
        refused("list validatingwebhookconfigurations.admissionregistration.k8s.io")
    with rule("s3c-gate-reader", ["nodes", "namespaces"], ["get"]):
        refused("list nodes")
    ended = deploy(deployment(signed), kubeconfig=deployer, trust_store="")
    assert ended.code == 0, ended.stderr
    assert ended.image["admission"]["verdict"] == "admitted"
    assert kubectl.images(namespace) == {signed}
