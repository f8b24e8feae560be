"""The gate on Azure: Ratify reads Key Vault and the registry as a workload identity, and admits what the vault signed.

Gatekeeper, Ratify and the cluster that gives Ratify its token are the lab's own, and so are notation and Trivy. The
stand-ins for Azure answer on the node, where Ratify's Pod finds them under their real names.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jwt
import pytest

from s3c_lab import lab as labs
from s3c_lab import registry_server
from s3c_lab.certificates import make, make_authority, pem
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node import cluster, files
from tests.e2e.test_actions import filled, result
from tests.support import act
from tests.support.azure.entra import EXCHANGE, VAULT, Application, Federated
from tests.support.azure.kubernetes_service import GROUP, SUBSCRIPTION, KubernetesService, behind
from tests.support.azure.registry import ContainerRegistry, container_registry
from tests.support.azure.stage import Azure
from tests.support.azure.stage import azure as staged
from tests.support.azure.vault import SIGNER, Vault
from tests.support.azure.workload_identity import AUTHORITIES, USE, WorkloadIdentity, trust_cluster
from tests.support.cluster import GATE, Kubectl, deployment, pod, pod_spec
from tests.support.signing import Ended, push_image

WORKFLOW = act.one_job(
    """
      - uses: org/s3c@v1
        id: chain
        with: &inputs
          image: IMAGE
          vault: kv-voting
          vault-certificate: signing
          tenant-id: TENANT
          client-id: CLIENT
          buildkit-addr: BUILDKIT
          trivy-cache-dir: TRIVY
          offline: true
          deploy: true
          manifests: MANIFESTS
          kubeconfig: KUBECONFIG
          dry-run: true
          output-dir: KEPT/chain
      - uses: org/s3c@v1
        id: stranger
        continue-on-error: true
        with:
          <<: *inputs
          image: FOREIGN
          vault: kv-stranger
          patch: false
          fail-on: none
          manifests: OTHER
          output-dir: KEPT/stranger
"""
)
SUBJECT = "system:serviceaccount:gatekeeper-system:ratify-admin"
CERTIFICATE = ("--vault", "kv-voting", "--vault-certificate", "signing")
STRANGER = ("--vault", "kv-stranger", "--vault-certificate", "signing")
WEBHOOK_PORT = 9443
READER = frozenset({"certificates/get", "secrets/get"})


@dataclass
class Stage:
    """Azure, the lab's cluster in it, and who is who: `azure.application` is the job, `ratify` the gate's identity."""

    azure: Azure
    lab: Lab
    registry: ContainerRegistry
    vault: Vault
    ratify: Application
    webhook: WorkloadIdentity
    folder: Path

    def s3c(self, *arguments: str | Path, code: int = 0) -> Ended:
        """Run the command in the job, which holds its OIDC token alone."""
        ended = self.azure.s3c(self.folder, *arguments, *self.azure.ids)
        assert ended.code == code, ended.stdout + ended.stderr
        return ended

    def install(self, *more: str, certificate: str = "signing", code: int = 0) -> Ended:
        """Bring the gate to trust the vault's certificate."""
        values = self.folder / "ratify-values.json"
        values.write_text(json.dumps({"oras": {"useHttp": False}}))
        return self.s3c(
            *("gate", "install", "--kubeconfig", self.lab.kubeconfig),
            *("--vault", "kv-voting", "--vault-certificate", certificate),
            *("--ratify-client-id", self.ratify.client),
            *("--gatekeeper-values", cluster.VALUES / "gatekeeper-values.yaml"),
            *("--ratify-values", cluster.VALUES / "ratify-values.yaml", "--ratify-values", values),
            *more,
            code=code,
        )

    def image(self, *signer: str) -> str:
        """A new image in Azure's registry, by digest, signed with a vault's key unless nobody is named."""
        name = uuid.uuid4().hex[:12]
        pushed = push_image(self.lab.registry, f"e2e/{name}", "1", name)
        mirrored = self.s3c("mirror", pushed, f"{self.registry.host}/e2e/{name}:1")
        if not signer:
            return str(mirrored.image["reference"])
        return str(self.s3c("sign", mirrored.image["reference"], *signer).image["reference"])

    def nothing_secret(self, folder: Path, *shown: str) -> None:
        """No token that was given out or asked with stands in what was shown or written; a registry's content may."""
        given = [*self.azure.written(), *self.registry.given]
        files = (file for file in folder.rglob("*") if file.is_file() and "storage" not in file.parts)
        texts = [*shown, *(file.read_text(errors="replace") for file in files)]
        assert len(given) > 5
        for secret in given:
            assert not any(secret in text for text in texts)

    def claims(self, host: str) -> list[dict[str, Any]]:
        """What the tokens say with which a host was asked."""
        tokens = (request.bearer for request in self.azure.world.sites.asked(host))
        return [jwt.decode(token, options={"verify_signature": False}) for token in tokens if token]


