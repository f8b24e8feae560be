"""One lab: a registry with vulnerable images, BuildKit, a vulnerability database and a signing key, in a folder."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.programs.install.cache import lock_file, translate_disk_errors
from s3c_lab import buildkit_server, certificates, daemons, docker_engine, images, registry_server, vulnerabilities
from s3c_lab.duration import chain_programs
from s3c_lab.machine import Machine
from s3c_lab.node import cluster
from s3c_lab.pieces import piece
from s3c_lab.together import locate_together

NAME = "lab"
PORT = 5000
STATE = "lab.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_DAEMONS = ("buildkitd", "registry")


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A running lab, as its users see it.

    Attributes:
        registry: host and port; the same name on this machine and in everything the lab starts.
        buildkit: address for Copa.
        images: references of the example's images, the app first.
        trivy_cache: Trivy's cache folder, with a database that needs no update.
        advisories: the origin of the database, a clause for people.
        key: PEM of a private key for signing.
        certificate: PEM of its self-signed certificate.
        kubeconfig: of the cluster with the gate on it; "" without one.
        node: that cluster is the lab's own node.
    """

    name: str
    folder: str
    registry: str
    buildkit: str
    images: tuple[str, ...]
    trivy_cache: str
    advisories: str
    key: str
    certificate: str
    kubeconfig: str = ""
    node: bool = False

    def flags(self) -> list[str]:
        """The flags with which `s3c chain` works on this lab."""
        return [
            *("--buildkit-addr", self.buildkit),
            *("--trivy-cache-dir", self.trivy_cache, "--offline"),
            *("--key", self.key, "--certificate", self.certificate),
        ]

    def variables(self) -> dict[str, str]:
        """Environment variables with which `s3c` works on this lab without flags, and values for command lines."""
        cluster = {"KUBECONFIG": self.kubeconfig} if self.kubeconfig else {}
        return {
            "S3C_BUILDKIT_ADDR": self.buildkit,
            "S3C_TRIVY_CACHE_DIR": self.trivy_cache,
            "S3C_OFFLINE": "true",
            **cluster,
            "LAB_REGISTRY": self.registry,
            "LAB_KEY": self.key,
            "LAB_CERTIFICATE": self.certificate,
        }


@dataclass(frozen=True)
class Part:
    """One part of a lab, and whether it is `ready`; `state` is its address, or what is missing."""

    name: str
    ready: bool
    state: str


@dataclass(frozen=True, kw_only=True)
class Milestones:
    """What a caller of `up` does meanwhile.

    Attributes:
        docker_ready: called once Docker runs, before anything that takes long.
        programs_ready: called once only the parts of a node are left to build.
    """

    docker_ready: Callable[[], None] = lambda: None
    programs_ready: Callable[[], None] = lambda: None


NOT_WATCHED = Milestones()


