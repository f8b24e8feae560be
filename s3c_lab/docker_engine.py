"""Docker: a running one, else Debian's, started and ended by the lab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core.errors import OutsideError
from s3c_actions.programs.install.cache import lock_file
from s3c_lab import daemons
from s3c_lab.machine import Machine

if TYPE_CHECKING:
    from docker import DockerClient

PACKAGES = {"dockerd": "docker.io", "runc": "runc"}
TIMEOUT = 600
"""Seconds for an answer. Docker's library has no limit of its own for builds and for the end of a container."""
BRIDGE = Path("/sys/class/net/docker0")
_REMEDY = "Start Docker yourself, or look at the log for what the kernel refuses."


def pid_file(machine: Machine) -> Path:
    """The pid file of a Docker that the lab started."""
    return machine.cache / "lab" / "dockerd.pid"


def ensure(machine: Machine) -> str:
    """Ensure that Docker answers; returns a clause on its origin. Labs that come up at once start a single one.

    Raises:
        OutsideError: it cannot be installed, started or reached.
    """
    with _locked(machine):
        return _ensure_running(machine)


def _ensure_running(machine: Machine) -> str:
    if _answers(machine):
        return "already running" if daemons.running(pid_file(machine)) is None else "started by the lab"
    if host := machine.environment.get("DOCKER_HOST"):
        raise OutsideError(
            f"Docker at {host} does not answer.",
            cause="The environment variable DOCKER_HOST names it.",
            remedy="Start that one, or unset DOCKER_HOST.",
        )
    machine.require_root()
    installed = machine.install(PACKAGES)
    if _answers(machine):
        return "installed"  # the package's own service started it
    log = machine.cache / "lab" / "dockerd.log"
    if Path("/run/systemd/system").is_dir():
        machine.runner.run(machine.as_root(["systemctl", "start", "docker"]), check=False, timeout=120)
        if _answers(machine):
            return "started by systemd"
    log.parent.mkdir(parents=True, exist_ok=True)
    daemons.start(["dockerd"], pid_file(machine), log, machine, root=True)
    daemons.await_ready("Docker", lambda: _answers(machine), pid_file(machine), log, seconds=60, remedy=_REMEDY)
    return "installed and started" if installed else "started"


def stop(machine: Machine, *, needed: Callable[[], bool] = lambda: False) -> bool:
    """End a Docker that the lab started, unless containers run in it; returns whether it was ended.

    Args:
        machine: whose Docker.
        needed: whether a lab still needs it; called when no other command starts or ends it.
    """
    with _locked(machine):
        return not needed() and _stop_unused(machine)


def _stop_unused(machine: Machine) -> bool:
    if daemons.running(pid_file(machine)) is None:
        pid_file(machine).unlink(missing_ok=True)
        return False
    with connect(machine) as docker:
        if docker.containers.list(ignore_removed=True):
            return False
    ended = daemons.stop(pid_file(machine), machine)
    # Docker leaves its bridge behind.
    if ended and BRIDGE.exists() and machine.find("ip"):
        machine.runner.run(machine.as_root(["ip", "link", "delete", BRIDGE.name]), check=False)
    return ended


@contextmanager
def _locked(machine: Machine) -> Iterator[None]:
    with lock_file(
        machine.cache / "lab" / ".docker.lock",
        notice=lambda: machine.progress.note("another lab starts or ends Docker"),
    ):
        yield


@contextmanager
def connect(machine: Machine) -> Iterator[DockerClient]:
    """A client of the machine's Docker, closed at the end.

    Raises:
        OutsideError: it does not answer, or refuses a request within the context.
    """
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(environment=dict(machine.environment), timeout=TIMEOUT)
        client.ping()
    except DockerException as error:
        raise OutsideError(
            "Docker does not answer.",
            cause="It does not run, or this user may not open its socket.",
            remedy="Start it with `s3c-lab up`; add the user to the group docker, or run the lab as root.",
            original=str(error),
        ) from error
    try:
        yield client
    except DockerException as error:
        raise OutsideError(
            "Docker did not do what the lab asked of it.",
            cause="Most often its disk is full.",
            remedy=f"Make room and run it again. A lab's Docker logs to {machine.cache / 'lab' / 'dockerd.log'}.",
            original=str(error),
        ) from error
    finally:
        client.close()


def _answers(machine: Machine) -> bool:
    try:
        with connect(machine):
            return True
    except OutsideError:
        return False
