"""`s3c-lab up --kubeconfig`: the gate on a cluster that is there already, whose nodes pull what the charts name.

The cluster is a node of the lab without its gate. In place of pulling, it is given the images under the names that the
charts pull them by, made of the same pinned programs.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3c_actions.cluster.gate.proof import REMEMBERED_SECONDS
from s3c_actions.programs.helm.charts import fetch_chart
from s3c_actions.programs.install.locate import ProgramRequest, locate_all
from s3c_actions.programs.install.pins import GATEKEEPER, RATIFY
from s3c_lab import lab as labs
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.node import archives, container
from s3c_lab.node.files import PAUSE
from s3c_lab.node.image import NODE_IMAGE
from s3c_lab.node.programs import GATE, NODE
from tests.e2e.conftest import PREFIX
from tests.support.cluster import CONSTRAINT, image_volume, pod, pod_spec
from tests.support.signing import Ended

# What the charts pull, by the program in it.
PULLED = (
    (GATEKEEPER, "/manager", "docker.io/openpolicyagent/gatekeeper"),
    (RATIFY, "/app/ratify", "ghcr.io/notaryproject/ratify"),
)


@pytest.fixture(scope="module")
def programs(machine: Machine) -> dict[str, Path]:
    wanted = (ProgramRequest(pin=pin) for pin in (*NODE, *GATE))
    located = locate_all(wanted, cache=machine.cache, runner=machine.runner, progress=machine.progress)
    return {program.name: program.path for program in located}


@pytest.fixture
def kubeconfig(
    lab: Lab, machine: Machine, programs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Of a cluster without a gate."""
    folder = tmp_path_factory.mktemp("cluster")
    name = f"s3c-{PREFIX}{os.getpid()}-other"
    settings = container.NodeSettings(
        name=name,
        programs={pin.name: programs[pin.name] for pin in NODE},
        images=tuple(_images(folder, machine, programs)),
        registry=lab.registry,
        folder=folder / "node",
        # Last: until a container is made of it, another lab that goes down takes it away.
        image=NODE_IMAGE.load(machine),
    )
    try:
        yield container.start(settings, machine).kubeconfig
    finally:
        container.remove(name, machine)
        NODE_IMAGE.unload(machine)


def _images(folder: Path, machine: Machine, programs: dict[str, Path]) -> Iterator[Path]:
    images = [(PAUSE, {"/pause": programs["pause"]}, "/pause")]
    for pin, program, repository in PULLED:
        images.append((f"{repository}:v{pin.version}", {program: programs[pin.name]}, program))
        home = fetch_chart(pin, cache=machine.cache, runner=machine.runner, progress=machine.progress)
        definitions = (home / "crds").glob("*.yaml")
        files = {"/kubectl": programs["kubectl"], **{f"/crds/{file.name}": file for file in definitions}}
        images.append((f"{repository}-crds:v{pin.version}", files, "/kubectl"))
    for number, (reference, files, entrypoint) in enumerate(images):
        archive = folder / f"{number}.tar"
        archives.write(
            archives.StaticImage(
                reference=reference,
                programs=files,
                entrypoint=(entrypoint,),
                user="65532:65532",
                environment={"RATIFY_CONFIG": "/.ratify/"},
            ),
            archive,
        )
        yield archive


