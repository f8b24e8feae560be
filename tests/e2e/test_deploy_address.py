"""Where `s3c deploy` finds that the application is reached, on the lab's node.

The Gateway API's definitions are the real ones; a controller's and a cloud's answers are written by the test (see
tests/support/gateway_api.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ruamel.yaml

from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from tests.support import ROOT
from tests.support.cluster import Kubectl, deployment
from tests.support.gateway_api import answer_route, condition, definitions, generation, program_gateway, write_status
from tests.support.signing import Ended

OVERLAY = ROOT / "manifests" / "app" / "overlays" / "aks"
ROLES = ROOT / "manifests" / "rbac"
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: voting-app}}
spec: {{type: {}, selector: {{app: web}}, ports: {}}}
"""


def manifests(image: str, namespace: str) -> str:
    """The shipped route in front of one Deployment."""
    route = (OVERLAY / "route.yaml").read_text().replace("namespace: voting-gateway", f"namespace: {namespace}-gateway")
    return "---\n".join((deployment(image), SERVICE.format("ClusterIP", "[{port: 80}]"), route))


@pytest.fixture
def later() -> Iterator[Callable[..., None]]:
    """Does something again and again until it succeeds, besides the test; what did not succeed fails the test."""
    threads: list[threading.Thread] = []
    failures: list[BaseException] = []

    def run(action: Callable[[], None]) -> None:
        def attempt() -> None:
            until = time.monotonic() + 120
            while True:
                try:
                    return action()
                except AssertionError as error:
                    if time.monotonic() > until:
                        failures.append(error)
                        return None
                    time.sleep(0.5)

        threads.append(threading.Thread(target=attempt))
        threads[-1].start()

    yield run
    for thread in threads:
        thread.join(150)
    assert not failures


@pytest.fixture
def gateway(kubectl: Kubectl, namespace: str, machine: Machine, tmp_path: Path) -> Iterator[str]:
    """The Gateway of manifests/app, whose namespace is returned; the definitions are removed in the end."""
    folder = definitions(machine, tmp_path)
    kubectl("apply", "--server-side", "-f", str(folder))
    kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(folder))
    text = kubectl("kustomize", str(OVERLAY / "gateway"))
    for name in ("voting-gateway", "voting"):
        text = text.replace(f"namespace: {name}\n", f"namespace: {namespace}{name.removeprefix('voting')}\n")
        text = text.replace(
            f"kind: Namespace\nmetadata:\n  name: {name}\n",
            f"kind: Namespace\nmetadata:\n  name: {namespace}{name.removeprefix('voting')}\n",
        )
    text = text.replace("kubernetes.io/metadata.name: voting\n", f"kubernetes.io/metadata.name: {namespace}\n")
    kubectl("apply", "--server-side", "-f", "-", stdin=text)
    yield f"{namespace}-gateway"
    kubectl("delete", "namespace", f"{namespace}-gateway", "--wait=false")
    kubectl("delete", "-f", str(folder))


def test_without_the_gateway_api_it_is_told_how_it_is_installed(
    signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str
) -> None:
    ended = deploy(manifests(signed, namespace))
    assert ended.code == 2, ended.stderr
    assert "the cluster knows no HTTPRoute of gateway.networking.k8s.io/v1" in ended.stderr
    assert "The Gateway API is not installed on it." in ended.stderr
    assert "--enable-gateway-api --enable-app-routing-istio" in ended.stderr
    assert kubectl("get", "namespace", namespace, "--ignore-not-found") == ""


def test_the_address_of_the_shipped_route_is_waited_for_and_a_rejection_told(
    signed: str,
    gated: Lab,
    deploy: Callable[..., Ended],
    kubectl: Kubectl,
    namespace: str,
    gateway: str,
    later: Callable[..., None],
    tmp_path: Path,
) -> None:
    def answer(reason: str = "", status: str = "True") -> None:
        now = generation(kubectl, "httproute/voting-app", namespace)
        resolved = condition("ResolvedRefs", now)
        answer_route(kubectl, "voting-app", namespace, condition("Accepted", now, reason, status), resolved)

    # By an account that has the shipped roles and no more.
    kubectl("apply", "-f", str(ROLES))
    kubectl("create", "serviceaccount", "deployer", "-n", namespace)
    account = f"--serviceaccount={namespace}:deployer"
    kubectl("create", "clusterrolebinding", namespace, "--clusterrole=s3c-gate-reader", account)
    kubectl("create", "rolebinding", "deployer", "-n", namespace, "--clusterrole=s3c-deployer", account)
    try:
        yaml = ruamel.yaml.YAML(typ="safe", pure=True)
        config = yaml.load(Path(gated.kubeconfig).read_text())
        config["users"][0]["user"] = {"token": kubectl("create", "token", "deployer", "-n", namespace).strip()}
        kubeconfig = tmp_path / "deployer"
        with kubeconfig.open("w") as file:
            yaml.dump(config, file)
        # Before the controller has written anything, and with the Gateway's own defaults for conditions.
        early = deploy(manifests(signed, namespace), kubeconfig=kubeconfig, trust_store="", rollout_timeout="20s")
        assert early.code == 0, early.stderr
        assert early.result["deploy"]["address"] == ""
        assert f"HTTPRoute {namespace}/voting-app waits for Gateway {gateway}/voting" in early.stderr
        later(answer)
        later(lambda: program_gateway(kubectl, "voting", gateway, ["192.0.2.7"]))
        reached = deploy(manifests(signed, namespace), kubeconfig=kubeconfig, trust_store="")
        assert reached.code == 0, reached.stderr
        assert reached.result["deploy"]["address"] == "http://192.0.2.7"
        assert "192.0.2.7" in reached.stderr
    finally:
        kubectl("delete", "clusterrolebinding", namespace)
        kubectl("delete", "-f", str(ROLES))

    answer("NotAllowedByListeners", "False")
    rejected = deploy(manifests(signed, namespace))
    assert rejected.code == 0, rejected.stderr
    assert rejected.result["deploy"]["address"] == ""
    assert f"is not accepted by Gateway {gateway}/voting: NotAllowedByListeners." in rejected.stderr

    # A new version of the route, which the controller has answered for the earlier one alone.
    named = manifests(signed, namespace).replace(
        "spec:\n  parentRefs:", "spec:\n  hostnames: [app.example]\n  parentRefs:"
    )

    def answer_the_new() -> None:
        assert generation(kubectl, "httproute/voting-app", namespace) > 1
        answer()

    later(answer_the_new)
    ended = deploy(named)
    assert ended.code == 0, ended.stderr
    assert ended.result["deploy"]["address"] == "http://app.example"


def test_the_address_of_a_load_balancer(
    signed: str, deploy: Callable[..., Ended], kubectl: Kubectl, namespace: str, later: Callable[..., None]
) -> None:
    text = deployment(signed) + "---\n" + SERVICE.format("LoadBalancer", "[{name: http, port: 8080}]")
    pending = deploy(text, rollout_timeout="15s")
    assert pending.code == 0, pending.stderr
    assert pending.result["deploy"]["address"] == ""
    assert f"Service {namespace}/voting-app has no address yet: the load balancer is pending." in pending.stderr
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}
    later(lambda: write_status(kubectl, "service/voting-app", namespace, status))
    ended = deploy(text)
    assert ended.code == 0, ended.stderr
    assert ended.result["deploy"]["address"] == "http://192.0.2.9:8080"
