"""Containers of Docker, or of containerd by nerdctl, which has the same command line.

https://docs.docker.com/reference/cli/docker/container/run/. An image is loaded from an archive, so that the daemon
needs neither our credentials nor a way to the registry. Containers and images have names of ours, and what a
killed run left is removed by the next.
"""

from __future__ import annotations

import json
import re
import secrets
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from s3c_actions.core import concurrency, reading, tempdir
from s3c_actions.core.errors import S3CError
from s3c_actions.core.process import CompletedProgram, ProgramTimedOut, Runner, find
from s3c_actions.core.progress import Progress
from s3c_actions.layers.decompression import decompress, is_zstd, read_pieces
from s3c_actions.programs.buildkit.container import LABEL, identity, is_dead
from s3c_actions.programs.containers import errors
from s3c_actions.programs.containers.container import (
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
    listening_ports,
    listening_ports_of,
)

REPOSITORY = "s3c-smoke"
QUERY_SECONDS = 30.0
START_SECONDS = 120.0
LOAD_SECONDS = 300.0
_READ_BY_PROGRAM = ("DOCKER", "BUILD", "COMPOSE", "CONTAINERD", "NERDCTL", "LD_", "GO", "HTTP", "NO_PROXY", "ALL_PROXY")
_LEFT_OVER = re.compile(rf"({PREFIX}[0-9a-f]+(?:-\w+)?) (\S+)")


class DockerRuntime:
    """Docker, or nerdctl.

    Args:
        runner: starts the program.
        progress: told about what was left by killed runs.
        temp: for files of the run.
        program: `docker` or `nerdctl`.
    """

    def __init__(self, runner: Runner, progress: Progress, temp: Path, program: str = "docker") -> None:
        self.runner, self.progress, self.temp, self.program = runner, progress, temp, program
        self.name = {"docker": "Docker"}.get(program, program)
        self.owner: Callable[[int, int], tuple[int, int]] | None = None
        self._loaded: dict[Path, str] = {}

    def unusable(self) -> str:
        """Return why it cannot be used here, as a clause; empty when it can."""
        if find(self.program, self.runner.environment) is None:
            return f"{self.program} is not on PATH"
        answer = self.call(["version", "--format", "{{.Server}}"])
        if answer.code == 0:
            return ""
        lines = answer.stderr.strip().splitlines()
        return f"{self.name} does not answer ({lines[-1][:200] if lines else 'without a reason'})"

    def folder(self) -> AbstractContextManager[Path]:
        """Open a temporary folder, which the daemon does not have to see."""
        return tempdir.open_run_folder(self.temp)

    def sweep(self) -> None:
        """Remove containers of runs that were killed, and the images that no container of a living run uses."""
        form = f'{{{{.Names}}}} {{{{.Label "{LABEL}"}}}}'
        listed = self.call(["ps", "--all", "--filter", f"label={LABEL}", "--format", form])
        for name, owner in _LEFT_OVER.findall(listed.stdout):
            if is_dead(owner):
                self.progress.note(f"{self.name}: container {name} of a run that was killed is removed")
                self.call(["rm", "--force", "--volumes", name])
        images = self.call(["images", "--filter", f"reference={REPOSITORY}", "--format", "{{.Tag}}"])
        for tag in images.stdout.split():
            if re.fullmatch(r"[0-9a-f]+-.{1,100}", tag) and is_dead(_owner_of(tag)):
                self.call(["rmi", f"{REPOSITORY}:{tag}"])

    @contextmanager
    def hold(self, image: UnpackedImage, temp: Path) -> Iterator[None]:
        """Load an image, which is removed at the end of the block.

        Raises:
            OutsideError: it could not be loaded.
        """
        tag = f"{REPOSITORY}:{secrets.token_hex(6)}-{_owner_tag()}"
        archive = temp / f"{secrets.token_hex(8)}.tar"
        try:
            _write_archive(image, tag, archive)
            self._must(self.call(["load", "--quiet", "--input", str(archive)], LOAD_SECONDS))
            self._loaded[image.root] = tag
            yield
        finally:
            archive.unlink(missing_ok=True)
            self._loaded.pop(image.root, None)
            with concurrency.finishing():
                self.call(["rmi", tag])

    @contextmanager
    def start(self, request: ContainerRequest) -> Iterator[DockerContainer]:
        """Start a container, which is removed at the end of the block.

        Raises:
            OutsideError: it could not be created. That its program does not exist is an exit code.
        """
        argv = [*self._options(request), self._loaded[request.image.root], *request.argv[1:]]
        try:
            created = self.call(["create", *argv], START_SECONDS, extra=self._by_name(request))
            self._must(created)
            started = self.call(["start", request.name], START_SECONDS)
            yield DockerContainer(self, request.name, started.stderr if started.code != 0 else "")
        finally:
            with concurrency.finishing():
                self.call(["rm", "--force", "--volumes", request.name])

    def _options(self, request: ContainerRequest) -> list[str]:
        options = ["--name", request.name, "--label", f"{LABEL}={identity()}", "--pull", "never"]
        options += ["--network", f"container:{request.peer}" if request.peer else "none"]
        options += (
            [] if request.peer else [word for name in request.hosts for word in ("--add-host", f"{name}:127.0.0.1")]
        )
        options += ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        options += [word for name in request.capabilities for word in ("--cap-add", name)]
        options += ["--memory", str(MEMORY_BYTES), "--memory-swap", str(MEMORY_BYTES), "--cpus", str(PROCESSORS)]
        options += ["--pids-limit", str(PROCESSES), "--ulimit", f"nofile={OPEN_FILES}:{OPEN_FILES}"]
        options += ["--ulimit", "core=0:0", "--shm-size", str(SHARED_BYTES), "--restart", "no"]
        options += ["--log-driver", "json-file", "--log-opt", "max-size=1m", "--log-opt", "max-file=1"]
        for folder in request.writable_folders:
            options += ["--tmpfs", f"{folder.path}:{','.join(('rw', *folder.options))}"]
        if self.program == "docker":
            options += ["--no-healthcheck", "--ipc", "private", "--stop-timeout", "1"]
        if not request.peer:
            options += ["--hostname", "smoke"]
        # By name alone, so that a password is not in the command line, unless the program itself would read it.
        by_name = self._by_name(request)
        for variable in request.environment:
            name = variable.partition("=")[0]
            options += ["--env", name if name in by_name else variable]
        if request.argv:
            options += ["--entrypoint", request.argv[0]]
        return options

    def _by_name(self, request: ContainerRequest) -> dict[str, str]:
        pairs = dict(variable.split("=", 1) for variable in request.environment)
        own = self.runner.environment
        return {name: pairs[name] for name in pairs if name not in own and not name.startswith(_READ_BY_PROGRAM)}

    def call(
        self,
        arguments: list[str],
        seconds: float = QUERY_SECONDS,
        capture: int = MAX_OUTPUT,
        extra: Mapping[str, str] | None = None,
    ) -> CompletedProgram:
        """Run the program; one that does not end in time has failed, with code -1."""
        try:
            return self.runner.run(
                [self.program, *arguments], timeout=seconds, check=False, capture=capture, extra=extra
            )
        except ProgramTimedOut as error:
            text = f"{error.original}\n{self.program} {arguments[0]}: deadline exceeded"
            return CompletedProgram((self.program, *arguments), -1, "", text, seconds)

    def _must(self, completed: CompletedProgram) -> None:
        if completed.code != 0:
            raise self.error(completed.stderr or completed.stdout)

    def error(self, output: str) -> S3CError:
        """Return the error of what the program printed."""
        return errors.not_run(output, self.name)


