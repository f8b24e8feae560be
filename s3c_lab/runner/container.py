"""The container that is a runner: start, wait until its Docker answers, run something as its user, remove."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from s3c_actions.core.errors import OutsideError
from s3c_lab import docker_engine
from s3c_lab.machine import Machine
from s3c_lab.runner.image import RUNNER_IMAGE, TOOLS, USER
from s3c_lab.system.container import CONTROL_GROUPS, machine_options

if TYPE_CHECKING:
    from docker import DockerClient

ENTRY = Path(__file__).parent / "entry.sh"
READY = 60.0
RESOLVER, SERVICES = "198.51.100.1", "198.51.100.2"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
VARIABLES = {
    "CI": "true",
    "RUNNER_ENVIRONMENT": "github-hosted",
    "RUNNER_TOOL_CACHE": TOOLS,
    "AGENT_TOOLSDIRECTORY": TOOLS,
    "ImageOS": "ubuntu24",
    "ImageVersion": "20261123.1.0",
    "LANG": "C.UTF-8",
}
"""What the image of a hosted runner sets, beside the variables of the job itself."""


@dataclass(frozen=True, kw_only=True)
class RunnerSettings:
    """One runner.

    Attributes:
        name: of the container.
        folder: for its configuration.
        work: folders that it sees under the same path, to write in.
        programs: files that it sees by another path, source → target.
        hosts: names that lead to `SERVICES` instead of to the outside.
        bundle: the certificates that it trusts.
    """

    name: str
    folder: Path
    work: tuple[Path, ...] = ()
    programs: Mapping[Path, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    bundle: Path


@dataclass(frozen=True, kw_only=True)
class HostedRunner:
    """A runner that runs.

    Attributes:
        name: of its container.
        pid: of its first process, whose network is the runner's.
    """

    name: str
    pid: int

    def command(self, argv: Sequence[str | Path], cwd: str | Path = f"/home/{USER}", *, user: str = USER) -> list[str]:
        """The command that runs another one on the runner, as its user."""
        home = "/root" if user == "root" else f"/home/{user}"
        variables = {"HOME": home, "USER": user, **VARIABLES}
        given = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        return ["docker", "exec", "--user", user, "--workdir", str(cwd), *given, self.name, *map(str, argv)]


@contextmanager
def running(settings: RunnerSettings, machine: Machine) -> Iterator[HostedRunner]:
    """A runner while the context lasts; the machine's Docker runs already.

    Raises:
        OutsideError: its image cannot be made, or its Docker does not start.
    """
    image = RUNNER_IMAGE.load(machine)
    _write_configuration(settings)
    with docker_engine.connect(machine) as docker:
        mounts = {settings.folder: "/etc/s3c-runner", settings.bundle: BUNDLE, ENTRY: "/s3c-runner.sh"}
        mounts |= {CONTROL_GROUPS: "/s3c-control-groups.sh", settings.folder / "resolv.conf": "/etc/resolv.conf"}
        mounts |= settings.programs
        binds = [*(f"{source}:{target}:ro" for source, target in mounts.items())]
        binds += [f"{folder}:{folder}" for folder in settings.work]
        # Of its own, so that nothing else of this machine's Docker matters to it.
        network = docker.networks.create(settings.name, driver="bridge", labels={"s3c-lab": settings.name})
        try:
            host = machine_options(docker, binds) | {"NetworkMode": settings.name}
            container = docker.api.create_container(
                image,
                ["/bin/bash", "/s3c-runner.sh"],
                name=settings.name,
                hostname="runner",
                labels={"s3c-lab": settings.name},
                volumes=["/var/lib/docker"],
                host_config=host,
            )["Id"]
            try:
                docker.api.start(container)
                pid = int(docker.api.inspect_container(container)["State"]["Pid"])
                runner = HostedRunner(name=settings.name, pid=pid)
                _wait_until_ready(runner, docker, machine)
                yield runner
            finally:
                docker.api.remove_container(container, force=True, v=True)
        finally:
            network.remove()
            RUNNER_IMAGE.unload(machine)


def _write_configuration(settings: RunnerSettings) -> None:
    upstream = re.findall(r"^nameserver\s+(\S+)", Path("/etc/resolv.conf").read_text(), re.MULTILINE)
    lines = ["no-resolv", "no-hosts", "bind-interfaces", f"listen-address={RESOLVER}", "user=root"]
    lines += [f"server={server}" for server in upstream]
    lines += [f"host-record={host},{SERVICES}" for host in settings.hosts]
    files = {"resolver": RESOLVER, "services": SERVICES, "resolv.conf": f"nameserver {RESOLVER}\n"}
    settings.folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**files, "dnsmasq.conf": "\n".join(lines) + "\n"}.items():
        (settings.folder / name).write_text(text)


def _wait_until_ready(runner: HostedRunner, docker: DockerClient, machine: Machine) -> None:
    until = time.monotonic() + READY
    while True:
        ended = machine.runner.run(runner.command(["docker", "version"]), check=False, timeout=30)
        if ended.code == 0:
            return
        alive = docker.api.inspect_container(runner.name)["State"]["Running"]
        if not alive or time.monotonic() > until:
            raise OutsideError(
                "The runner's Docker did not start.",
                cause="This machine may not let a container have the rights that it needs.",
                remedy="Read the log below.",
                original=docker.api.logs(runner.name, tail=40).decode(errors="replace") + ended.stderr,
            )
        time.sleep(0.2)