def test_the_gate_is_installed_on_a_cluster_that_is_there_kept_and_repaired(
    machine: Machine,
    programs: dict[str, Path],
    kubeconfig: Path,
    signing_key: tuple[Path, Path],
    s3c: Callable[..., Ended],
    tmp_path: Path,
) -> None:
    def kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [str(programs["kubectl"]), "--kubeconfig", str(kubeconfig), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)

    def install(*flags: str | Path) -> Ended:
        return s3c("gate", "install", "--kubeconfig", kubeconfig, "--helm-path", programs["helm"], *flags)

    def actions(ended: Ended) -> dict[str, str]:
        return {
            resource["kind"]: resource["action"]
            for resource in ended.result["deploy"]["applied"]
            if resource["kind"] != "Chart"
        }

    def charts(ended: Ended) -> list[str]:
        return [resource["action"] for resource in ended.result["deploy"]["applied"] if resource["kind"] == "Chart"]

    unsigned = f"run --dry-run=server x --image=localhost:1/x@sha256:{64 * '1'}".split()
    assert kubectl(*unsigned).returncode == 0
    nobody = install()
    assert (nobody.code, "trust-store: nobody is trusted" in nobody.stderr) == (2, True), nobody.stderr

    # By the lab, whose gate outlives it.
    name = f"{PREFIX}{os.getpid()}-gates-another"
    lab = labs.up(name, 0, machine, kubeconfig=kubeconfig)
    try:
        assert (lab.kubeconfig, lab.node) == (str(kubeconfig), False)
    finally:
        labs.down(name, machine)
    assert "[ratify-verification]" in kubectl(*unsigned).stderr

    # By the product, for other signers and with another namespace exempt: what need not change stays.
    _, certificate = signing_key
    trust = ("--trust-store", certificate, "--exempt-namespaces", "kube-public")
    first = install(*trust)
    assert first.code == 0, first.stderr
    assert charts(first) == ["configured", "configured"]
    # What is exempt does not wait for Gatekeeper: it may be what Gatekeeper's own node needs.
    for kind in ("validating", "mutating"):
        configuration = f"{kind}webhookconfiguration/gatekeeper-{kind}-webhook-configuration"
        selector = kubectl("get", configuration, "-o", "jsonpath={.webhooks[0].namespaceSelector}").stdout
        assert all(f'"{name}"' in selector for name in ("kube-system", "kube-public", "gatekeeper-system")), selector
    assert actions(first)["KeyManagementProvider"] == actions(first)["RatifyVerification"] == "configured"
    assert actions(first)["Policy"] == "unchanged"
    assert "constraint ratify-verification, trace " in first.result["deploy"]["gate"]["denial"]
    assert kubectl(*unsigned, "--namespace=kube-public").returncode == 0
    assert "[ratify-verification]" in kubectl(*unsigned).stderr
    (key,) = json.loads(kubectl("get", "keymanagementproviders", "-o", "json").stdout)["items"]
    assert key["spec"]["parameters"]["value"] == certificate.read_text()
    again = install(*trust)
    assert again.code == 0, again.stderr
    assert again.result["deploy"]["unchanged"] is True
    assert "as it should be already" in again.stdout

    # What somebody opened is closed again.
    hook = "validatingwebhookconfiguration/gatekeeper-validating-webhook-configuration"
    opened = '[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]'
    assert kubectl("patch", hook, "--type=json", "-p", opened).returncode == 0
    fixed = install(*trust)
    assert fixed.code == 0, fixed.stderr
    assert charts(fixed) == ["configured", "configured"]
    policy = kubectl("get", hook, "-o", "jsonpath={.webhooks[0].failurePolicy}").stdout
    assert policy == "Fail"

    # Tags are allowed for as long as that is asked for.
    tag, digest = "localhost:1/x:1", f"localhost:1/x@sha256:{64 * '1'}"
    tried = json.dumps(pod("x", pod_spec(digest, **image_volume(tag))))
    for flags, parameters, refused in ((("--allow-tags",), "true", False), ((), "", True)):
        changed = install(*trust, *flags)
        assert changed.code == 0, changed.stderr
        assert "an image that is not there is denied as a container, an init container and an image volume" in (
            changed.stderr
        )
        allowed = kubectl("get", CONSTRAINT, "-o", "jsonpath={.spec.parameters.allowTags}").stdout
        assert allowed == parameters
        until = time.monotonic() + REMEMBERED_SECONDS
        while refused is not (
            f"{tag} has no digest" in (denied := kubectl("create", "-f", _file(tmp_path, tried)).stderr)
        ):
            assert time.monotonic() < until, denied
            time.sleep(0.5)
        assert f"{tag} is not trusted" in denied


def _file(folder: Path, text: str) -> str:
    (folder / "tried.json").write_text(text)
    return str(folder / "tried.json")