class DockerContainer:
    """A container that was started; `failure` is why it was not, as the program prints it."""

    def __init__(self, runtime: DockerRuntime, name: str, failure: str) -> None:
        self.runtime, self.name, self.failure = runtime, name, failure

    def state(self) -> ContainerState:
        """Return whether it runs.

        Raises:
            OutsideError: the daemon does not answer.
        """
        state = self._inspect()
        return ContainerState(
            running=state.get("Running") is True,
            code=int(state.get("ExitCode", -1)) if state.get("Running") is not True else None,
            out_of_memory=state.get("OOMKilled") is True,
        )

    def ports(self) -> frozenset[int] | None:
        """Return the TCP ports on which something listens in it; None when that cannot be seen."""
        state = self._inspect()
        pid = state.get("Pid")
        if isinstance(pid, int) and pid > 0 and _is_process_of(pid, str(state.get("Id", ""))):
            ports = listening_ports_of(pid)
            if ports is not None:
                return ports
        shown = self.runtime.call(["exec", self.name, "cat", "/proc/net/tcp", "/proc/net/tcp6"])
        return listening_ports(shown.stdout) if shown.code == 0 else None

    def execute(self, argv: tuple[str, ...], seconds: float) -> ExecutedCommand:
        """Run a command in it."""
        ended = self.runtime.call(["exec", self.name, *argv], seconds)
        return ExecutedCommand(code=ended.code if ended.code >= 0 else None, output=ended.stdout + ended.stderr)

    def output(self) -> str:
        """Return what it printed last."""
        shown = self.runtime.call(["logs", "--tail", "300", self.name])
        return shown.stdout + shown.stderr + self.failure

    def _inspect(self) -> dict[str, Any]:
        shown = self.runtime.call(["inspect", "--type", "container", self.name], capture=8 * MAX_OUTPUT)
        try:
            (document,) = reading.parse_json(shown.stdout.encode())
            return {**document["State"], "Id": document.get("Id", "")}
        except (ValueError, KeyError, TypeError) as error:
            raise self.runtime.error(shown.stderr or "the description of a container cannot be read") from error


def _is_process_of(pid: int, container: str) -> bool:
    """Return whether a process of this machine is the container's: the daemon may run elsewhere."""
    try:
        return len(container) >= 12 and container in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


def _write_archive(image: UnpackedImage, tag: str, path: Path) -> None:
    """Write what `docker load` reads: configuration, layers, and `manifest.json`, which names them."""
    fetched = image.fetched
    digest = fetched.reference.digest.partition(":")[2]
    names = [f"{number}/layer.tar" for number in range(len(fetched.layers))]
    listed = [{"Config": f"{digest}.json", "RepoTags": [tag], "Layers": names}]
    with tarfile.open(path, "w") as archive:
        for name, content in ((f"{digest}.json", fetched.config_bytes), ("manifest.json", json.dumps(listed).encode())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
        for name, layer in zip(names, fetched.layers, strict=True):
            with _readable(layer.path, path) as file:
                archive.add(file, name)


@contextmanager
def _readable(layer: Path, archive: Path) -> Iterator[Path]:
    """Open a file with a layer in a form that every Docker loads: Debian 12's knows no zstd."""
    with layer.open("rb") as file:
        if not is_zstd(file.read(8)):
            yield layer
            return
    expanded = archive.with_suffix(".layer")
    try:
        with expanded.open("wb") as target:
            for piece in decompress(read_pieces(layer)):
                target.write(piece)
        yield expanded
    finally:
        expanded.unlink(missing_ok=True)


def _owner_tag() -> str:
    """Return this process's identity with the characters of a tag alone."""
    return identity().replace("/", "_")


def _owner_of(tag: str) -> str:
    return tag.partition("-")[2].replace("_", "/")
