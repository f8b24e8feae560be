"""Daemons that outlive the command that started them: started, identified and ended by a pid file.

The pid file holds the process's line of /proc/PID/stat and the machine's boot id, written by the process itself before
it becomes the daemon: so at no moment does a daemon run without its file, and a later process with the same
number is not mistaken for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from s3c_actions.core.errors import OutsideError
from s3c_lab.machine import Machine

_WRITE_PID_AND_EXEC = (
    'umask 022; { cat "/proc/$$/stat" /proc/sys/kernel/random/boot_id; } >"$0.new" && mv "$0.new" "$0" && exec "$@"'
)
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def start(argv: Sequence[str | Path], pid_file: Path, log: Path, machine: Machine, *, root: bool) -> None:
    """Start a daemon in a session of its own.

    Args:
        argv: the daemon and its arguments.
        pid_file: identifies it.
        log: its output is appended to it.
        machine: gives it its environment.
        root: whether it needs to be root.
    """
    command = ["/bin/sh", "-c", _WRITE_PID_AND_EXEC, str(pid_file), *map(str, argv)]
    with log.open("ab") as file:
        subprocess.Popen(
            machine.as_root(command) if root else command,
            env=dict(machine.environment),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def await_ready(
    name: str, answers: Callable[[], bool], pid_file: Path, log: Path, *, seconds: float = 30.0, remedy: str = ""
) -> None:
    """Wait until a daemon answers.

    Raises:
        OutsideError: it ended, or did not answer in time; with the end of its log.
    """
    started = time.monotonic()
    while not answers():
        waited = time.monotonic() - started
        ended = waited > 1.0 and running(pid_file) is None
        if ended or waited > seconds:
            raise OutsideError(
                f"{name} ended as soon as it was started." if ended else f"{name} did not answer within {seconds:g} s.",
                cause=f"Its log is {log}.",
                remedy=remedy,
                original=tail(log),
            )
        time.sleep(0.05)


def running(pid_file: Path) -> int | None:
    """The daemon's process id while it lives."""
    try:
        stat, _, boot = pid_file.read_text().rstrip().rpartition("\n")
        if boot != _BOOT.read_text().strip():
            return None
        pid, started, _ = identity(stat)
    except (OSError, ValueError, IndexError):
        return None
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # it is a child of this process when the same command started it
    try:
        _, now, state = identity(Path(f"/proc/{pid}/stat").read_text())
    except (OSError, ValueError, IndexError):
        return None
    return pid if now == started and state not in "ZX" else None


def identity(stat: str) -> tuple[int, int, str]:
    """Process id, start time in clock ticks since boot and state, from a line of /proc/PID/stat (proc(5)).

    Raises:
        ValueError, IndexError: it is no such line.
    """
    before, _, after = stat.rpartition(")")
    fields = after.split()
    return int(before.split("(", 1)[0]), int(fields[19]), fields[0]


def stop(pid_file: Path, machine: Machine, *, patience: float = 15.0) -> bool:
    """End the daemon, by SIGTERM first, and remove its pid file; returns whether it was running."""
    was_running = running(pid_file) is not None
    for signal_number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        pid = running(pid_file)
        if pid is None:
            break
        _send_signal(pid, signal_number, machine)
        deadline = time.monotonic() + seconds
        while running(pid_file) is not None and time.monotonic() < deadline:
            time.sleep(0.05)
    pid_file.unlink(missing_ok=True)
    return was_running


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log; "" when there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _send_signal(pid: int, signal_number: signal.Signals, machine: Machine) -> None:
    """Signal a process; another user's through sudo and kill."""
    if _is_foreign(pid):
        machine.runner.run(machine.as_root(["kill", f"-{signal_number.value}", str(pid)]), check=False)
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal_number)


def _is_foreign(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}").stat().st_uid != os.geteuid()
    except OSError:
        return False
