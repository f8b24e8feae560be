"""`s3c patch` where no BuildKit is, and Docker answers: one in a container for the run, which leaves nothing behind."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.programs.buildkit.container import LABEL
from s3c_actions.programs.install.pins import COPA, TRIVY
from s3c_lab import buildkit_image
from s3c_lab.lab import Lab
from s3c_lab.machine import Machine
from s3c_lab.system.container import bounding_set
from tests.support import ROOT
from tests.support.scanning import program

USER = 65321
"""A user that no account has."""
RUNTIME = """\
#!{python}
# runc, for a machine that has not every capability: Docker 20.10 asks for all of them.
import json, os, pathlib, sys
for flag, name, inner in ("--bundle", "config.json", "process"), ("--process", "", ""):
    if flag in sys.argv:
        file = pathlib.Path(sys.argv[sys.argv.index(flag) + 1], name)
        config = json.loads(file.read_text())
        for names in (config[inner] if inner else config).get("capabilities", dict()).values():
            names[:] = [name for name in names if name in {capabilities}]
        file.write_text(json.dumps(config))
os.execv("{runc}", ["runc", *sys.argv[1:]])
"""


class Run:
    """`s3c patch` of an image with `buildkit-addr` unset, as its own process, with a Copa that looks at the container.

    Args:
        lab: its registry has the image of BuildKit too.
        folder: short, for sockets; the user's.
        image: to patch.
        then: what Copa does after the look, in shell; by default it patches.
        docker: DOCKER_HOST; by default the machine's Docker.
        user: whose process it is; in the group docker.
    """

    def __init__(self, lab: Lab, folder: Path, image: str, *, then: str = "", docker: str = "", user: int = 0) -> None:
        self.folder, self.seen = folder, folder / "seen.json"
        self.environment = {
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "S3C_CACHE": str(folder / "cache"),
            "S3C_STATE": str(folder / "state"),
            "NO_COLOR": "1",
            **({"DOCKER_HOST": docker} if docker else {}),
        }
        (folder / "bin").mkdir(exist_ok=True)
        for name, pin in {"trivy": TRIVY, "real-copa": COPA}.items():
            shutil.copy2(program(pin), folder / "bin" / name)  # where every user may run it
        copa = folder / "bin" / "copa"
        look = f"docker ps --quiet --filter label={LABEL} | xargs docker inspect >{self.seen}.new"
        copa.write_text(
            f'#!/bin/sh\ncase "$1" in patch) {look}; mv {self.seen}.new {self.seen}\n'
            f'{then};; esac\nexec {folder}/bin/real-copa "$@"\n'
        )
        copa.chmod(0o755)
        shutil.copytree(lab.trivy_cache, folder / "trivy", dirs_exist_ok=True, ignore=shutil.ignore_patterns("layers"))
        self.argv = [
            *(sys.executable, "-m", "s3c_actions", "patch", image, "--offline", "--output-dir", str(folder / "out")),
            *("--trivy-path", str(folder / "bin" / "trivy"), "--trivy-cache-dir", str(folder / "trivy")),
            *("--copa-path", str(copa), "--programs-mirror", f"http://{lab.registry}/github"),
        ]
        if user:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, user, user)
            # Not root, and not its rights: but the tests' Python lies where root alone may read.
            read = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
            group = str(grp.getgrnam("docker").gr_gid)
            ids = (f"--reuid={user}", f"--regid={user}", f"--groups={group}")
            self.argv = ["setpriv", *ids, *read, "--bounding-set=-all,+dac_read_search", "--", *self.argv]
        self._since = f"{time.time():.6f}"

    def start(self) -> subprocess.Popen[str]:
        """Start it; it can be waited for, and its output is one stream."""
        return subprocess.Popen(
            self.argv,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Tests that run in a shell's background ignore it, and so would what they start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def container(self, pid: int) -> dict[str, Any]:
        """The run's container as it was while Copa ran, by the process that its label names."""
        ours = [
            container
            for container in json.loads(self.seen.read_text())
            if f"/{pid}/" in container["Config"]["Labels"][LABEL]
        ]
        (container,) = ours
        assert container["State"]["Running"] is True
        return dict(container)

    def docker(self, *words: str) -> str:
        """What Docker answers."""
        ended = subprocess.run(
            ["docker", *words], env=self.environment, capture_output=True, text=True, check=True, timeout=60
        )
        return ended.stdout

    def left(self, container: dict[str, Any]) -> list[str]:
        """What of the container is still there: itself, its volumes."""
        volumes = [mount["Name"] for mount in container["Mounts"] if mount["Type"] == "volume"]
        assert volumes
        existing = (
            self.docker("ps", "--all", "--format", "{{.Names}}").split()
            + self.docker("volume", "ls", "--quiet").split()
        )
        return [name for name in (container["Name"].strip("/"), *volumes) if name in existing]


@pytest.fixture(scope="module")
def image_of_buildkit(lab: Lab, machine: Machine) -> str:
    return buildkit_image.push(lab.registry, machine)


@pytest.fixture
def start(
    lab: Lab, image_of_buildkit: str, fresh: Callable[[str], str], short_folder: Path
) -> Callable[..., tuple[Run, subprocess.Popen[str]]]:
    def start(**how: Any) -> tuple[Run, subprocess.Popen[str]]:
        short_folder.chmod(0o755)
        run = Run(lab, short_folder, fresh("voting-db"), **how)
        return run, run.start()

    return start