@pytest.fixture(scope="module")
def stage(gated: Lab, machine: Machine, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The gate installed by the vault; the one that trusts the lab's certificate comes back."""
    folder = tmp_path_factory.mktemp("azure-gate")
    program = registry_server.program(machine)
    with (
        staged(folder / "world") as azure,
        container_registry(azure.world, azure.entra, program, folder / "acr") as acr,
    ):
        world = azure.world
        world.forward(int(gated.registry.rpartition(":")[2]))
        world.forward(int(kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").rpartition(":")[2]))
        ratify = azure.entra.add(
            Federated(trust_cluster(azure.entra, lambda path: kubectl("get", "--raw", path)), SUBJECT)
        )
        vault, stranger = azure.vault("kv-voting"), azure.vault("kv-stranger")
        for key_vault in (vault, stranger):
            key_vault.add("signing", make("signing", spec="RSA-3072", authority=False))
            key_vault.rights[ratify.object] = READER
        acr.roles = {azure.application.object: {"AcrPush"}, ratify.object: {"AcrPull"}}
        webhook = WorkloadIdentity(
            azure.entra, lambda *account: _annotations(kubectl, *account), files.CLUSTER_DNS, lambda: world.names, []
        )
        world.sites.applications["localhost"] = webhook
        node = int(_docker("inspect", "--format", "{{.State.Pid}}", cluster.node_name(gated.name)))
        world.answer_in(node, files.CLUSTER_DNS)
        world.answer_in(node, "127.0.0.1", WEBHOOK_PORT)
        new_stage = Stage(azure, gated, acr, vault, ratify, webhook, folder)
        authority = pem(world.authority.certificate)
        trusted = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": AUTHORITIES},
            "data": {"ca.pem": authority.decode()},
        }
        configuration = webhook.configuration(f"https://localhost:{WEBHOOK_PORT}", authority)
        kubectl("apply", "-n", GATE, "-f", "-", stdin=json.dumps(trusted))
        kubectl("apply", "-f", "-", stdin=json.dumps(configuration))
        _wait_until_asked(webhook, kubectl)
        try:
            new_stage.install()
            yield new_stage
        finally:
            kubectl("delete", "-f", "-", stdin=json.dumps(configuration))
            labs.up(gated.name, None, machine, node=True)
            kubectl("delete", "-n", GATE, "configmap", AUTHORITIES)


def _wait_until_asked(webhook: WorkloadIdentity, kubectl: Kubectl) -> None:
    """The API server takes up a new webhook a moment later: a Pod made before that gets no token."""
    labelled = pod("asked", pod_spec(f"example.com/app@sha256:{0:064}"))
    labelled["metadata"]["labels"] = {USE: "true"}
    deadline = time.monotonic() + 60
    while not webhook.changed:
        assert time.monotonic() < deadline, "the API server does not ask the webhook"
        kubectl.tried(labelled)
        time.sleep(0.2)
    webhook.changed.clear()


def _annotations(kubectl: Kubectl, namespace: str, name: str) -> dict[str, str]:
    account = json.loads(kubectl("get", "serviceaccount", name, "-n", namespace, "-o", "json"))
    return dict(account["metadata"].get("annotations") or {})


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_what_the_vault_signed_is_admitted_and_what_another_vault_signed_is_not(
    stage: Stage, kubectl: Kubectl, namespace: str
) -> None:
    verifier = json.loads(kubectl("get", "verifiers.config.ratify.deislabs.io", "verifier-notation", "-o", "json"))
    (statement,) = verifier["spec"]["parameters"]["trustPolicyDoc"]["trustPolicies"]
    assert statement["trustedIdentities"] == ["x509.subject:C=US,ST=WA,O=s3c lab,CN=signing"]
    good, foreign, unsigned = stage.image(*CERTIFICATE), stage.image(*STRANGER), stage.image()
    check = ("gate", "check", "--kubeconfig", stage.lab.kubeconfig)
    ended = stage.s3c(*check, *(f"--image={image}" for image in (good, foreign, unsigned)), code=1)
    admissions = {image["image"]: image["admission"] for image in ended.result["images"]}
    assert {image: admission["verdict"] for image, admission in admissions.items()} == {
        good: "admitted",
        foreign: "denied",
        unsigned: "denied",
    }
    assert admissions[foreign]["reason"] == "it is signed, but not by anyone the cluster trusts"
    assert admissions[unsigned]["reason"] == "it has no signature"
    assert kubectl.tried(pod("good", pod_spec(good))) == ""
    assert foreign in kubectl.tried(pod("foreign", pod_spec(foreign)))
    # Ratify, and nobody else, read the registry with an access token of its own.
    agents = {request.headers.get("user-agent", "") for request in stage.azure.world.sites.asked(stage.registry.host)}
    assert any("ratify" in agent for agent in agents), agents

    (stage.folder / "app.yaml").write_text(deployment(good))
    deploy = ("deploy", "app.yaml", "--kubeconfig", stage.lab.kubeconfig, "--namespace", "default", "--dry-run")
    deployed = stage.s3c(*deploy)
    assert deployed.image["admission"]["verdict"] == "admitted"
    (stage.folder / "app.yaml").write_text(deployment(foreign))
    refused = stage.s3c(*deploy, code=1)
    assert "not by anyone the cluster trusts" in refused.stderr


def test_a_certificate_is_renewed_without_a_refused_image_and_then_withdrawn(stage: Stage, kubectl: Kubectl) -> None:
    """By the steps of docs/certificates.md; the old version's key is then one that somebody else has."""
    named = ("--vault", "kv-voting", "--vault-certificate", "release")
    old = stage.vault.add("release", make("release", spec="EC-256", authority=False))
    check = ("gate", "check", "--kubeconfig", stage.lab.kubeconfig)
    try:
        stage.install(certificate="release")
        before = stage.image(*named)
        new = stage.vault.add("release", make("release", spec="EC-256", authority=False))
        meanwhile = stage.image(*named, "--vault-certificate-version", old.version)
        both = [f"--trusted-vault-version={version.version}" for version in (old, new)]
        stage.install(*both, certificate="release")
        after = stage.image(*named)
        images = (before, meanwhile, after)
        admitted = stage.s3c(*check, *(f"--image={image}" for image in images))
        assert {image["admission"]["verdict"] for image in admitted.result["images"]} == {"admitted"}
        stage.s3c("verify", *images, *named, *both)
        # Each by itself is not enough for all of them.
        stage.s3c("verify", *images, *named, code=1)
        stage.s3c("verify", *images, *named, both[0], code=1)

        old.enabled = False
        listed = stage.s3c("trust", "list-signed", *(f"--image={image}" for image in images), *named, both[0])
        signed = json.loads((stage.folder / "s3c-out" / "signed.json").read_text())
        assert {entry["reference"] for entry in signed} == {before, meanwhile}, listed.stdout
        stage.install(both[1], certificate="release")
        denied = kubectl.until_denied(pod("before", pod_spec(before)), "is not trusted")
        assert before in denied
        assert kubectl.tried(pod("after", pod_spec(after))) == ""
        stage.s3c("sign", before, *named)
        stage.s3c(*check, f"--image={before}")
    finally:
        stage.install()


def test_issuers_that_the_vault_does_not_have_are_given_to_the_gate(stage: Stage, kubectl: Kubectl) -> None:
    """A certificate that was merged into the vault without its chain."""
    root = make_authority("root")
    signer = make("bare", spec="RSA-2048", issuer=root)
    stage.vault.add("bare", signer, stored=(signer.certificate,))
    issuers = stage.folder / "issuers.pem"
    issuers.write_bytes(pem(root.certificate))
    given = ("--vault-ca-certs", str(issuers))
    good, foreign = stage.image("--vault", "kv-voting", "--vault-certificate", "bare", *given), stage.image(*STRANGER)
    try:
        stage.install(*given, certificate="bare")
        ended = stage.s3c(
            *("gate", "check", "--kubeconfig", stage.lab.kubeconfig, f"--image={good}", f"--image={foreign}"), code=1
        )
        verdicts = {image["image"]: image["admission"]["verdict"] for image in ended.result["images"]}
        assert verdicts == {good: "admitted", foreign: "denied"}
    finally:
        stage.install()


def test_a_workflow_needs_its_oidc_token_alone_from_the_image_to_the_gate(
    stage: Stage, short_folder: Path, tmp_path: Path
) -> None:
    """Patched, pushed, signed and admitted; signed by another vault's key it is denied."""
    (source,) = (image for image in stage.lab.images if "/voting-app:" in image)
    image, foreign = (f"{stage.registry.host}/{tmp_path.name}/{name}:1" for name in ("app", "foreign"))
    for target in (image, foreign):
        stage.s3c("mirror", source, target)
    (tmp_path / "app.yaml").write_text(deployment(image))
    (tmp_path / "other.yaml").write_text(deployment(foreign))
    words = {
        "IMAGE": image,
        "FOREIGN": foreign,
        "TENANT": stage.azure.entra.tenant,
        "CLIENT": stage.azure.application.client,
        "MANIFESTS": str(tmp_path / "app.yaml"),
        "OTHER": str(tmp_path / "other.yaml"),
        "KUBECONFIG": stage.lab.kubeconfig,
    }
    world = stage.azure.world
    with stage.azure.buildkit(short_folder, stage.lab.registry) as address:
        job = act.run(
            filled(WORKFLOW, stage.lab, tmp_path, **words, BUILDKIT=address),
            tmp_path / "act",
            environment=stage.azure.github.environment | world.environment,
            inside=world.inside,
        )
    assert job.succeeded, job.log
    chain, stranger = job.outputs["chain"], job.outputs["stranger"]
    assert (chain["verdict"], chain["patched"], chain["admission"]) == ("passed", "true", "admitted"), job.log
    assert chain["reference"].startswith(f"{image.rpartition(':')[0]}@sha256:")
    (image_result,) = result(chain["result"])["images"]
    assert image_result["verify"]["signer"] == image_result["sign"]["certificate"]["subject"]
    assert (stranger["verdict"], stranger["admission"]) == ("refused", "denied"), job.log
    (image_result,) = result(stranger["result"])["images"]
    assert image_result["admission"]["reason"] == "it is signed, but not by anyone the cluster trusts"
    stage.nothing_secret(tmp_path, job.log, json.dumps(job.outputs))


def test_the_cluster_is_reached_through_azure_with_a_token_or_the_local_account(
    stage: Stage, kubectl: Kubectl, namespace: str
) -> None:
    kubeconfig = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
    me = stage.azure.application.object
    server, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    authority = pem(stage.azure.world.authority.certificate)
    service = KubernetesService(stage.azure.entra, behind(kubeconfig), authority, {me}, {me})
    service.install(stage.azure.world)
    named = ("--aks-cluster", service.name, "--resource-group", GROUP, "--subscription", SUBSCRIPTION)
    deploy = ("deploy", "app.yaml", *named, "--namespace", namespace, "--create-namespace", *CERTIFICATE)
    # The node has no login to Azure's registry: what runs there is somebody else's test.
    good, foreign = stage.image(*CERTIFICATE), stage.image(*STRANGER)
    (stage.folder / "app.yaml").write_text(deployment(good).replace("spec:\n", "spec:\n  replicas: 0\n", 1))
    deployed = stage.s3c(*deploy)
    assert "aks-voting: logged in with GitHub's OIDC token" in deployed.stderr
    assert [admission["verdict"] for admission in (deployed.image["admission"],)] == ["admitted"]
    assert service.tokens
    assert set(service.tokens) <= set(stage.azure.entra.given)
    what = "jsonpath={.items[*].spec.template.spec.containers[*].image}"
    assert kubectl("get", "deployments", "-n", namespace, "-o", what) == good

    service.local = (user["client-certificate-data"], user["client-key-data"])
    service.authority = base64.b64decode(server["certificate-authority-data"])
    service.server = server["server"]
    again = stage.s3c(*deploy)
    assert "aks-voting: logged in with the cluster's local account" in again.stderr
    assert again.result["deploy"]["unchanged"] is True
    (stage.folder / "app.yaml").write_text(deployment(foreign).replace("spec:\n", "spec:\n  replicas: 0\n", 1))
    refused = stage.s3c(*deploy, code=1)
    assert "does not lead to" in refused.stderr
    assert kubectl("get", "deployments", "-n", namespace, "-o", what) == good


def test_ratify_logs_in_as_the_identity_that_is_federated_with_its_service_account(stage: Stage) -> None:
    assert set(stage.webhook.changed) == {f"{GATE}/ratify-admin"}
    read = [claims for claims in stage.claims(stage.vault.host) if claims["appid"] == stage.ratify.client]
    assert {(claims["oid"], claims["aud"]) for claims in read} == {(stage.ratify.object, VAULT)}
    paths = {request.path for request in stage.azure.world.sites.asked(stage.vault.host)}
    assert "/secrets/signing/" in paths
    assertions = [jwt.decode(assertion, options={"verify_signature": False}) for assertion in stage.azure.entra.given]
    own = [claims for claims in assertions if claims.get("sub") == SUBJECT]
    assert own
    assert {tuple(claims["aud"]) for claims in own} == {(EXCHANGE,)}
    assert {claims["kubernetes.io"]["serviceaccount"]["name"] for claims in own} == {"ratify-admin"}


def test_a_vault_that_ratify_may_not_read_is_told_and_nothing_is_admitted_for_it(
    stage: Stage, kubectl: Kubectl
) -> None:
    for name in ("other", "third"):
        stage.vault.add(name, make(name, spec="EC-256", authority=False))
    image = stage.image("--vault", "kv-voting", "--vault-certificate", "other")
    stage.vault.rights[stage.ratify.object] = SIGNER
    (trusted,) = stage.ratify.federated
    try:
        ended = stage.install(certificate="other", code=3)
        assert "Ratify does not take KeyManagementProvider signers" in ended.stderr
        assert "Its identity may not read the vault" in ended.stderr
        assert "federate it with gatekeeper-system:ratify-admin" in ended.stderr
        assert "secrets/getSecret" in ended.stderr
        assert image in kubectl.tried(pod("other", pod_spec(image)))
        stage.vault.rights[stage.ratify.object] = READER
        stage.ratify.federated = [replace(trusted, subject="system:serviceaccount:default:default")]
        ended = stage.install(certificate="third", code=3)
        assert "Ratify does not take KeyManagementProvider signers" in ended.stderr
        assert (
            f"AADSTS700213: No matching federated identity record found for presented assertion subject '{SUBJECT}'"
            in (ended.stderr.replace("\\", ""))
        )
    finally:
        stage.vault.rights[stage.ratify.object] = READER
        stage.ratify.federated = [trusted]
        # A changed object has Ratify look again.
        stage.install("--image", stage.image(*CERTIFICATE))


def test_nothing_secret_is_written(stage: Stage) -> None:
    stage.nothing_secret(stage.folder)
