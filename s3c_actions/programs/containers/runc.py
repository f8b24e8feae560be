"""Containers by runc alone, where no daemon answers: needs root, and gives the container a user namespace of its own.

https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md. Root in the container is a user outside who owns
nothing, and whose number no other run uses. runc's own messages go to a log, apart from what the image prints.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from s3c_actions.core import concurrency, reading, tempdir
from s3c_actions.core.errors import S3CError
from s3c_actions.core.process import CompletedProgram, ProgramTimedOut, Runner, find
from s3c_actions.core.progress import Progress
from s3c_actions.core.rooted_paths import open_inside
from s3c_actions.programs.buildkit.container import identity, is_dead
from s3c_actions.programs.containers import errors, seccomp
from s3c_actions.programs.containers.container import (
    MAX_ID,
    MAX_OUTPUT,
    MEMORY_BYTES,
    OPEN_FILES,
    PREFIX,
    PROCESSES,
    PROCESSORS,
    SHARED_BYTES,
    ContainerRequest,
    ContainerState,
    ExecutedCommand,
    UnpackedImage,
    listening_ports_of,
)
from s3c_actions.registry.runtime_config import DEFAULT_PATH

STATE = Path("/run/s3c-smoke")
FOLDER = Path("/var/tmp")  # noqa: S108
"""On a disk, and with a way that every user may go."""
OWNER = "io.github.s3c.owner"
START_SECONDS = 120.0
QUERY_SECONDS = 30.0
USERS = MAX_ID
"""Size of the range of users that a container has."""
_FIRST, _LAST = 0x70000000, 0x7FF00000
_NOBODY = 65534
_MAX_ACCOUNTS = 1024 * 1024
_PERIOD = 100_000
_NO_PROGRAM = re.compile(r"unable to start container process: exec:? ")
_MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"),
    "/sys/devices/virtual/powercap",
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_SWAP = Path("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")


class UnknownUser(ValueError):
    """The user that an image names is not in it, or has a number outside of the range."""


class RuncRuntime:
    """runc.

    Args:
        runner: starts it.
        progress: told about what was left by killed runs.
        install: installs one where none is on PATH, and returns its path; raises S3CError.
    """

    name = "runc"

    def __init__(self, runner: Runner, progress: Progress, install: Callable[[], Path]) -> None:
        self.runner, self.progress, self._install = runner, progress, install
        self._program = "runc"
        ranges = (_LAST - _FIRST) // USERS
        self.first_user = _FIRST + secrets.randbelow(ranges) * USERS

    def owner(self, user: int, group: int) -> tuple[int, int]:
        """Return the owner and group on this machine of those in an image."""
        return self._mapped(user), self._mapped(group)

    def _mapped(self, number: int) -> int:
        return self.first_user + (number if 0 <= number < USERS else _NOBODY)

    def unusable(self) -> str:
        """Return why it cannot be used here, as a clause; empty when it can. It is installed where it is missing."""
        if os.uname().sysname != "Linux":
            return "runc runs on Linux only"
        if os.geteuid() != 0:
            return "runc needs root"
        if find("runc", self.runner.environment) is None:
            try:
                self._program = str(self._install())
            except S3CError as error:
                return f"runc is not on PATH, and could not be installed ({error.what.rstrip('.')})"
        return ""

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Open a temporary folder whose way a container's users may go: none of them is anybody else here."""
        with tempdir.open_run_folder(FOLDER) as folder:
            folder.chmod(0o711)
            yield folder

    def sweep(self) -> None:
        """Remove containers of runs that were killed."""
        listed = self.call(["list", "--format", "json"])
        try:
            containers = reading.parse_json(listed.stdout.encode()) or []
        except ValueError:
            return
        for container in containers if listed.code == 0 else ():
            name, owner = str(container.get("id", "")), str((container.get("annotations") or {}).get(OWNER, ""))
            if name.startswith(PREFIX) and is_dead(owner):
                self.progress.note(f"runc: container {name} of a run that was killed is removed")
                self.call(["delete", "--force", name])

    @contextmanager
    def hold(self, image: UnpackedImage, temp: Path) -> Iterator[None]:
        """Keep an image; its unpacked files are all that runc needs."""
        yield

    @contextmanager
    def start(self, request: ContainerRequest) -> Iterator[RuncContainer]:
        """Start a container, which is removed at the end of the block.

        Raises:
            OutsideError: it could not be created. That its program does not exist is an exit code.
        """
        bundle = request.image.root.parent / request.name
        bundle.mkdir()
        bundle.chmod(0o711)  # whatever the umask
        pid_file, log = bundle / "pid", bundle / "log"
        hosts = bundle / "hosts"
        hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", "smoke", *request.hosts)))
        hosts.chmod(0o644)
        try:
            configuration = self._configuration(request, hosts)
        except UnknownUser as error:
            raise errors.not_run(str(error), self.name) from error
        (bundle / "config.json").write_text(json.dumps(configuration))
        argv = [self._program, "--root", str(STATE), "--log", str(log), "run", "--bundle", str(bundle)]
        argv += ["--pid-file", str(pid_file), request.name]
        with self.runner.running(argv, check=False, capture=MAX_OUTPUT) as ended:
            container = RuncContainer(self, request.name, pid_file, log)
            waiter = threading.Thread(target=container.wait, args=(ended,), daemon=True)
            waiter.start()
            try:
                container.await_start()
                yield container
            finally:
                with concurrency.finishing():
                    self.call(["delete", "--force", request.name])
                waiter.join(QUERY_SECONDS)

    def call(self, arguments: list[str], seconds: float = QUERY_SECONDS) -> CompletedProgram:
        """Run runc; when it does not end in time, it has failed, with code -1."""
        try:
            argv = [self._program, "--root", str(STATE), *arguments]
            return self.runner.run(argv, timeout=seconds, check=False, capture=MAX_OUTPUT)
        except ProgramTimedOut as error:
            return CompletedProgram(("runc", *arguments), -1, "", f"{error.original}\ndeadline exceeded", seconds)

    def error(self, output: str) -> S3CError:
        """Return the error of what runc wrote."""
        return errors.not_run(output, self.name)

    def _configuration(self, request: ContainerRequest, hosts: Path) -> dict[str, Any]:
        image = request.image
        runtime = image.runtime
        user, group, others = find_user(image.root, runtime.user)
        environment = {"PATH": DEFAULT_PATH}
        for variable in (*runtime.environment, *request.environment):
            name, _, value = variable.partition("=")
            environment[name] = value
        capabilities = [f"CAP_{name}" for name in request.capabilities]
        limits = [("RLIMIT_NOFILE", OPEN_FILES), ("RLIMIT_CORE", 0)]
        namespaces: list[dict[str, str]] = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "cgroup")]
        peer = self._peer_network(request.peer) if request.peer else ""
        # With the user namespace that owns the network, or a command could not enter both later.
        namespaces += [
            {"type": kind, **({"path": f"{peer}/{name}"} if peer else {})}
            for kind, name in (("user", "user"), ("network", "net"))
        ]
        mapping = [{"containerID": 0, "hostID": self.first_user, "size": USERS}]
        memory = {"limit": MEMORY_BYTES, **({"swap": MEMORY_BYTES} if _has_swap() else {})}
        return {
            "ociVersion": "1.0.2",
            "process": {
                "terminal": False,
                "user": {"uid": user, "gid": group, "additionalGids": others},
                "args": list(request.argv or runtime.argv),
                "env": [f"{name}={value}" for name, value in environment.items()],
                "cwd": runtime.folder if runtime.folder.startswith("/") else f"/{runtime.folder}",
                "capabilities": dict.fromkeys(
                    ("bounding", "effective", "permitted", "inheritable", "ambient"), capabilities
                )
                | {"inheritable": [], "ambient": []},
                "rlimits": [{"type": kind, "hard": value, "soft": value} for kind, value in limits],
                "noNewPrivileges": True,
            },
            "root": {"path": str(image.root), "readonly": True},
            "hostname": "smoke",
            "mounts": _mounts(request, hosts, own_network=not peer),
            "linux": {
                "namespaces": namespaces,
                "uidMappings": mapping,
                "gidMappings": mapping,
                "resources": {
                    "devices": [{"allow": False, "access": "rwm"}],
                    "memory": memory,
                    "cpu": {"period": _PERIOD, "quota": int(_PERIOD * PROCESSORS)},
                    "pids": {"limit": PROCESSES},
                },
                "sysctl": {} if peer else {"net.ipv4.ip_unprivileged_port_start": "0"},
                "cgroupsPath": f"/s3c-smoke/{request.name}",
                "seccomp": seccomp.profile(),
                "maskedPaths": list(_MASKED),
                "readonlyPaths": list(_READ_ONLY),
            },
            "annotations": {OWNER: identity()},
        }

    def _peer_network(self, name: str) -> str:
        state = self.call(["state", name])
        try:
            pid = int(reading.parse_json(state.stdout.encode())["pid"])
        except (ValueError, KeyError, TypeError) as error:
            raise self.error(state.stderr or f"{name} does not run") from error
        return f"/proc/{pid}/ns"


