"""The reusable workflows, called as users call them (act): with Azure's stand-ins or the lab's registry and node."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.registry.archive import ArchiveSource
from s3c_lab import registry_server
from s3c_lab.certificates import make, pem
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support import act, examples
from tests.support.azure.registry import ContainerRegistry, container_registry
from tests.support.azure.stage import Azure
from tests.support.azure.stage import azure as staged
from tests.support.azure.vault import Vault
from tests.support.cluster import Kubectl, workload
from tests.support.examples import Change
from tests.support.github.server import GitHub
from tests.support.github.state import Token
from tests.support.scanning import planted
from tests.support.signing import signatures, time_stamp_authority

CLUSTER = ("aks-cluster", "resource-group", "subscription")
AZURE = ("tenant-id", "client-id")


def secure(image: str, added: Mapping[str, str] | None = None) -> str:
    """The guide's first example, which signs with a vault's key, up to the signature."""
    change = Change(
        given={"image": f"${{{{ vars.AZURE_REGISTRY }}}}/{image}", "context": "database"},
        without=("manifests", "namespace", *CLUSTER, "deploy-client-id", "deploy-environment"),
        added=added or {},
    )
    return examples.workflow("secure-image.yml", {"image": change})


@dataclass
class Stage:
    """Azure's stand-ins, and a BuildKit that reaches them."""

    azure: Azure
    registry: ContainerRegistry
    vault: Vault
    lab: Lab
    environment: Mapping[str, str]

    def run(self, workflow: str, folder: Path, files: Mapping[str, str]) -> act.Job:
        """Run a workflow whose only secret is its OIDC token."""
        variables = {
            "AZURE_TENANT_ID": self.azure.entra.tenant,
            "AZURE_CLIENT_ID_PUSH": self.azure.application.client,
            "AZURE_CLIENT_ID_SIGN": self.azure.application.client,
            "AZURE_REGISTRY": self.registry.host,
            "AZURE_VAULT": "kv-voting",
            "AZURE_CERTIFICATE": "signing",
        }
        return act.run(
            workflow,
            folder,
            files=files,
            variables=variables,
            environment={**self.environment, **self.azure.github.environment, **self.azure.world.environment},
            inside=self.azure.world.inside,
        )

    def nothing_is_found_of_what_was_given(self, job: act.Job, folder: Path) -> None:
        """No token, assertion or password in the log, an output or a file, whatever job or program wrote it."""
        secrets = [secret.encode() for secret in (*self.azure.written(), *self.registry.given)]
        assert len(secrets) > 10
        shown = (job.log + json.dumps(job.outputs)).encode()
        assert not any(secret in shown for secret in secrets)
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(secret in content for secret in secrets), path


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    with staged(tmp_path_factory.mktemp("azure")) as stand_ins:
        yield stand_ins


