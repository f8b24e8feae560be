"""Preparation of parts of a lab by separate processes, while the demo does what comes first."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

from s3c_lab.machine import Machine
from s3c_lab.pieces import read_event

PATIENCE = 20.0
"""Seconds for a process to end its own children."""
IMAGES, NODE = ("--images",), ("--node",)
"""What `s3c-lab prepare` can be asked for alone."""


class Ahead:
    """`s3c-lab prepare` in the background; a context manager, which ends its processes.

    Args:
        machine: its environment and progress.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._children: dict[tuple[str, ...], subprocess.Popen[str]] = {}
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        running = [child for child in self._children.values() if child.poll() is None]
        for child in running:
            child.terminate()
        for child in running:
            try:
                child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for reader in self._readers:
            reader.join(PATIENCE)

    def start_images(self) -> None:
        """Make the images, while programs are compiled: what they wait for is the network and the disk."""
        self._start(IMAGES, [])

    def start_node(self) -> None:
        """Bring the parts of a node. What is compiled for it takes what everything else leaves of the processors."""
        self._start(NODE, ["nice", "-n", "19"])

    def wait(self) -> bool:
        """Wait for the end of all; return whether nothing failed. `lab.up` makes what is missing, or reports it."""
        if not self._children:
            return False
        with self._machine.progress.step("programs") as step:
            codes = [child.wait() for child in self._children.values()]
            step.done("something failed, and is tried again" if any(codes) else "everything for the node is there")
        return not any(codes)

    def _start(self, what: tuple[str, ...], prefix: list[str]) -> None:
        if what in self._children:
            return
        child = subprocess.Popen(
            [*prefix, sys.executable, "-P", "-m", "s3c_lab", "prepare", *what, "--events", "--builds-follow"],
            env={**self._machine.environment, "PYTHONPATH": str(Path(__file__).parent.parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._children[what] = child
        reader = threading.Thread(target=self._read, args=(child,), daemon=True)
        self._readers.append(reader)
        reader.start()

    def _read(self, child: subprocess.Popen[str]) -> None:
        assert child.stderr is not None  # noqa: S101 - `_start` made it
        for line in child.stderr:
            read_event(line.strip(), self._machine.progress)