class RuncContainer:
    """A container that was started."""

    def __init__(self, runtime: RuncRuntime, name: str, pid_file: Path, log: Path) -> None:
        self.runtime, self.name, self.pid_file, self.log = runtime, name, pid_file, log
        self._ended: CompletedProgram | None = None
        self._done = threading.Event()

    def wait(self, ended: Any) -> None:
        """Wait for its end, in a thread of its own."""
        try:
            self._ended = ended()
        finally:
            self._done.set()

    def await_start(self) -> None:
        """Wait until it was created.

        Raises:
            OutsideError: it was not.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self._done.wait(0.02) and not self._pid():
            if time.monotonic() > deadline:
                raise self.runtime.error("deadline exceeded")
        message = self._message()
        if self._done.is_set() and message and not _NO_PROGRAM.search(message):
            raise self.runtime.error(message)

    def state(self) -> ContainerState:
        """Return whether it runs."""
        code = self._ended.code if self._ended is not None else -1
        done = self._done.is_set()
        if done and _NO_PROGRAM.search(self._message()):
            code = 127
        return ContainerState(running=not done, code=code if done else None)

    def ports(self) -> frozenset[int] | None:
        """Return the TCP ports on which something listens in it; None when that cannot be seen."""
        return listening_ports_of(self._pid()) if not self._done.is_set() else frozenset()

    def execute(self, argv: tuple[str, ...], seconds: float) -> ExecutedCommand:
        """Run a command in it."""
        ended = self.runtime.call(["exec", self.name, *argv], seconds)
        return ExecutedCommand(code=ended.code if ended.code >= 0 else None, output=ended.stdout + ended.stderr)

    def output(self) -> str:
        """Return what it printed first; a container that still runs is ended."""
        with concurrency.finishing():
            self.runtime.call(["kill", self.name, "KILL"])
        self._done.wait(QUERY_SECONDS)
        return (self._ended.stdout + self._ended.stderr if self._ended is not None else "") + self._message()

    def _pid(self) -> int:
        try:
            return int(self.pid_file.read_text())
        except (OSError, ValueError):
            return 0

    def _message(self) -> str:
        """Return the last error that runc itself wrote; empty without one."""
        try:
            lines = [line for line in self.log.read_text(errors="replace").splitlines() if "level=error" in line]
        except OSError:
            return ""
        return lines[-1].partition("msg=")[2].strip('"') if lines else ""


def find_user(root: Path, wanted: str) -> tuple[int, int, list[int]]:
    """Return user, group and further groups of `USER[:GROUP]`, each a name or number, as an image's accounts have them.

    Raises:
        UnknownUser: it is not in the image, or outside of the range of users.
    """
    name, _, group_name = wanted.partition(":")
    users, groups = _accounts(root, "etc/passwd"), _accounts(root, "etc/group")
    user = next((row for row in users if row[0] == (name or "root") or row[2] == (name or "0")), None)
    if user is None and name and not name.isdecimal():
        raise UnknownUser(f"the image has no user {name!r}")
    uid = int(user[2]) if user is not None else int(name or 0)
    gid = int(user[3]) if user is not None and len(user) > 3 and user[3].isdecimal() else 0
    others = [int(row[2]) for row in groups if user is not None and len(row) > 3 and user[0] in row[3].split(",")]
    if group_name:
        group = next((row for row in groups if group_name in (row[0], row[2])), None)
        if group is None and not group_name.isdecimal():
            raise UnknownUser(f"the image has no group {group_name!r}")
        gid, others = (int(group[2]) if group is not None else int(group_name)), []
    if not all(0 <= number < USERS for number in (uid, gid, *others)):
        raise UnknownUser(f"the image's user {wanted!r} has a number of {USERS} or more")
    return uid, gid, others


def _accounts(root: Path, name: str) -> list[list[str]]:
    with open_inside(root, name) as file:
        text = file.read(_MAX_ACCOUNTS).decode(errors="replace") if file is not None else ""
    rows = [line.split(":") for line in text.splitlines()]
    return [row for row in rows if len(row) > 2 and row[2].isdecimal() and len(row[2]) < 11]


def _mounts(request: ContainerRequest, hosts: Path, *, own_network: bool) -> list[dict[str, Any]]:
    def mount(at: str, kind: str, *options: str, source: str = "") -> dict[str, Any]:
        return {"destination": at, "type": kind, "source": source or kind, "options": list(options)}

    mounts = [
        mount("/proc", "proc", "nosuid", "noexec", "nodev"),
        mount("/dev", "tmpfs", "nosuid", "noexec", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
        mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", f"size={SHARED_BYTES}"),  # noqa: S108
        mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
    ]
    if own_network:  # mounting it needs a network of the container's own user namespace
        mounts.append(mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"))
    mounts += [mount(folder.path, "tmpfs", *folder.options) for folder in request.writable_folders]
    return [*mounts, mount("/etc/hosts", "bind", "bind", "ro", "nosuid", "nodev", "noexec", source=str(hosts))]


def _has_swap() -> bool:
    """Return whether swap can be limited; below the second version of control groups the file says so."""
    return _SWAP.exists() or Path("/sys/fs/cgroup/cgroup.controllers").exists()