@pytest.fixture(scope="module")
def stage(azure: Azure, lab: Lab, machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    azure.world.forward(int(lab.registry.rpartition(":")[2]))
    vault = azure.vault()
    vault.add("signing", make("signing", spec="RSA-3072", authority=False))
    folder = tmp_path_factory.mktemp("acr")
    with (
        container_registry(azure.world, azure.entra, registry_server.program(machine), folder) as registry,
        azure.buildkit(tmp_path_factory.mktemp("bk"), lab.registry) as buildkit,
    ):
        registry.roles = {azure.application.object: {"AcrPush"}}
        yield Stage(azure, registry, vault, lab, act.surroundings(lab, buildkit, machine))


@pytest.fixture
def files(lab: Lab) -> dict[str, str]:
    """A repository that builds on an image with updates pending."""
    (database,) = (image for image in lab.images if "/voting-db:" in image)
    return {
        "database/Dockerfile": f"FROM {database}\nCOPY --chmod=644 about /about\n",
        "database/about": "built by a workflow\n",
    }


def noted(job: act.Job) -> list[str]:
    """What GitHub's stand-ins were asked for, without the cache."""
    return [line for line in job.services if not line.startswith(("restore", "save"))]


def ran(job: act.Job) -> list[str]:
    """The names of the jobs of called workflows that came to an end, in their order."""
    return re.findall(r"^\[[^]/]+/[^]/]+/([^]]+?) *\] 🏁  Job", job.log, re.MULTILINE)


def test_from_a_dockerfile_to_a_signed_image_with_an_oidc_token_alone(
    stage: Stage, files: dict[str, str], tmp_path: Path
) -> None:
    stage.azure.world.sites.requests.clear()
    job = stage.run(secure("team/voting-db:15.0"), tmp_path, files)
    assert job.succeeded, job.log
    image = job.outputs["image"]
    assert (image["patched"], image["admission"]) == ("true", "")
    assert image["reference"] == f"acrvoting.azurecr.io/team/voting-db@{image['digest']}"
    assert image["built"] != image["reference"]
    assert ran(job) == ["build", "push", "scan", "patch", "gate", "sign"]

    # What was built came to the registry to the byte, and by another job than the one that built it.
    first = "s3c-voting-db-15.0-"
    artifacts = {path.name.partition(first)[2][8:]: path for path in (job.folder / "artifacts").iterdir()}
    assert set(artifacts) == {"", "-scan", "-patch", "-gate"}
    with ArchiveSource(artifacts[""] / "image.tar") as archive:
        assert image["built"].endswith(f"@{archive.image().descriptor.digest}")
        assert any(manifest.platform == "unknown/unknown" for manifest in archive.image().descriptor.manifests)
    assert "build-push push=false outputs=type=oci,dest=image.tar" in noted(job)

    patch = json.loads((artifacts["-patch"] / "result.json").read_text())["images"][0]
    assert patch["reference"] == image["reference"]
    assert patch["patch"]["tag"] == "15.0-1"
    assert patch["patch"]["fixed"]
    assert patch["patch"]["original"].endswith(image["built"].rpartition("@")[2])

    # Signed once, by the vault's key: the real notation verified it in the job, and does so again from outside.
    asked = [
        request.path.partition("/")[2].partition("/")[0] for request in stage.azure.world.sites.asked(stage.vault.host)
    ]
    assert asked.count("keys") == 1
    verified = stage.azure.s3c(
        tmp_path, "verify", image["reference"], *stage.azure.ids, "--vault=kv-voting", "--vault-certificate=signing"
    )
    assert verified.code == 0, verified.stderr
    assert verified.image["verify"]["signature_digest"] == image["signature-digest"]
    unsigned = stage.azure.s3c(
        tmp_path, "verify", image["built"], *stage.azure.ids, "--vault=kv-voting", "--vault-certificate=signing"
    )
    assert unsigned.code == 1
    stage.nothing_is_found_of_what_was_given(job, tmp_path)


POLICY = """\
version: 1
signers: [{{name: release, certificate: {certificate}}}]
findings: {{refuse: [{severities}]}}
"""


def test_nothing_is_signed_behind_a_gate_that_is_closed(stage: Stage, files: dict[str, str], tmp_path: Path) -> None:
    """Somebody left a password in the image, which no patch takes out."""
    stage.azure.world.sites.requests.clear()
    workflow = secure("closed/voting-db:15.0", {"policy": "s3c-policy.yaml"})
    policy = POLICY.format(severities="CRITICAL", certificate="signing.crt")
    certificate = pem(make("release").certificate).decode()
    left = {"database/about": planted()["app/key.env"].decode()}
    job = stage.run(workflow, tmp_path, files | left | {"s3c-policy.yaml": policy, "signing.crt": certificate})
    assert not job.succeeded
    assert ran(job) == ["build", "push", "scan", "patch", "gate"]
    (artifact,) = (job.folder / "artifacts").glob("*-gate")
    document = json.loads((artifact / "result.json").read_text())
    assert (document["verdict"], document["exit_code"]) == ("refused", 1)
    # The findings that closed it are told all the same.
    assert noted(job).count("upload-sarif") == 2
    assert not stage.azure.world.sites.asked(stage.vault.host)
    pushed = [request for request in stage.azure.world.sites.asked(stage.registry.host) if request.method == "PUT"]
    manifests = {
        request.path.rpartition("/")[2]: request.body
        for request in pushed
        if "/closed/voting-db/manifests/" in request.path
    }
    assert {"15.0", "15.0-1"} <= set(manifests)
    assert not any(b"application/vnd.cncf.notary.signature" in body for body in manifests.values())


def deployed(image: str, namespace: str, more: Mapping[str, str]) -> str:
    """The guide's second example, whose key and cluster are secrets, with a policy, and more inputs."""
    added = {
        **more,
        "file": "app/Dockerfile",
        "context": "app",
        "build-args": "GREETING=hello",
        "policy": "s3c-policy.yaml",
        "attach": "sarif",
        "push-environment": "registry",
    }
    change = Change(given={"image": image, "namespace": namespace, "registry-username": "octo"}, added=added)
    return examples.workflow("secure-image.yml", {"image": change}, 1)


STAMPED = {
    "timestamp-root-cert": "keys/tsa.crt",
    "trust-store": "keys/signing.crt",
    "trusted-timestamp-root": "keys/tsa.crt",
}


def test_to_a_cluster_with_a_key_that_is_a_secret(
    gated: Lab, kubectl: Kubectl, namespace: str, machine: Machine, tmp_path: Path
) -> None:
    (base,) = (image for image in gated.images if "/voting-app:" in image)
    # As in a repository of one's own: whoever runs the workflow is in the image's name, and logs in to the registry.
    image = f"{gated.registry}/octo/{uuid.uuid4().hex[:12]}/voting-app:1.4.0"
    main = {"name": "main", "image": image, "command": ["sleep", "infinity"]}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [main]}
    kubectl("create", "namespace", namespace)
    key, kubeconfig = Path(gated.key).read_text(), Path(gated.kubeconfig).read_text()
    with time_stamp_authority(tmp_path / "tsa") as stamps:
        # Signature and evidence without a time-stamp would be refused: by the verification, and by the policy.
        policy = POLICY.format(severities="CRITICAL", certificate="keys/signing.crt, timestamp-roots: [keys/tsa.crt]")
        job = act.run(
            deployed(image, namespace, {"timestamp-url": stamps.url, **STAMPED}),
            tmp_path / "repository",
            files={
                "app/Dockerfile": f"FROM {base}\nARG GREETING\nENV GREETING=$GREETING\n",
                "keys/signing.crt": Path(gated.certificate).read_text(),
                "keys/tsa.crt": stamps.root.read_text(),
                "s3c-policy.yaml": policy,
                "k8s/app.json": json.dumps(workload("Deployment", "app", spec)),
            },
            secrets={"SIGNING_KEY": key, "KUBECONFIG": kubeconfig, "GITHUB_TOKEN": "run-token"},
            environment=act.surroundings(gated, gated.buildkit, machine),
        )
    assert job.succeeded, job.log
    outputs = job.outputs["image"]
    assert (outputs["patched"], outputs["admission"]) == ("true", "admitted")
    # Beside the signature lies the report by which the policy was judged again before anything was applied.
    assert outputs["signature-digest"] in signatures(outputs["reference"])
    assert len(signatures(outputs["reference"])) == 2
    what = "jsonpath={.items[?(@.status.phase=='Running')].spec.containers[*].image}"
    assert kubectl("get", "pods", "-n", namespace, "-o", what).split() == [outputs["reference"]]
    assert ran(job) == ["build", "push", "scan", "patch", "gate", "sign", "deploy"]
    for secret in (key.splitlines()[1], kubeconfig):
        assert secret not in job.log
    left = [path for path in tmp_path.rglob("s3c-kubeconfig") if path.is_file()]
    assert left == []


