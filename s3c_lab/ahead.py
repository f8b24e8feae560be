"""Preparation of a node's parts by a separate process, while the demo shows the steps without a node."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from s3c_actions.report.render.terminal import plain_line
from s3c_lab.machine import Machine

PATIENCE = 20.0
"""Seconds for the process to end its own children."""


class Ahead:
    """`s3c-lab prepare` in the background; a context manager, which ends it.

    Args:
        machine: its environment and progress.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._child: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._audible = threading.Event()

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if self._reader is not None:
            self._reader.join(PATIENCE)

    def start(self) -> None:
        """Start the process, once."""
        if self._child is not None:
            return
        self._audible.set()
        self._child = subprocess.Popen(
            # The images come first: what is compiled meanwhile takes what they leave of the processors.
            ["nice", "-n", "19", sys.executable, "-P", "-m", "s3c_lab", "prepare"],
            env={**self._machine.environment, "PYTHONPATH": str(Path(__file__).parent.parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Show nothing of its progress in this block, in which another program uses the terminal."""
        self._audible.clear()
        try:
            yield
        finally:
            self._audible.set()

    def wait(self) -> None:
        """Wait for its end. A failure does not matter: `lab.up` installs what is missing, or reports it."""
        if self._child is not None:
            with self._machine.progress.step("programs") as step:
                self._child.wait()
                step.done("everything for the node is there")

    def _read(self) -> None:
        assert self._child is not None and self._child.stderr is not None  # noqa: S101 - `start` made both
        for line in self._child.stderr:
            if self._audible.is_set():
                self._machine.progress.note(f"for the node: {plain_line(line.strip())}")
