"""The second half of the demo: the voting app on the lab's node, refused unsigned, admitted signed, and used."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from s3c_actions.core.errors import Exit, OutsideError
from s3c_actions.programs.install.locate import locate
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node.programs import KUBECTL

NAMESPACE = "voting"
MANIFESTS = Path(__file__).parent.parent / "manifests" / "app"
Run = Callable[[Sequence[str]], int]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The lab on which the app is shown.

    Attributes:
        lab: with a cluster.
        manifests: the file that is deployed.
        s3c: runs `s3c` on the terminal, and returns its exit code.
    """

    lab: Lab
    machine: Machine
    manifests: Path
    s3c: Run

    def cluster(self) -> list[str]:
        """The flags that name the cluster and the namespace."""
        return ["--kubeconfig", self.lab.kubeconfig, "--namespace", NAMESPACE]

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl; returns its standard output.

        Raises:
            ProgramFailed: it ended with an error.
        """
        machine = self.machine
        program = locate(KUBECTL, cache=machine.cache, runner=machine.runner, progress=machine.progress)
        argv: list[str | Path] = [program.path, "--kubeconfig", self.lab.kubeconfig, *arguments]
        return machine.runner.run(argv, stdin=stdin, timeout=120).stdout


def show(stage: Stage, chain: Sequence[str]) -> int:
    """Deploy the app unsigned, which has to be refused, then the chain's result; and vote.

    Args:
        stage: the lab.
        chain: the arguments of the chain that was run before; it is run again, with a deployment at its end.

    Returns:
        The exit code of the first command that did not end as expected; 0 when all did.

    Raises:
        OutsideError: the app does not answer as expected.
        ProgramFailed: kubectl failed.
    """
    _prepare_namespace(stage)
    print("\nUnsigned, as the images were before the chain, it must be refused:")
    code = stage.s3c(["deploy", str(stage.manifests), *stage.cluster(), "--output-dir", str(_scratch_folder(stage))])
    if code != Exit.REFUSED:
        print(f"\nThat should have been refused, and ended with exit code {code}.")
        return code or Exit.BUG
    print("\nThe chain again, now to its end. What was done is not done twice; what came out of it is deployed:")
    code = stage.s3c([*chain, "--deploy", "--manifests", str(stage.manifests), *stage.cluster()])
    if code == Exit.DONE:
        _check_app(stage)
    return code


def rendered(text: str, registry: str) -> str:
    """Replace the registry that the manifests of the lab's overlay name by another."""
    return re.sub(r"^(\s*(?:- )?image: )localhost:5000/", rf"\g<1>{registry}/", text, flags=re.MULTILINE)


def paths(result: Path) -> list[str]:
    """List the digest of each image after every step, a line for each image, from a result.json."""
    lines = []
    for image in json.loads(result.read_text())["images"]:
        steps = [
            ("scan", image["scan"] and image["scan"]["reference"]),
            ("patch", image["patch"] and image["patch"]["reference"]),
        ]
        steps += [("sign", image["sign"] and image["sign"]["signature_digest"])]
        if image["admission"]:
            steps.append((image["admission"]["verdict"], image["admission"]["reference"]))
        shown = [f"{name} {reference.rpartition('sha256:')[2][:12]}" for name, reference in steps if reference]
        lines.append(f"{image['image']}: {' → '.join(shown)}")
    return lines


def _prepare_namespace(stage: Stage) -> None:
    """Create the namespace, the database's password, and the manifests for this lab's registry."""
    overlay = stage.kubectl("kustomize", str(MANIFESTS / "overlays" / "lab"))
    stage.manifests.parent.mkdir(parents=True, exist_ok=True)
    stage.manifests.write_text(rendered(overlay, stage.lab.registry))
    password = {"password": secrets.token_hex(24)}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "voting-db"}, "stringData": password},
    ]
    for manifest in objects:
        namespace_flags = ["--namespace", NAMESPACE] if manifest["kind"] == "Secret" else []
        stage.kubectl("apply", "--server-side", "-f", "-", *namespace_flags, stdin=json.dumps(manifest))


def _check_app(stage: Stage) -> None:
    """Check that both Pods run, and that the page takes a vote through its Service, from inside the cluster."""
    print(f"\n$ kubectl get pods --namespace {NAMESPACE}\n{stage.kubectl('get', 'pods', '-n', NAMESPACE)}", end="")
    phases = stage.kubectl("get", "pods", "-n", NAMESPACE, "-o", "jsonpath={.items[*].status.phase}").split()
    if phases != ["Running", "Running"]:
        raise OutsideError(f"Two Pods should be running; they are {', '.join(phases) or 'not there'}.")
    page = f"http://voting-app.{NAMESPACE}/"
    if "Cats" not in _curl(stage, page):
        raise OutsideError(f"The page at {page} is not the voting app's.")
    before = json.loads(_curl(stage, f"{page}api/votes"))
    _curl(stage, "--data", "vote=Cats", page)
    after = _curl(stage, f"{page}api/votes")
    print("\nIn the cluster, through the Service:")
    print(f"$ curl --data vote=Cats {page}\n$ curl {page}api/votes\n{after.strip()}")
    if json.loads(after)["Cats"] != before["Cats"] + 1:
        raise OutsideError(f"The page does not count a vote: {before} before it, {after} after it.")


def _curl(stage: Stage, *arguments: str) -> str:
    inside = ("exec", "-n", NAMESPACE, "deployment/voting-app", "-c", "app", "--")
    return stage.kubectl(*inside, "curl", "--silent", "--show-error", "--fail", *arguments)


def _scratch_folder(stage: Stage) -> Path:
    return Path(stage.lab.folder) / "unsigned"
