"""The lab's node as the tests reach it, and the objects they put there."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GATE = "gatekeeper-system"
CONSTRAINT = "ratifyverification/ratify-verification"
WEBHOOK = "validatingwebhookconfiguration/gatekeeper-validating-webhook-configuration"
# How long an answer is kept: by Gatekeeper, by Ratify and by its store, 10 s each (manifests/, docs/deploy.md).
CACHED = 30.0


@dataclass(frozen=True)
class Kubectl:
    """kubectl on a cluster. Called, it has to succeed and gives what it printed; `run` tells how it ended."""

    program: Path
    kubeconfig: str

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        ended = self.run(*arguments, stdin=stdin)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = [str(self.program), "--kubeconfig", self.kubeconfig, *arguments]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=180)

    def create(self, manifest: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return self.run("create", "-f", "-", stdin=json.dumps(manifest))

    def names(self, namespace: str, kinds: str = "deployment,statefulset,pod,configmap") -> set[str]:
        found = self("get", kinds, "-n", namespace, "-o", "name").split()
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
        thing = ("-n", GATE, f"deployment/{deployment}")
        chosen = json.loads(self("get", *thing, "-o", "json"))["spec"]["selector"]["matchLabels"]
        selector = ",".join(f"{key}={value}" for key, value in chosen.items())
        self("scale", *thing, "--replicas=0")
        try:
            self("wait", "-n", GATE, "--for=delete", "pod", "-l", selector, "--timeout=90s")
            yield
        finally:
            self("scale", *thing, "--replicas=1")
            self("rollout", "status", *thing, "--timeout=120s")
            # It runs before Gatekeeper reaches it again.
            self.until_denied(pod("probe", pod_spec(f"localhost:1/probe@sha256:{64 * '0'}")), "(trace ")

    def until_denied(self, manifest: dict[str, Any], said: str) -> str:
        """The denial of an object that is created over and over, once it says so; answers are kept for a while."""
        until = time.monotonic() + CACHED + 15
        while True:
            ended = self.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest))
            if said in ended.stderr:
                return ended.stderr
            assert time.monotonic() < until, ended.stderr or ended.stdout
            time.sleep(1)


def pod_spec(image: str, **more: Any) -> dict[str, Any]:
    return {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": image}], **more}


def pod(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def workload(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """An object of a kind that makes Pods of this spec."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    selected = {"selector": {"matchLabels": labels}, "template": template}
    once = {**template, "spec": {**spec, "restartPolicy": "Never"}}
    version, body = {
        "Deployment": ("apps/v1", selected),
        "StatefulSet": ("apps/v1", {**selected, "serviceName": name}),
        "DaemonSet": ("apps/v1", selected),
        "ReplicaSet": ("apps/v1", selected),
        "ReplicationController": ("v1", {"selector": labels, "template": template}),
        "Job": ("batch/v1", {"template": once}),
        "CronJob": ("batch/v1", {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": once}}}),
    }[kind]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": body}
