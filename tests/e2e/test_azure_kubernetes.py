"""Clusters of Azure Kubernetes Service: reached by an Azure identity, without az, kubelogin or a kubeconfig."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3c_lab.certificates import make, pem
from tests.support.azure.kubernetes_service import GROUP, SUBSCRIPTION, KubernetesService
from tests.support.azure.stage import Azure
from tests.support.azure.stage import azure as staged
from tests.support.azure.web import Answer, Request, json_answer
from tests.support.signing import Ended

DIGEST = "sha256:" + "0" * 64
POD = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: web}}
spec: {{containers: [{{name: web, image: "registry.example/web@{DIGEST}"}}]}}
"""


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    with staged(tmp_path_factory.mktemp("azure")) as stand_ins:
        yield stand_ins


def empty(request: Request) -> Answer:
    """An API server that has nothing."""
    return json_answer({"kind": "Status", "reason": "NotFound", "message": f"{request.path} not found"}, 404)


@pytest.fixture
def service(azure: Azure) -> KubernetesService:
    """A cluster that the job may use, with an API server that has nothing."""
    me = azure.application.object
    cluster = KubernetesService(azure.entra, empty, pem(azure.world.authority.certificate), {me}, {me})
    cluster.install(azure.world)
    azure.world.sites.requests.clear()
    return cluster


def flags(azure: Azure, **changes: str) -> list[str]:
    named = {"aks-cluster": "aks-voting", "resource-group": GROUP, "subscription": SUBSCRIPTION}
    named |= {name.replace("_", "-"): value for name, value in changes.items()}
    return [*azure.ids, *(f"--{name}={value}" for name, value in named.items() if value)]


def deploy(azure: Azure, folder: Path, *more: str, **changes: str) -> Ended:
    """Deploy a Pod; no image is asked of a registry, and no gate is required."""
    (folder / "pod.yaml").write_text(POD)
    temp = folder / "temp"
    temp.mkdir(exist_ok=True)
    job = azure.job | {"RUNNER_TEMP": str(temp), "TMPDIR": str(temp), "HOME": str(folder)}
    arguments = ["pod.yaml", "--resolve=false", "--dry-run", "--verbose", *flags(azure, **changes), *more]
    ended = azure.s3c(folder, "deploy", *arguments, environment=job)
    assert not list(temp.iterdir()), "something is left behind"
    return ended


def no_pods(request: Request) -> Answer:
    """An API server on which nothing runs."""
    if request.path == "/api/v1":
        return json_answer({"resources": [{"kind": "Pod", "name": "pods", "namespaced": True}]})
    return json_answer({"kind": "PodList", "items": []})


def nothing_written(azure: Azure, folder: Path, *ended: Ended) -> None:
    shown = [text for run in ended for text in (run.stdout, run.stderr, json.dumps(run.result))]
    files = [path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()]
    assert azure.written()
    for secret in azure.written():
        assert not any(secret in text for text in (*shown, *files))


def test_a_token_stands_in_kubelogins_place(azure: Azure, service: KubernetesService, tmp_path: Path) -> None:
    ended = deploy(azure, tmp_path)
    # It is reached, and has no gate.
    assert ended.code != 0
    assert "aks-voting: logged in with GitHub's OIDC token" in ended.stderr
    assert service.tokens
    assert set(service.tokens) <= set(azure.entra.given)
    asked = azure.world.sites.asked("management.azure.com")
    assert [request.method for request in asked] == ["POST"]
    nothing_written(azure, tmp_path, ended)


def test_a_local_account_logs_in_by_its_certificate(azure: Azure, service: KubernetesService, tmp_path: Path) -> None:
    identity = make("masterclient")
    service.local = (
        base64.b64encode(identity.chain_pem()).decode(),
        base64.b64encode(identity.key_pem()).decode(),
    )
    ended = deploy(azure, tmp_path)
    assert "aks-voting: logged in with the cluster's local account" in ended.stderr
    assert set(service.tokens) == {""}
    files = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(service.local[1] in text for text in (*files, ended.stdout, ended.stderr))


def test_a_refusal_names_the_input_or_the_role(azure: Azure, service: KubernetesService, tmp_path: Path) -> None:
    def fails(code: int, *says: str, **changes: str) -> None:
        ended = deploy(azure, tmp_path, **changes)
        assert ended.code == code, ended.stderr
        for words in says:
            assert words in ended.stderr
        nothing_written(azure, tmp_path, ended)

    fails(2, "aks-cluster: there is no cluster other", aks_cluster="other")
    fails(2, "resource-group: there is no resource group", resource_group="other")
    fails(2, "subscription: there is no subscription", subscription=SUBSCRIPTION.replace("0b1f", "ffff"))
    fails(2, "resource-group: it is missing", resource_group="")
    fails(2, "subscription: it is missing", subscription="")
    fails(2, "kubeconfig: it is given beside `--aks-cluster`", kubeconfig="x")
    service.users.clear()
    fails(3, 'az role assignment create --role "Azure Kubernetes Service Cluster User Role"', azure.application.client)
    service.users.add(azure.application.object)
    service.writers.clear()
    fails(3, "Azure RBAC", "Azure Kubernetes Service RBAC Writer")


def test_refresh_asks_it_what_runs_there(azure: Azure, service: KubernetesService, tmp_path: Path) -> None:
    service.ask = no_pods
    job = azure.job | {"RUNNER_TEMP": str(tmp_path), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    ended = azure.s3c(tmp_path, "refresh", "--namespaces", "shop", *flags(azure), environment=job)
    assert (ended.code, "nothing runs there" in ended.stderr) == (2, True), ended.stderr
    assert "aks-voting: logged in with GitHub's OIDC token" in ended.stderr
    assert set(service.tokens) <= set(azure.entra.given)


def test_a_private_cluster_and_one_of_another_tenant_are_told(
    azure: Azure, service: KubernetesService, tmp_path: Path
) -> None:
    reached, service.host = service.host, "aks-voting-1a2b3c4d.0b1f6471.privatelink.westeurope.azmk8s.io"
    ended = deploy(azure, tmp_path)
    assert (ended.code, "It is a private cluster" in ended.stderr) == (3, True), ended.stderr
    service.host = reached
    azure.world.answer_for(lambda _request: json_answer({"kind": "Status", "message": "Unauthorized"}, 401), reached)
    ended = deploy(azure, tmp_path)
    assert (ended.code, "does not accept its credentials" in ended.stderr) == (2, True), ended.stderr
    assert "tenant-id" in ended.stderr
