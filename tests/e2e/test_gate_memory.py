"""The gate with the cache times it is shipped with, in place of the lab's short ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from s3c_actions.cluster.gate import manifests
from s3c_actions.cluster.gate.proof import REMEMBERED_SECONDS
from s3c_actions.programs.helm.charts import fetch_chart
from s3c_actions.programs.install.pins import GATEKEEPER, RATIFY, Pin
from s3c_lab.machine import Machine
from tests.support.cluster import GATE, Kubectl, deployment, pod, pod_spec
from tests.support.signing import Ended

STORE = "stores.config.ratify.deislabs.io/store-oras"
GATEKEEPER_FLAG, RATIFY_FLAG = "--external-data-provider-response-cache-ttl", "--cache-ttl"


@pytest.fixture
def shipped(kubectl: Kubectl, machine: Machine) -> Iterator[list[int]]:
    """The gate remembers as long as a user's does; the seconds, as the manifests and the charts below them say."""

    def value(pin: Pin, *names: str) -> Any:
        home = fetch_chart(pin, cache=machine.cache, runner=machine.runner, progress=machine.progress)
        return _in(manifests.values_file(pin.name), names) or _in(home / "values.yaml", names)

    gatekeeper = value(GATEKEEPER, "externaldataProviderResponseCacheTTL")
    ratify, store = value(RATIFY, "provider", "cache", "ttl"), value(RATIFY, "oras", "cache", "ttl")
    with ExitStack() as stack:
        ttl = '[{"op":"replace","path":"/spec/parameters/ttl","value":%s}]'
        before = kubectl("get", STORE, "-o", "jsonpath={.spec.parameters.ttl}")
        stack.enter_context(kubectl.patched(STORE, ttl % store, ttl % before))
        stack.enter_context(_started_with(kubectl, "gatekeeper-controller-manager", GATEKEEPER_FLAG, gatekeeper))
        stack.enter_context(_started_with(kubectl, "ratify", RATIFY_FLAG, ratify))
        yield [int(str(lifetime).removesuffix("s")) for lifetime in (gatekeeper, ratify, store)]


def _in(values: Path, names: tuple[str, ...]) -> Any:
    value: Any = yaml.safe_load(values.read_text())
    for name in names:
        value = value.get(name, {}) if isinstance(value, Mapping) else {}
    return value


@contextmanager
def _started_with(kubectl: Kubectl, name: str, flag: str, value: str) -> Iterator[None]:
    """A deployment of the gate whose program is given another value of a flag."""
    thing = ("-n", GATE, f"deployment/{name}")
    (container,) = json.loads(kubectl("get", *thing, "-o", "json"))["spec"]["template"]["spec"]["containers"]
    (number,) = (number for number, word in enumerate(container["args"]) if word.startswith(f"{flag}="))
    path = f"/spec/template/spec/containers/0/args/{number}"

    def start(word: str) -> None:
        kubectl("patch", *thing, "--type=json", "-p", json.dumps([{"op": "replace", "path": path, "value": word}]))
        kubectl("rollout", "status", *thing, "--timeout=240s")
        # It runs before Gatekeeper reaches it again.
        kubectl.until_denied(pod("probe", pod_spec(f"localhost:1/probe@sha256:{64 * '0'}")), "(trace ")

    start(f"{flag}={value}")
    try:
        yield
    finally:
        start(container["args"][number])


def test_denied_then_signed_then_deployed(
    shipped: list[int], unsigned: str, sign: Callable[..., str], deploy: Callable[..., Ended], kubectl: Kubectl
) -> None:
    assert sum(shipped) == REMEMBERED_SECONDS
    kubectl.until_denied(pod("early", pod_spec(unsigned)), "it has no signature")
    sign(unsigned)
    ended = deploy(deployment(unsigned), "--dry-run")
    assert ended.code == 0, ended.stderr
    assert "the gate remembers it without" in ended.stderr
    assert ended.image["admission"]["verdict"] == "admitted"
