"""A cluster with the gate on it: the lab's own node, or an existing cluster."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from s3c_actions.core.errors import InputError
from s3c_actions.programs.helm.charts import fetch_chart
from s3c_actions.programs.install.cache import lock_file, open_scratch_folder
from s3c_actions.programs.install.locate import Program
from s3c_actions.programs.install.pins import CHARTS, GATEKEEPER, HELM, RATIFY
from s3c_lab.machine import Machine
from s3c_lab.node import archives, container
from s3c_lab.node.files import PAUSE
from s3c_lab.node.image import NODE_IMAGE
from s3c_lab.node.programs import GATE, KUBECTL, NODE, RATIFY_PLUGINS
from s3c_lab.node.programs import PAUSE as PAUSE_PIN
from s3c_lab.pieces import piece
from s3c_lab.together import locate_together

FOLDER = "node"
VALUES = Path(__file__).parent
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
        machine: of the lab.

    Raises:
        OutsideError: something could not be built, started or installed.
    """
    progress = machine.progress
    own = folder / FOLDER
    with progress.step("programs") as step:
        programs = locate_together((*NODE, *GATE), machine)
        step.done(f"Kubernetes {KUBECTL.version}, Gatekeeper {GATEKEEPER.version}, Ratify {RATIFY.version}")
    with progress.step("node") as step:
        kubeconfig = own / "kubeconfig"
        if not (kubeconfig.exists() and running(name, machine)):
            container.remove(node_name(name), machine)
            shutil.rmtree(own, ignore_errors=True)
            settings = container.NodeSettings(
                name=node_name(name),
                image=NODE_IMAGE.load(machine),
                programs={pin.name: programs[pin.name].path for pin in NODE},
                images=_pod_archives(programs, machine),
                registry=registry,
                folder=own,
            )
            kubeconfig = container.start(settings, machine).kubeconfig
        step.done(f"Ready: kubectl --kubeconfig {kubeconfig}")
    _install_gate(kubeconfig, certificate, programs, machine, own=own)
    return kubeconfig


def prepare(machine: Machine, *, builds_follow: bool = False) -> None:
    """Fill the cache with the parts of a node, in the order in which they are needed. Docker has to run.

    Args:
        machine: of the lab.
        builds_follow: leave Go's caches to whoever removes them.

    Raises:
        OutsideError: something could not be built or downloaded.
    """
    with machine.progress.step("programs") as step:
        programs = locate_together((*NODE, *GATE), machine, builds_follow=builds_follow)
        _pod_archives(programs, machine)
        step.done(f"Kubernetes {KUBECTL.version}, Gatekeeper {GATEKEEPER.version}, Ratify {RATIFY.version}")
    with machine.progress.step("charts") as step:
        for pin in CHARTS:
            fetch_chart(
                pin,
                cache=machine.cache,
                runner=machine.runner,
                progress=machine.progress,
                builds_follow=builds_follow,
            )
        step.done("Gatekeeper's and Ratify's, from their modules")
    with machine.progress.step("image") as step, piece(machine.progress, "node image"):
        NODE_IMAGE.tarball(machine)
        step.done("the node's, of the lab's Debian")


def use(kubeconfig: Path, certificate: Path, machine: Machine) -> Path:
    """Install the gate on an existing cluster; returns its kubeconfig.

    Raises:
        InputError: there is no such file.
        OutsideError: the cluster does not answer or refuses something.
    """
    if not kubeconfig.is_file():
        raise InputError("kubeconfig", f"{kubeconfig} is not a file.", remedy="Name the kubeconfig of the cluster.")
    with machine.progress.step("programs") as step:
        programs = locate_together((HELM,), machine)
        step.done(", ".join(f"{program.name} {program.version}" for program in programs.values()))
    _install_gate(kubeconfig, certificate, programs, machine, own=None)
    return kubeconfig


def down(name: str, machine: Machine) -> bool:
    """Remove the lab's node; returns whether it existed."""
    removed = container.remove(node_name(name), machine)
    if removed:
        NODE_IMAGE.unload(machine)
    return removed


def exists(folder: Path) -> bool:
    """Whether a lab has a node, running or not."""
    return (folder / FOLDER).exists()


def running(name: str, machine: Machine) -> bool:
    """Whether the lab's node runs."""
    return container.running(node_name(name), machine)


def node_name(lab: str) -> str:
    """The node's name: a lab's name may have characters that a host's may not."""
    return "s3c-" + re.sub(r"[^a-z0-9]+", "-", lab).strip("-")


def _install_gate(
    kubeconfig: Path, certificate: Path, programs: Mapping[str, Program], machine: Machine, *, own: Path | None
) -> None:
    """Install the gate as `s3c gate install` does; `own` is the folder of the lab's own node, if it is that.

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
        renderer = _write_post_renderer(own, programs["kubectl"].path) if own and pin is RATIFY else None
        charts.append(Chart(name=pin.name, path=path, values=tuple(values), post_renderer=renderer))
    settings = install_gate.GateSettings(
        charts=tuple(charts),
        objects=manifests.merge_objects(
            (manifests.certificate_store(certificate.read_text()), *manifests.objects_for_identities(("*",))), ()
        ),
    )
    helm = Helm(programs["helm"], machine.runner, kubeconfig=str(kubeconfig), context="", timeout=300)
    with TemporaryDirectory(prefix="s3c-lab-") as temp:
        # The node's credentials are of use on this machine alone: they need not be hidden.
        cluster = connect(str(kubeconfig), "", timeout=30, temp=Path(temp), hide=lambda _: None)
        done = install_gate.run(settings, install_gate.GateTools(helm=helm, cluster=cluster, progress=machine.progress))
    if done.failure is not None:
        raise done.failure


def _write_post_renderer(folder: Path, kubectl: Path) -> Path:
    """Write a program that puts Ratify into the node's network, the only one in which localhost is the node."""
    home = folder / "post-renderer"
    home.mkdir(parents=True, exist_ok=True)
    (home / "kustomization.yaml").write_text(_HOST_NETWORK)
    script = home / "render"
    script.write_text(f'#!/bin/sh\ncat >"{home}/all.yaml" && exec "{kubectl}" kustomize "{home}"\n')
    script.chmod(0o700)
    return script


def _pod_archives(programs: Mapping[str, Program], machine: Machine) -> tuple[Path, ...]:
    """The preloaded images of the node's Pods; written once for each build of the programs."""
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
    paths = []
    with lock_file(folder / ".lock"):
        for pin, archive_image in images:
            path = folder / f"{pin.name}-{pin.version}-{archives.key(archive_image)}.tar"
            if not path.exists():
                with open_scratch_folder(folder, "archive-") as temp:
                    archives.write(archive_image, temp / path.name)
                    for old in folder.glob(f"{pin.name}-*.tar"):
                        old.unlink()
                    (temp / path.name).replace(path)
            paths.append(path)
    return tuple(paths)
