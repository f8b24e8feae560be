"""The registry: Debian's docker-registry, one process with its storage in a folder."""

from __future__ import annotations

import json
import random
import socket
import urllib.error
import urllib.request
from pathlib import Path

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.process import ProgramFailed
from s3c_actions.programs.install.cache import lock_file, open_scratch_folder
from s3c_lab import daemons
from s3c_lab.machine import Machine

PORTS = range(20_000, 30_000)
"""Below those that Linux gives to whoever asks for any (`ip_local_port_range`), and those of Kubernetes' NodePorts."""
_GIVEN: set[int] = set()
"""What this process was given: what is to listen there may not do so yet."""


def program(machine: Machine) -> Path:
    """The registry's program.

    Debian's package is unpacked into the cache rather than installed: installing it would start a service on port 5000.

    Raises:
        OutsideError: apt-get cannot download the package.
    """
    installed = machine.find("docker-registry")
    if installed:
        return installed
    unpacked = machine.cache / "lab" / "docker-registry"
    executable = unpacked / "usr" / "bin" / "docker-registry"
    with lock_file(machine.cache / "lab" / ".docker-registry.lock"):
        if executable.exists():
            return executable
        with open_scratch_folder(unpacked.parent, "registry-") as temp:
            try:
                machine.apt("update", "-qq")
                # As root, apt drops to a user who may not write here, and warns of it; it then continues as root.
                machine.runner.run(["apt-get", "download", "-qq", "docker-registry"], cwd=temp, timeout=300)
                machine.runner.run(["dpkg-deb", "--extract", str(next(temp.glob("*.deb"))), str(temp / "out")])
            except (ProgramFailed, StopIteration) as error:
                raise OutsideError(
                    "apt-get could not bring Debian's package docker-registry.",
                    cause="The package mirror cannot be reached, or does not have it.",
                    remedy="Run `apt-get download docker-registry` and look at what it says.",
                    original=getattr(error, "original", ""),
                ) from error
            (temp / "out").replace(unpacked)
    return executable


def free_port() -> int:
    """A port of the loopback interface on which nothing listens at the moment, and which nobody is given unasked.

    The kernel's own choice may be anybody's until something listens on it, which for a lab takes minutes, and again
    whenever what listens is started anew.
    """
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if port not in _GIVEN and is_free(port):
            _GIVEN.add(port)
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a registry could listen on a port of the loopback interface."""
    try:
        check_port(port)
    except InputError:
        return False
    return True


def check_port(port: int) -> None:
    """Make sure that nothing listens on a port of the loopback interface.

    Raises:
        InputError: it is taken, or this user may not listen on it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                "port",
                f"the registry cannot listen on port {port}: {error.strerror}.",
                cause="Another program has it; perhaps another lab (`s3c-lab status --all`).",
                remedy="Give another one with `--port`; `--port 0` takes one that is free.",
            ) from error


def start(folder: Path, port: int, machine: Machine) -> None:
    """Start the registry with its storage in `folder`/registry, and wait until it answers.

    Raises:
        InputError: the port is taken.
        OutsideError: it did not start.
    """
    check_port(port)
    storage = folder / "registry"
    storage.mkdir(parents=True, exist_ok=True)
    config = folder / "registry.json"
    # The configuration is YAML, a superset of JSON: no path can break it.
    config.write_text(
        json.dumps(
            {
                "version": "0.1",
                "log": {"level": "warn", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
                "http": {"addr": f"127.0.0.1:{port}"},
            }
        )
    )
    pid_file, log = folder / "registry.pid", folder / "registry.log"
    daemons.start([program(machine), "serve", config], pid_file, log, machine, root=False)
    daemons.await_ready("The registry", lambda: answers(port), pid_file, log)


def answers(port: int) -> bool:
    """Whether a registry answers on a port of the loopback interface."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