PATCHED = Change(
    without=(*AZURE, "sign-client-id", "vault", "vault-certificate"),
    added={"certificate": "keys/signing.crt"},
    secrets={"SIGNING_KEY": "${{ secrets.SIGNING_KEY }}"},
)


def refreshed(*images: str) -> str:
    """The guide's refresh and what follows it, without Azure."""
    added = {"images": "\n".join(images), "fail-on": "MEDIUM", "issue-labels": "security"}
    refresh = Change(without=("namespaces", *CLUSTER, *AZURE), added=added)
    return examples.workflow("refresh.yml", {"refresh": refresh, "patch": PATCHED})


MANIFEST = """\
kind: Deployment
apiVersion: apps/v1
metadata: {{name: shop}}
spec:
  template:
    spec:
      containers:
        - {{name: app, image: "{app}"}}
        - {{name: database, image: "{database}"}} # beside it
"""


@pytest.fixture
def octo(github: GitHub) -> dict[str, str]:
    """The environment of a job of the stand-in's repository, whose token may what the workflows ask for."""
    rights = {"contents:write", "pull-requests:write", "issues:write", "security-events:write"}
    github.state.tokens["run-token"] = Token(permissions=frozenset(rights))
    github.state.pulls.clear()
    return {
        "GITHUB_API_URL": github.api,
        "GITHUB_SERVER_URL": github.url,
        "GITHUB_REPOSITORY": github.state.repository,
    }


