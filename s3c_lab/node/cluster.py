"""A cluster with the gate on it: the lab's own node, or one that is there already."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from s3c_actions.core.errors import InputError
from s3c_actions.programs.helm.charts import fetch_chart
from s3c_actions.programs.install.cache import lock_file, open_scratch_folder
from s3c_actions.programs.install.locate import Program, ProgramRequest, find_present, locate_all
from s3c_actions.programs.install.pins import CHARTS, GATEKEEPER, HELM, RATIFY, Pin
from s3c_lab.machine import Machine
from s3c_lab.node import archives, container, image
from s3c_lab.node.files import PAUSE
from s3c_lab.node.programs import GATE, KUBECTL, NODE, RATIFY_PLUGINS
from s3c_lab.node.programs import PAUSE as PAUSE_PIN

FOLDER = "node"
VALUES = Path(__file__).parent
# What runc, the one program in C too, is built with.
_C_PACKAGES = ("gcc", "libc6-dev", "libseccomp-dev", "pkg-config")
_HOST_NETWORK = """\
resources: [all.yaml]
patches:
- target: {kind: Deployment, name: ratify}
  patch: |
    - {op: add, path: /spec/template/spec/hostNetwork, value: true}
    - {op: add, path: /spec/template/spec/dnsPolicy, value: ClusterFirstWithHostNet}
    - {op: add, path: /spec/strategy, value: {type: Recreate}}
"""


def up(name: str, folder: Path, registry: str, certificate: Path, machine: Machine) -> Path:
    """Start a node, if it does not run, and install the gate on it; returns the kubeconfig.

    Args:
        name: of the lab.
        folder: of the lab's state; the node's own is below it.
        registry: `localhost:PORT`.
        certificate: PEM; whose signatures the gate trusts.
        machine: what the lab works with.

    Raises:
        OutsideError: something could not be built, started or installed.
    """
    progress = machine.progress
    own = folder / FOLDER
    with progress.step("programs") as step:
        programs = _located((*NODE, *GATE), machine)
        step.done(f"Kubernetes {KUBECTL.version}, Gatekeeper {GATEKEEPER.version}, Ratify {RATIFY.version}")
    with progress.step("node") as step:
        kubeconfig = own / "kubeconfig"
        if not (kubeconfig.exists() and running(name, machine)):
            container.remove(node_name(name), machine)
            shutil.rmtree(own, ignore_errors=True)
            settings = container.NodeSettings(
                name=node_name(name),
                image=image.loaded(machine),
                programs={pin.name: programs[pin.name].path for pin in NODE},
                images=_archives(programs, machine),
                registry=registry,
                folder=own,
            )
            kubeconfig = container.start(settings, machine).kubeconfig
        step.done(f"Ready: kubectl --kubeconfig {kubeconfig}")
    _gate(kubeconfig, certificate, programs, machine, own=own)
    return kubeconfig


def prepare(machine: Machine) -> None:
    """Bring into the cache what a node is made of, in the order in which it is needed. Docker has to run.

    Raises:
        OutsideError: something could not be built or downloaded.
    """
    with machine.progress.step("programs") as step:
        programs = _located((*NODE, *GATE), machine)
        _archives(programs, machine)
        step.done(f"Kubernetes {KUBECTL.version}, Gatekeeper {GATEKEEPER.version}, Ratify {RATIFY.version}")
    with machine.progress.step("charts") as step:
        for pin in CHARTS:
            fetch_chart(pin, cache=machine.cache, runner=machine.runner, progress=machine.progress)
        step.done("Gatekeeper's and Ratify's, from their modules")
    with machine.progress.step("image") as step:
        image.tarball(machine)
        step.done("the node's, of the lab's Debian")


def use(kubeconfig: Path, certificate: Path, machine: Machine) -> Path:
    """Install the gate on a cluster that is there; returns its kubeconfig.

    Raises:
        InputError: there is no such file.
        OutsideError: the cluster does not answer or refuses something.
    """
    if not kubeconfig.is_file():
        raise InputError("kubeconfig", f"{kubeconfig} is not a file.", remedy="Name the kubeconfig of the cluster.")
    with machine.progress.step("programs") as step:
        programs = _located((HELM,), machine)
        step.done(", ".join(f"{one.name} {one.version}" for one in programs.values()))
    _gate(kubeconfig, certificate, programs, machine, own=None)
    return kubeconfig


def down(name: str, machine: Machine) -> bool:
    """Take the lab's node away; returns whether there was one."""
    was = container.remove(node_name(name), machine)
    if was:
        image.unload(machine)
    return was


def made(folder: Path) -> bool:
    """Whether a lab's folder tells of a node, running or not."""
    return (folder / FOLDER).exists()


def running(name: str, machine: Machine) -> bool:
    """Whether the lab's node runs."""
    return container.running(node_name(name), machine)


def node_name(lab: str) -> str:
    """The node's name: a lab's name may have characters that a host's may not."""
    return "s3c-" + re.sub(r"[^a-z0-9]+", "-", lab).strip("-")


