"""Gatekeeper and Ratify on a cluster, by their own Helm charts, closed when in doubt."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from s3c_actions.errors import OutsideError
from s3c_actions.process import Runner
from s3c_actions.progress import Progress

NAMESPACE = "gatekeeper-system"
MANIFESTS = Path(__file__).parent.parent.parent / "manifests"
READY = 180.0
WEBHOOK = 30.0
# Nothing listens on port 1, and no image has this digest.
_NOT_THERE = f"localhost:1/s3c-gate-probe@sha256:{64 * '0'}"

# localhost means the node only to a Pod in the node's network.
_HOST_NETWORK = """\
resources: [all.yaml]
patches:
- target: {kind: Deployment, name: ratify}
  patch: |
    - {op: add, path: /spec/template/spec/hostNetwork, value: true}
    - {op: add, path: /spec/template/spec/dnsPolicy, value: ClusterFirstWithHostNet}
    - {op: add, path: /spec/strategy, value: {type: Recreate}}
"""


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """The gate of one cluster.

    Attributes:
        kubeconfig: of an administrator.
        helm: the program; `kubectl` likewise.
        charts: the folders `gatekeeper` and `ratify`, as their projects release them.
        certificate: PEM of the certificate, or the authority, whose signatures are trusted.
        lab: it is the lab's own node: its images, its registry in the node's network.
    """

    kubeconfig: Path
    helm: Path
    kubectl: Path
    charts: Mapping[str, Path]
    certificate: str
    lab: bool = True


def install(settings: GateSettings, runner: Runner, progress: Progress) -> None:
    """Install the gate, or bring one that is there to these settings, and wait until it is in force.

    Raises:
        OutsideError: a chart or a manifest is refused, or the gate is not in force in time.
    """
    gate = _Gate(settings, runner, progress)
    gate.chart("gatekeeper")
    # From here on nothing is admitted that Gatekeeper does not look at.
    gate.wait_for("deployment/gatekeeper-controller-manager")
    gate.chart("ratify")
    gate.trust()
    gate.policy()
    gate.wait_for("deployment/ratify")
    gate.prove()


@dataclass(frozen=True)
class _Gate:
    settings: GateSettings
    runner: Runner
    progress: Progress

    def chart(self, name: str) -> None:
        """`helm upgrade --install` of one chart with our values."""
        began = time.monotonic()
        values = [MANIFESTS / name / "values.yaml"]
        if self.settings.lab:
            values.append(MANIFESTS / name / "values-lab.yaml")
        argv: list[str | Path] = [self.settings.helm, "upgrade", "--install", name, self.settings.charts[name]]
        argv += ["--namespace", NAMESPACE, "--create-namespace", "--kubeconfig", self.settings.kubeconfig]
        for file in values:
            argv += ["--values", file]
        with tempfile.TemporaryDirectory(prefix="s3c-helm-") as folder:
            if name == "ratify" and self.settings.lab:
                argv += ["--post-renderer", self._post_renderer(Path(folder))]
            self._run(argv, f"The chart of {name} could not be installed.", folder=Path(folder))
        self.progress.note(f"{name}: chart installed in {time.monotonic() - began:.1f} s")

    def trust(self) -> None:
        """Whom Ratify trusts and how: key, verifier, policy. Where it looks for signatures, the chart's values say."""
        from ruamel.yaml import YAML

        yaml = YAML(typ="safe", pure=True)
        folder = MANIFESTS / "ratify"
        key = yaml.load(folder / "key-management-provider-inline.yaml")
        key["spec"]["parameters"]["value"] = self.settings.certificate
        self._apply(json.dumps(key))
        for name in ("verifier", "policy"):
            self._apply((folder / f"{name}.yaml").read_text())

    def policy(self) -> None:
        """The template, and once Gatekeeper knows its kind, the constraint."""
        folder = MANIFESTS / "gatekeeper"
        self._apply((folder / "template.yaml").read_text())
        self.wait_for("crd/ratifyverification.constraints.gatekeeper.sh", condition="established")
        self._apply((folder / "constraint.yaml").read_text())

    def prove(self) -> None:
        """Wait until Ratify's verdict denies an image: it runs before Gatekeeper knows its certificate."""
        began = time.monotonic()
        argv = self._kubectl(
            "run", "s3c-gate-probe", f"--image={_NOT_THERE}", "--namespace=default", "--dry-run=server"
        )
        while True:
            completed = self.runner.run(argv, check=False, timeout=30)
            if "[ratify-verification]" in completed.stderr and "(trace " in completed.stderr:
                return
            if time.monotonic() - began > READY:
                raise OutsideError(
                    f"The gate was not in force within {READY:.0f} s: an image that is not there should be denied.",
                    cause="Ratify may be failing, or Gatekeeper may not reach it.",
                    remedy=f"Look at the logs of the Pods in {NAMESPACE}.",
                    original=(completed.stderr or completed.stdout).strip(),
                )
            time.sleep(0.3)

    def wait_for(self, *things: str, condition: str = "available") -> None:
        """Wait for a condition of each thing, which may not exist yet."""
        began = time.monotonic()
        for thing in things:
            argv = self._kubectl("wait", f"--for=condition={condition}", thing, "-n", NAMESPACE, "--timeout=10s")
            while True:
                completed = self.runner.run(argv, check=False, timeout=30)
                if completed.code == 0:
                    break
                if time.monotonic() - began > READY:
                    raise OutsideError(
                        f"{thing} was not {condition} within {READY:.0f} s.",
                        cause="Its Pods may be failing.",
                        remedy=f"Look at `kubectl get pods -n {NAMESPACE}` and their logs.",
                        original=completed.stderr.strip(),
                    )
                time.sleep(0.3)

    def _apply(self, manifest: str) -> None:
        argv = self._kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=s3c", "-f", "-")
        self._run(argv, "A manifest of the gate was refused.", stdin=manifest)

    def _kubectl(self, *arguments: str) -> list[str | Path]:
        return [self.settings.kubectl, "--kubeconfig", self.settings.kubeconfig, *arguments]

    def _run(self, argv: list[str | Path], what: str, *, stdin: str = "", folder: Path | None = None) -> None:
        # Helm keeps what it looks up below HOME: nothing of that is to stay on this machine.
        extra = {"HELM_CACHE_HOME": str(folder), "HELM_CONFIG_HOME": str(folder), "HELM_DATA_HOME": str(folder)}
        began = time.monotonic()
        while True:
            completed = self.runner.run(argv, stdin=stdin, timeout=300, extra=extra if folder else {}, check=False)
            if completed.code == 0:
                return
            # Gatekeeper tells it is ready a moment before its Service leads to it.
            if "failed calling webhook" not in completed.stderr or time.monotonic() - began > WEBHOOK:
                break
            time.sleep(0.5)
        raise OutsideError(
            what,
            cause="The cluster may be too busy, or its version may not fit.",
            remedy="Read what it said, and try again.",
            original=completed.stderr.strip(),
        )

    def _post_renderer(self, folder: Path) -> Path:
        (folder / "kustomization.yaml").write_text(_HOST_NETWORK)
        script = folder / "render"
        script.write_text(
            f'#!/bin/sh\ncat >"{folder}/all.yaml" && exec "{self.settings.kubectl}" kustomize "{folder}"\n'
        )
        script.chmod(0o700)
        return script
