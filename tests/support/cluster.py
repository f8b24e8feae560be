"""The lab's node as the tests reach it, and the objects they put there."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s3c_lab.lab import Lab

GATE = "gatekeeper-system"
CONSTRAINT = "ratifyverification/ratify-verification"
WEBHOOK = "validatingwebhookconfiguration/gatekeeper-validating-webhook-configuration"
# How long an answer is kept on the lab's node: by Gatekeeper, by Ratify and by its store, 1 s each (s3c_lab/node/).
CACHED = 3.0


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
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=300)

    def create(self, manifest: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return self.run("create", "-f", "-", stdin=json.dumps(manifest))

    def names(self, namespace: str, kinds: str = "deployment,statefulset,pod,configmap") -> set[str]:
        objects = self("get", kinds, "-n", namespace, "-o", "name").split()
        return {name for name in objects if "kube-root-ca" not in name}

    def images(self, namespace: str) -> set[str]:
        """Of all Pods that are to stay, as they stand there."""
        pods = json.loads(self("get", "pods", "-n", namespace, "-o", "json"))["items"]
        return {
            container["image"]
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
            for container in pod["spec"]["containers"]
        }

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
            self("wait", "-n", GATE, "--for=delete", "pod", "-l", selector, "--timeout=180s")
            yield
        finally:
            self("scale", *thing, "--replicas=1")
            self("rollout", "status", *thing, "--timeout=240s")
            # It runs before Gatekeeper reaches it again.
            self.until_denied(pod("probe", pod_spec(f"localhost:1/probe@sha256:{64 * '0'}")), "(trace ")

    def tried(self, manifest: dict[str, Any]) -> str:
        """Why an object is not admitted, by dry run; empty when it is."""
        ended = self.run("create", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest))
        assert (ended.returncode == 0) == (ended.stderr == "")
        return ended.stderr

    def until_denied(self, manifest: dict[str, Any], reason: str) -> str:
        """The denial of an object that is tried over and over, once it says so: answers are kept for a while."""
        until = time.monotonic() + CACHED + 60
        while reason not in (denial := self.tried(manifest)):
            assert time.monotonic() < until, denial or "it is admitted"
            time.sleep(0.5)
        return denial


def node_helm(lab: Lab, helm: Path, folder: Path) -> Path:
    """Helm that puts Ratify into the node's network, as the lab does: `localhost` is this machine's registry there."""
    render = Path(lab.kubeconfig).parent / "post-renderer" / "render"
    path = folder / "helm"
    path.write_text(
        f'#!/bin/sh\n[ "$1 $2" != "upgrade ratify" ] || set -- "$@" --post-renderer "{render}"\nexec "{helm}" "$@"\n'
    )
    path.chmod(0o755)
    return path


def pod_spec(image: str, **more: Any) -> dict[str, Any]:
    return {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": image}], **more}


def image_volume(image: str) -> dict[str, Any]:
    """Of a Pod's spec: an image mounted as a volume."""
    return {"volumes": [{"name": "tools", "image": {"reference": image, "pullPolicy": "IfNotPresent"}}]}


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


def deployment(image: str, name: str = "web", more: str = "", command: str = "sleep, infinity") -> str:
    """A manifest as people write them, of a Deployment of the voting app or of the database."""
    return f"""\
# Deployed by a test
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 0
{more}      containers:
        - name: main
          image: {image}  # replaced by its digest
          command: [{command}]
"""