def _gate(
    kubeconfig: Path, certificate: Path, programs: Mapping[str, Program], machine: Machine, *, own: Path | None
) -> None:
    """The gate, installed as `s3c gate install` does it; `own` is the folder of the lab's own node, if it is one.

    Raises:
        S3CError: it is not in force.
    """
    from s3c_actions.cluster.client import connect
    from s3c_actions.cluster.gate import manifests
    from s3c_actions.programs.helm.helm import Chart, Helm
    from s3c_actions.steps import install_gate

    charts = []
    for pin in CHARTS:
        path = fetch_chart(pin, cache=machine.cache, runner=machine.runner, progress=machine.progress)
        values = [manifests.values_file(pin.name), *([VALUES / f"{pin.name}-values.yaml"] if own else [])]
        renderer = _host_network(own, programs["kubectl"].path) if own and pin is RATIFY else None
        charts.append(Chart(name=pin.name, path=path, values=tuple(values), post_renderer=renderer))
    settings = install_gate.GateSettings(
        charts=tuple(charts),
        objects=manifests.merge_objects(
            (manifests.certificate_store(certificate.read_text()), *manifests.objects_for_identities(("*",))), ()
        ),
    )
    helm = Helm(programs["helm"].path, machine.runner, kubeconfig=str(kubeconfig), context="", timeout=300)
    with TemporaryDirectory(prefix="s3c-lab-") as temp:
        # The node's credentials are of this machine alone: there is nobody to hide them from.
        cluster = connect(str(kubeconfig), "", timeout=30, temp=Path(temp), hide=lambda _: None)
        done = install_gate.run(settings, install_gate.GateTools(helm=helm, cluster=cluster, progress=machine.progress))
    if done.failure is not None:
        raise done.failure


def _host_network(folder: Path, kubectl: Path) -> Path:
    """A program that puts Ratify into the node's network, where alone localhost means the node."""
    home = folder / "post-renderer"
    home.mkdir(parents=True, exist_ok=True)
    (home / "kustomization.yaml").write_text(_HOST_NETWORK)
    script = home / "render"
    script.write_text(f'#!/bin/sh\ncat >"{home}/all.yaml" && exec "{kubectl}" kustomize "{home}"\n')
    script.chmod(0o700)
    return script


def _located(pins: tuple[Pin, ...], machine: Machine) -> Mapping[str, Program]:
    if any(pin.cgo and not _built(pin, machine) for pin in pins) and not _links_seccomp(machine):
        machine.install_packages(_C_PACKAGES)
    wanted = (ProgramRequest(pin=pin) for pin in pins)
    found = locate_all(wanted, cache=machine.cache, runner=machine.runner, progress=machine.progress)
    return {program.name: program for program in found}


def _built(pin: Pin, machine: Machine) -> bool:
    return (
        find_present(ProgramRequest(pin=pin), cache=machine.cache, runner=machine.runner, progress=machine.progress)
        is not None
    )


def _links_seccomp(machine: Machine) -> bool:
    """Whether a static program can be linked with libseccomp here."""
    if not (machine.find("gcc") and machine.find("pkg-config")):
        return False
    if machine.runner.run(["pkg-config", "--exists", "libseccomp"], check=False).code != 0:
        return False
    return machine.runner.run(["gcc", "-print-file-name=libc.a"]).stdout.startswith("/")


def _archives(programs: Mapping[str, Program], machine: Machine) -> tuple[Path, ...]:
    """The images of Pods that the node is born with; written once for each build of the programs."""
    plugins = {f"/.ratify/plugins/{pin.name}": programs[pin.name].path for pin in RATIFY_PLUGINS}
    images = (
        (
            PAUSE_PIN,
            archives.StaticImage(
                reference=PAUSE, programs={"/pause": programs["pause"].path}, entrypoint=("/pause",), user="65535:65535"
            ),
        ),
        (
            GATEKEEPER,
            archives.StaticImage(
                reference=f"s3c-lab.invalid/gatekeeper:v{GATEKEEPER.version}",
                programs={"/manager": programs["gatekeeper"].path},
                entrypoint=("/manager",),
                user="65532:65532",
            ),
        ),
        (
            RATIFY,
            archives.StaticImage(
                reference=f"s3c-lab.invalid/ratify:v{RATIFY.version}",
                programs={"/app/ratify": programs["ratify"].path} | plugins,
                entrypoint=("/app/ratify", "serve", "--http", ":6001"),
                user="65532:65532",
                environment={"RATIFY_CONFIG": "/.ratify/"},
            ),
        ),
    )
    folder = machine.cache / "lab" / "node"
    made = []
    with lock_file(folder / ".lock"):
        for pin, one in images:
            kept = folder / f"{pin.name}-{pin.version}-{archives.key(one)}.tar"
            if not kept.exists():
                with open_scratch_folder(folder, "archive-") as temp:
                    archives.write(one, temp / kept.name)
                    for old in folder.glob(f"{pin.name}-*.tar"):
                        old.unlink()
                    (temp / kept.name).replace(kept)
            made.append(kept)
    return tuple(made)
