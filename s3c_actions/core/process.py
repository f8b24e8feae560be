"""Run external programs: argument lists only, command line echoed and redacted, pipes captured, with a time limit."""

from __future__ import annotations

import atexit
import contextvars
import copy
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from s3c_actions.core import concurrency
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.folders import search_path, working_folder
from s3c_actions.core.secrets import Secrets

MAX_CAPTURE = 64 * 1024 * 1024


class CompletedProgram(msgspec.Struct, frozen=True):
    """The result of a program: `seconds` of wall time, both streams decoded with replacement."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float


class ProgramFailed(OutsideError):
    """A program ended with a code other than 0; `completed` has its output."""

    def __init__(self, completed: CompletedProgram, *, what: str = "", cause: str = "", remedy: str = "") -> None:
        self.completed = completed
        output = completed.stderr.strip() or completed.stdout.strip()
        super().__init__(
            what or f"{Path(completed.argv[0]).name} ended with exit code {completed.code}.",
            cause=cause,
            remedy=remedy,
            original=output[-4000:],
        )


class ProgramTimedOut(OutsideError):
    """A program was ended because it ran over its time limit; `limit` in seconds."""

    def __init__(self, argv: Sequence[str], limit: float, output: str) -> None:
        self.limit = limit
        super().__init__(
            f"{Path(argv[0]).name} did not finish within {round(limit, 1):g} s and was ended.",
            remedy="Give it more time with the input `timeout`, or look at what it was waiting for.",
            original=output[-4000:],
        )


@dataclass(frozen=True)
class Runner:
    """Start programs in one environment.

    Args:
        environment: of the programs; nothing else is inherited.
        secrets: redacted in everything echoed and captured.
        echo: called with each command line before it runs, already redacted.
        meanwhile: called while a program runs and there is nothing to do but to wait for it.
    """

    environment: Mapping[str, str]
    secrets: Secrets = field(default_factory=Secrets)
    echo: Callable[[str], None] = lambda _line: None
    meanwhile: Callable[[], None] = lambda: None

    def within(self, environment: Mapping[str, str]) -> Runner:
        """Return the same runner with another environment."""
        runner = copy.copy(self)
        object.__setattr__(runner, "environment", environment)
        return runner

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        extra: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
        stdin: str = "",
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
        capture: int = MAX_CAPTURE,
    ) -> CompletedProgram:
        """Run a program to its end.

        Args:
            argv: the program and its arguments; never a shell line.
            extra: environment variables on top of the runner's.
            cwd: working folder.
            timeout: seconds, after which the program and its children are ended.
            stdin: text for its standard input (secrets go here, never into argv).
            check: whether to raise when the exit code is not 0.
            on_line: called with each redacted line of standard error as it comes, for progress.
            capture: bytes that are kept of each stream; what comes after is read and dropped.

        Raises:
            OutsideError: the program does not exist or may not be started.
            ProgramTimedOut: it ran over `timeout`.
            ProgramFailed: it ended with a code other than 0, and `check` is set.
        """
        with self.running(
            argv,
            extra=extra,
            cwd=cwd,
            timeout=timeout,
            stdin=stdin,
            check=check,
            on_line=on_line,
            capture=capture,
        ) as ended:
            self.meanwhile()
            return ended()

    @contextmanager
    def running(
        self,
        argv: Sequence[str | Path],
        *,
        extra: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
        stdin: str = "",
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
        capture: int = MAX_CAPTURE,
    ) -> Iterator[Callable[[], CompletedProgram]]:
        """Run a program while the block does something else; it is ended at the end of the block at the latest.

        It takes the arguments of `run`.

        Yields:
            A function that waits for the end of the program, and raises as `run` does.

        Raises:
            OutsideError: the program does not exist or may not be started.
        """
        concurrency.check_cancelled()
        args = [str(argument) for argument in argv]
        self.echo(self.secrets.redact(shlex.join(args)))
        started = time.monotonic()
        child = _Child(args, env=self._program_environment(extra), cwd=cwd)
        try:
            streams: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
            process = child.started()
            # What it prints is shown as that of the image which this thread works on.
            context = contextvars.copy_context()
            readers = [
                threading.Thread(
                    target=self._drain, args=(process.stdout, streams["stdout"], None, capture), daemon=True
                ),
                threading.Thread(
                    target=context.run,
                    args=(self._drain, process.stderr, streams["stderr"], on_line, capture),
                    daemon=True,
                ),
                threading.Thread(target=_feed, args=(process.stdin, stdin.encode()), daemon=True),
            ]
            for reader in readers:
                reader.start()

            def ended() -> CompletedProgram:
                code = child.ended(None if timeout is None else started + timeout - time.monotonic())
                if code is None:
                    child.end()
                    stderr = self.secrets.redact(b"".join(streams["stderr"]).decode(errors="replace"))
                    raise ProgramTimedOut(args, timeout or 0, stderr)
                for reader in readers:
                    reader.join(timeout=10)
                completed = CompletedProgram(
                    argv=tuple(self.secrets.redact(argument) for argument in args),
                    code=code,
                    stdout=self.secrets.redact(b"".join(streams["stdout"]).decode(errors="replace")),
                    stderr=self.secrets.redact(b"".join(streams["stderr"]).decode(errors="replace")),
                    seconds=time.monotonic() - started,
                )
                if check and code != 0:
                    raise ProgramFailed(completed)
                return completed

            yield ended
        finally:
            child.end()

    @contextmanager
    def background(
        self, argv: Sequence[str | Path], *, log: Path, extra: Mapping[str, str] | None = None
    ) -> Iterator[Callable[[], int | None]]:
        """Keep a program running while the context lasts; it and its children are ended with it.

        Args:
            argv: the program and its arguments; never a shell line.
            log: file for both of its streams.
            extra: environment variables on top of the runner's.

        Yields:
            A function that returns its exit code, None while it runs.

        Raises:
            OutsideError: the program does not exist or may not be started.
        """
        concurrency.check_cancelled()
        args = [str(argument) for argument in argv]
        self.echo(self.secrets.redact(shlex.join(args)))
        with log.open("wb") as file:
            child = _Child(
                args,
                env=self._program_environment(extra),
                streams=(subprocess.DEVNULL, file, subprocess.STDOUT),
                everything=True,
            )
            try:
                yield child.started().poll
            finally:
                child.end()

    def _program_environment(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        variables = {**self.environment, **(extra or {})}
        if "PATH" in variables:
            # An empty or relative element would be resolved in whatever folder the program runs.
            absolute = [element for element in variables["PATH"].split(os.pathsep) if element.startswith("/")]
            variables["PATH"] = os.pathsep.join(absolute) or os.devnull
        return variables

    def _drain(self, pipe: IO[bytes], into: list[bytes], on_line: Callable[[str], None] | None, capture: int) -> None:
        kept = 0
        for line in iter(lambda: pipe.readline(65536), b""):
            if kept < capture:
                into.append(line)
                kept += len(line)
            if on_line is not None:
                on_line(self.secrets.redact(line.decode(errors="replace").rstrip("\r\n")))
        pipe.close()


def find(name: str, environment: Mapping[str, str]) -> Path | None:
    """Return the path of a program on PATH, ignoring elements that the workspace controls; None when it is not found.

    Args:
        name: of the program.
        environment: has PATH; without it, nothing is found.
    """
    if not environment.get("PATH"):
        return None
    path = shutil.which(name, path=search_path(environment, working_folder()))
    return Path(path) if path else None


def _start_error(program: str, error: OSError) -> OutsideError:
    return OutsideError(
        f"{program} could not be started: {error.strerror}.",
        cause="It is not installed, or this user may not run it.",
        remedy="Install it with `s3c programs install`, or give its path.",
    )


class _Child:
    """A program started and waited for in a thread of its own.

    The exception of a signal is raised in the main thread, at any moment: raised there between the start of the program
    and the assignment of its process id, it would leave the program running after us. And `Popen.wait` with a time-out
    polls every 0.05 s whether the program has ended, while a thread is notified at once.
    """

    def __init__(
        self,
        args: list[str],
        *,
        env: dict[str, str],
        cwd: Path | None = None,
        streams: tuple[int | IO[bytes], int | IO[bytes], int | IO[bytes]] = (subprocess.PIPE,) * 3,
        everything: bool = False,
    ) -> None:
        self._args, self._env, self._cwd, self._streams, self._everything = args, env, cwd, streams, everything
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._known = threading.Event()
        self._interrupted = False
        self._thread = threading.Thread(target=self._live, daemon=True)

    def _live(self) -> None:
        stdin, stdout, stderr = self._streams
        try:
            self._process = subprocess.Popen(
                self._args,
                env=self._env,
                cwd=self._cwd,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            self._error = error
        finally:
            self._known.set()
        if self._process is not None:
            if self._interrupted:  # during its start, when its process id was not known yet
                self.send(signal.SIGTERM)
            self._process.wait()

    def started(self) -> subprocess.Popen[bytes]:
        """Start the program; raise OutsideError when that fails."""
        _LIVING.add(self)
        self._thread.start()
        self._known.wait()
        if self._process is None:
            error = self._error or OSError("no reason is known")
            raise _start_error(self._args[0], error) from error
        return self._process

    def ended(self, timeout: float | None) -> int | None:
        """Return the exit code of a started program; None when it still runs after `timeout` seconds."""
        self._thread.join(None if timeout is None else max(timeout, 0.0))
        return None if self._thread.is_alive() or self._process is None else self._process.returncode

    def end(self) -> None:
        """End the program and its children, first with SIGTERM, if it was started and still runs.

        With `everything`, its children are ended even when the program itself has ended.
        """
        if self._thread.ident is not None:
            self._known.wait()
            for signum, patience in ((signal.SIGTERM, 3), (signal.SIGKILL, 5)):
                if not self.send(signum):
                    break
                self._thread.join(patience)
                if not self._thread.is_alive():
                    break
        _LIVING.discard(self)

    def interrupt(self) -> None:
        """End the program as soon as it has been started, without waiting for it."""
        self._interrupted = True
        self.send(signal.SIGTERM)

    def send(self, signum: signal.Signals) -> bool:
        """Send a signal to the program and its children; return whether there is anything to end."""
        if self._process is None or not (self._everything or self._thread.is_alive()):
            return False
        try:
            os.killpg(self._process.pid, signum)
        except (ProcessLookupError, PermissionError):
            return False
        return True


_LIVING: set[_Child] = set()


def interrupt() -> None:
    """End every running program, without waiting for it. For signal handlers, before they raise.

    The exception does not reach a thread that waits for a program, and that thread would be waited for in turn.
    """
    for child in list(_LIVING):
        child.interrupt()


concurrency.ON_CANCEL.append(interrupt)


@atexit.register
def _end_all() -> None:
    """End the remaining programs: the exception of a signal may be raised between entering a context and its `try`."""
    for child in list(_LIVING):
        child.end()


def _feed(pipe: IO[bytes], data: bytes) -> None:
    try:
        pipe.write(data)
        pipe.close()
    except OSError:
        pass  # a program that ends without reading its input reports why itself