def folder_of(name: str, machine: Machine) -> Path:
    """The folder of a lab's state.

    Raises:
        InputError: the name cannot be a folder's.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            "name",
            f"{name!r} cannot be a lab's name.",
            remedy="Use up to 40 lower-case letters, digits, dots, dashes and underscores.",
        )
    return machine.cache / "lab" / "labs" / name


def names(machine: Machine) -> list[str]:
    """The labs that have a folder."""
    folder = machine.cache / "lab" / "labs"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def up(
    name: str,
    port: int | None,
    machine: Machine,
    *,
    node: bool = False,
    kubeconfig: Path | None = None,
    milestones: Milestones = NOT_WATCHED,
    builds_follow: bool = False,
) -> Lab:
    """Bring a lab up, or its missing parts; a running lab is not changed.

    Args:
        name: labs of different names are independent.
        port: of the registry; 0 for a free one, None for the one it had, else PORT.
        machine: of the lab.
        node: with a Kubernetes node and the gate on it.
        kubeconfig: of a cluster to install the gate on instead.
        milestones: called when they are reached.
        builds_follow: leave Go's caches to the builds that follow.

    Raises:
        InputError: a wrong name, a port that is taken, a kubeconfig that does not exist.
        OutsideError: something could not be installed, made or started.
    """
    folder = folder_of(name, machine)
    if kubeconfig is not None and not kubeconfig.is_file():
        raise InputError("kubeconfig", f"{kubeconfig} is not a file.", remedy="Look at the path.")
    with translate_disk_errors(machine.cache), _locked(folder, machine):
        before = read(folder)
        lab = _up(name, folder, port, machine, milestones, builds_follow=builds_follow)
        if kubeconfig is not None:
            cluster.use(kubeconfig, Path(lab.certificate), machine)
            lab = replace(lab, kubeconfig=str(kubeconfig.absolute()), node=False)
        elif node or (before is not None and before.node):
            node_kubeconfig = cluster.up(name, folder, lab.registry, Path(lab.certificate), machine)
            lab = replace(lab, kubeconfig=str(node_kubeconfig), node=True)
        elif before is not None:
            lab = replace(lab, kubeconfig=before.kubeconfig)
        _write(lab)
    return lab


def _up(
    name: str, folder: Path, port: int | None, machine: Machine, milestones: Milestones, *, builds_follow: bool
) -> Lab:
    before = read(folder)
    registry_pid, buildkit_pid = folder / "registry.pid", folder / "buildkitd.pid"
    previous_port = _port(before) if before else None
    if before and port is None:
        port = previous_port
    if port is None:
        port = PORT
    if before and previous_port and port in (0, previous_port) and all(part.ready for part in parts(before, machine)):
        machine.progress.notice(f"the lab {name} is up already")
        milestones.programs_ready()
        return before
    if daemons.running(registry_pid) is None and port:
        registry_server.check_port(port)  # before anything that takes long
    elif daemons.running(registry_pid) is not None and (not previous_port or port not in (0, previous_port)):
        # An up that was killed half-way, or another port than before.
        _stop_daemons(folder, machine)
    port = port or previous_port or registry_server.free_port()
    registry = f"localhost:{port}"
    progress = machine.progress

    folder.mkdir(parents=True, exist_ok=True)
    with progress.step("docker") as step, piece(progress, "docker"):
        step.done(f"Docker {docker_engine.ensure(machine)}")
    milestones.docker_ready()
    with progress.step("programs") as step:
        programs = locate_together(chain_programs(machine), machine, builds_follow=builds_follow).values()
        step.done(", ".join(f"{program.name} {program.version}" for program in programs))
    milestones.programs_ready()
    with progress.step("images") as step, piece(progress, "images"):
        stored = images.stored(machine)
        step.done(f"{images.APP}, {images.DATABASE} and their Debian base, none of them updated")
    with progress.step("registry") as step:
        if daemons.running(registry_pid) is None:
            _copy_storage(stored, folder / "registry")
            registry_server.start(folder, port, machine)
        step.done(registry)
    with progress.step("buildkit") as step:
        address = f"unix://{folder / 'buildkitd.sock'}"
        if daemons.running(buildkit_pid) is None or not buildkit_server.answers(folder / "buildkitd.sock"):
            daemons.stop(buildkit_pid, machine)
            address = buildkit_server.start(folder, registry, machine)
        step.done(address)
    references = tuple(f"{registry}/{image}" for image in (images.APP, images.DATABASE))
    with progress.step("database") as step, piece(progress, "database"):
        database = vulnerabilities.database(references, stored.name, machine)
        vulnerabilities.copy(database, folder / "trivy")
        step.done(f"vulnerability data: {database.origin}")
    key, certificate = folder / "keys" / "s3c-lab.key", folder / "keys" / "s3c-lab.crt"
    if not certificate.exists():
        certificates.make("s3c-lab").write(folder / "keys", "s3c-lab")
    lab = Lab(
        name=name,
        folder=str(folder),
        registry=registry,
        buildkit=address,
        images=references,
        trivy_cache=str(folder / "trivy"),
        advisories=database.origin,
        key=str(key),
        certificate=str(certificate),
    )
    _write(lab)
    return lab


def _write(lab: Lab) -> None:
    state = Path(lab.folder) / STATE
    new = state.with_name(f"{STATE}.new")
    new.write_text(json.dumps(asdict(lab), indent=2) + "\n")
    new.replace(state)


def read(folder: Path) -> Lab | None:
    """Read the lab of a folder; None when it was never up, or its state is invalid."""
    try:
        state = json.loads((folder / STATE).read_text())
        lab = Lab(**{**state, "images": tuple(state["images"])})
        Reference.parse(f"{lab.registry}/x")
    except (OSError, ValueError, TypeError, KeyError, InputError):
        return None
    return lab


def parts(lab: Lab, machine: Machine) -> tuple[Part, ...]:
    """List the parts of a lab, each with its state."""
    folder = Path(lab.folder)
    registry = daemons.running(folder / "registry.pid")
    buildkit = daemons.running(folder / "buildkitd.pid")
    serves = registry is not None and registry_server.answers(_port(lab))
    builds = buildkit is not None and buildkit_server.answers(folder / "buildkitd.sock")
    try:
        with docker_engine.connect(machine) as docker:
            engine = Part("docker", True, f"version {docker.version()['Version']}")
    except OutsideError:
        engine = Part("docker", False, "does not answer")
    database = (folder / "trivy" / "db" / "trivy.db").is_file()
    return (
        engine,
        Part("registry", serves, f"{lab.registry} (pid {registry})" if serves else "not running"),
        Part("buildkit", builds, f"{lab.buildkit} (pid {buildkit})" if builds else "not running"),
        Part("database", database, lab.advisories if database else "missing"),
        Part("key", Path(lab.key).is_file() and Path(lab.certificate).is_file(), lab.certificate),
        *([_node_part(lab, engine.ready, machine)] if lab.node else []),
    )


def _node_part(lab: Lab, docker: bool, machine: Machine) -> Part:
    running = docker and cluster.running(lab.name, machine)
    return Part("node", running, f"kubectl --kubeconfig {lab.kubeconfig}" if running else "not running")


def down(name: str, machine: Machine) -> bool:
    """Take a lab down and remove everything it created except the cache; returns whether it existed.

    Docker is ended too, when a lab started it, no lab is left and no container runs.

    Raises:
        InputError: a wrong name.
        OutsideError: something could not be ended or removed.
    """
    folder = folder_of(name, machine)
    if not folder.exists():
        return False
    with _locked(folder, machine):
        if cluster.exists(folder):
            with machine.progress.step("node") as step:
                step.done("removed" if cluster.down(name, machine) else "was not there")
        _stop_daemons(folder, machine)
        if remaining := machine.unmount_below(folder):
            raise OutsideError(
                f"{remaining[0]} could not be unmounted.",
                cause="A program still uses it.",
                remedy="End that program and run `s3c-lab down` again.",
            )
        machine.runner.run(machine.as_root(["rm", "-rf", "--one-file-system", str(folder)]))
    if not names(machine):
        with machine.progress.step("docker") as step:
            ended = docker_engine.stop(machine, needed=lambda: bool(names(machine)))
            step.done("ended, as a lab had started it" if ended else "left as it is")
    return True


def _stop_daemons(folder: Path, machine: Machine) -> None:
    for daemon in _DAEMONS:
        with machine.progress.step(daemon) as step:
            step.done("ended" if daemons.stop(folder / f"{daemon}.pid", machine) else "was not running")


def _copy_storage(stored: Path, storage: Path) -> None:
    """Give a registry the images; incomplete storage of a killed `up` is replaced, complete storage is kept."""
    whole = storage.with_suffix(".whole")
    if whole.exists() and storage.exists():
        return
    shutil.rmtree(storage, ignore_errors=True)
    shutil.copytree(stored, storage, copy_function=_link_blob)
    whole.touch()


def _link_blob(source: str, target: str) -> None:
    """Link a blob's `data`, which a registry never rewrites, so that labs share it; copy other files."""
    if Path(source).name == "data":
        with contextlib.suppress(OSError):
            Path(target).hardlink_to(source)
            return
    shutil.copy2(source, target)


def _port(lab: Lab) -> int:
    return int(lab.registry.rpartition(":")[2])


def _lock(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.lock"


@contextlib.contextmanager
def _locked(folder: Path, machine: Machine) -> Iterator[None]:
    with lock_file(_lock(folder), notice=lambda: machine.progress.notice("waiting for another command on this lab")):
        yield