def test_what_is_deployed_is_refreshed_patched_and_proposed(
    lab: Lab, fresh: Callable[[str], str], machine: Machine, github: GitHub, octo: dict[str, str], tmp_path: Path
) -> None:
    app, database = fresh("voting-app"), fresh("voting-db")
    manifest = MANIFEST.format(app=app, database=database)
    github.state.git.commit("main", {"k8s/shop.yaml": manifest, "README.md": "# Shop\n"})
    key = Path(lab.key).read_text()
    job = act.run(
        refreshed(app, database),
        tmp_path,
        files={"k8s/shop.yaml": manifest, "keys/signing.crt": Path(lab.certificate).read_text()},
        secrets={"SIGNING_KEY": key, "GITHUB_TOKEN": "run-token"},
        environment={**act.surroundings(lab, lab.buildkit, machine), **octo},
    )
    assert job.succeeded, job.log
    refresh, patch = job.outputs["refresh"], job.outputs["patch"]
    assert [reference.partition("@")[0] for reference in refresh["due"].splitlines()] == [app, database]
    assert json.loads(refresh["matrix"])["image"] == refresh["due"].splitlines()
    (issue,) = github.state.issues.values()
    assert (issue.labels, issue.state) == (["security"], "open")
    assert refresh["issue"].endswith(f"/issues/{issue.number}")

    (pull,) = github.state.pulls.values()
    assert patch["pull-request"].endswith(f"/pull/{pull.number}")
    proposed = github.state.git.files("s3c/images")
    assert proposed["README.md"] == "# Shop\n"

    def image_results(step: str) -> dict[str, Any]:
        results = [
            json.loads(path.read_text()) for path in (job.folder / "artifacts").glob(f"s3c-{step}-*/result.json")
        ]
        return {image["reference"].partition("@")[0]: image for result in results for image in result["images"]}

    patched, signed = image_results("patched"), image_results("patch")
    for image in (app, database):
        name = image.rpartition(":")[0]
        assert signed[name]["digest"] == patched[name]["digest"]
        assert patched[name]["sign"] is None
        assert signed[name]["scan"]["gated"] is True
        manifest = manifest.replace(image, patched[name]["reference"])
        assert patched[name]["patch"]["patched"] is True
        assert patched[name]["patch"]["tag"] == f"{image.rpartition(':')[2]}-1"
        assert signatures(patched[name]["reference"]) == [signed[name]["sign"]["signature_digest"]]
        assert patched[name]["digest"][:15] in pull.body
    assert proposed["k8s/shop.yaml"] == manifest
    assert key.splitlines()[1] not in job.log


def test_an_image_that_fails_is_not_proposed_and_the_others_are(
    lab: Lab, fresh: Callable[[str], str], machine: Machine, github: GitHub, octo: dict[str, str], tmp_path: Path
) -> None:
    """One of two is gone: the workflow fails, and the pull request has the other one."""
    app = fresh("voting-app")
    gone = f"{app.rpartition('/')[0]}/gone:1"
    manifest = MANIFEST.format(app=app, database=gone)
    github.state.git.commit("main", {"k8s/shop.yaml": manifest})
    patch = replace(PATCHED, given={"images": f"# ours\n{app}\n{gone}"})
    workflow = examples.workflow("refresh.yml", {"patch": patch})
    job = act.run(
        workflow,
        tmp_path,
        files={"k8s/shop.yaml": manifest, "keys/signing.crt": Path(lab.certificate).read_text()},
        secrets={"SIGNING_KEY": Path(lab.key).read_text(), "GITHUB_TOKEN": "run-token"},
        environment={**act.surroundings(lab, lab.buildkit, machine), **octo},
    )
    assert not job.succeeded
    assert f"repository {gone.partition('/')[2].partition(':')[0]} does not exist" in job.log
    (pull,) = github.state.pulls.values()
    proposed = github.state.git.files("s3c/images")["k8s/shop.yaml"]
    assert f'"{gone}"' in proposed
    assert re.search(rf'"{re.escape(app.rpartition(":")[0])}@sha256:[0-9a-f]{{64}}"', proposed)
    assert "1 of 2 images failed (gone)" in pull.body