def ended(process: subprocess.Popen[str], code: int) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    return output


def looked(run: Run, process: subprocess.Popen[str]) -> dict[str, Any]:
    """The container, once Copa has looked at it."""
    until = time.monotonic() + 120
    while not run.seen.exists():
        assert process.poll() is None and time.monotonic() < until, process.communicate()[0]
        time.sleep(0.1)
    return run.container(process.pid)


def test_a_user_of_the_group_docker_patches(start: Any, image_of_buildkit: str) -> None:
    run, process = start(user=USER)
    ended(process, 0)
    container = run.container(process.pid)
    assert container["Config"]["Image"] == image_of_buildkit
    assert container["HostConfig"]["NetworkMode"] == "host"  # the registry is on loopback
    assert run.left(container) == []
    (image,) = json.loads((run.folder / "out" / "result.json").read_text())["images"]
    assert image["patch"]["patched"] is True and image["patch"]["fixed"]


@contextlib.contextmanager
def own_docker(folder: Path, before: Sequence[str], *flags: str) -> Iterator[str]:
    """A Docker of the test's own, with a bridge of its own and no rules for it; yields its address."""
    # One that is started without a bridge deletes `docker0`, which is the other Docker's.
    bridge = f"s3c{os.getpid()}"
    for words in (("link", "add", bridge, "type", "bridge"), ("address", "add", "192.0.2.1/24", "dev", bridge)):
        subprocess.run(["ip", *words], check=True, capture_output=True)
    address = f"unix://{folder}/docker.sock"
    argv = [*before, "dockerd", f"--host={address}", f"--data-root={folder}/data", f"--exec-root={folder}/exec"]
    argv += [f"--pidfile={folder}/pid", f"--bridge={bridge}", "--iptables=false", "--ip6tables=false", *flags]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while subprocess.run(["docker", "--host", address, "version"], capture_output=True, check=False).returncode:
            assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()[-3000:]
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(120)
        subprocess.run(["ip", "link", "delete", bridge], check=True, capture_output=True)
        for mount in Path("/proc/self/mounts").read_text().splitlines():
            if mount.split()[1].startswith(f"{folder}/"):
                subprocess.run(["umount", "--lazy", mount.split()[1]], check=False)


@pytest.mark.parametrize("privileged", [True, False])
def test_privileged_where_docker_can_and_with_what_buildkit_uses_where_not(
    start: Any, short_folder: Path, privileged: bool
) -> None:
    """The first Docker's runtime leaves out what this machine lacks; the second is one without SYS_RESOURCE."""
    docker = short_folder / "docker"
    docker.mkdir()
    runtime = docker / "runtime"
    capabilities = [f"CAP_{name}" for name in bounding_set()]
    runtime.write_text(RUNTIME.format(python=sys.executable, capabilities=capabilities, runc=shutil.which("runc")))
    runtime.chmod(0o755)
    before, flags = ([], [f"--add-runtime=all={runtime}", "--default-runtime=all"])
    if not privileged:
        before, flags = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", "--"], []
    with own_docker(docker, before, *flags) as address:
        run, process = start(docker=address)
        ended(process, 0)
        container = run.container(process.pid)
        assert container["HostConfig"]["Privileged"] is privileged
        assert run.left(container) == []


def test_where_docker_maps_users_to_others(start: Any, short_folder: Path) -> None:
    """The map of root's is in files of /etc, which this Docker alone sees with a line more."""
    docker = short_folder / "docker"
    docker.mkdir()
    mount = ""
    for name in ("subuid", "subgid"):
        (docker / name).write_text("root:100000:65536\n")
        Path("/etc", name).touch()
        mount += f"mount --bind {docker / name} /etc/{name} && "
    before = ["unshare", "--mount", "sh", "-c", f'{mount} exec "$@"', "sh"]
    with own_docker(docker, before, "--userns-remap=root") as address:
        run, process = start(docker=address, then="echo 'Error: failed to solve: x' >&2; exit 1")
        output = ended(process, 3)
        container = run.container(process.pid)
        assert container["HostConfig"]["UsernsMode"] == "host"
        assert run.left(container) == [], output


def test_after_a_failure_nothing_is_left(start: Any) -> None:
    run, process = start(then="echo 'Error: failed to solve: x' >&2; exit 1")
    output = ended(process, 3)
    assert run.left(run.container(process.pid)) == [], output


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_removes_its_container(start: Any, signal_number: signal.Signals) -> None:
    run, process = start(then="exec sleep 300")
    container = looked(run, process)
    process.send_signal(signal_number)
    output = ended(process, 130)
    assert run.left(container) == [], output


def test_what_a_killed_run_left_is_removed_by_the_next_one_and_nothing_else_is(start: Any) -> None:
    run, process = start(then="exec sleep 300")
    container = looked(run, process)
    process.kill()
    process.communicate(timeout=120)
    assert run.left(container)
    running, other = start(then="exec sleep 300")
    run.seen.unlink()
    beside = looked(running, other)
    assert run.left(container) == []
    assert run.left(beside), "the next one's own"
    other.terminate()
    ended(other, 130)
    assert run.left(beside) == []
