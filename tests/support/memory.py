"""What test builds write lies in memory: dpkg waits for the disk after each file that it unpacks."""

from __future__ import annotations

import re
import time
from pathlib import Path

from s3c_lab import daemons
from s3c_lab.machine import Machine

SIZE = 5 << 30
"""Of one lab's builds, at most; BuildKit removes old ones before that. After all of `test_chain.py` it is 1.5 GiB."""
LEFT = 12 << 30
"""What has to be free for it: there are four labs, and two nodes besides."""


def build_in_memory(folder: Path, machine: Machine) -> bool:
    """Let the BuildKit of a lab that is not up yet write to memory, if there is enough; returns whether it does.

    Before the lab is taken down, call `end_builds`.
    """
    if _available() < LEFT:
        return False
    root = folder / "buildkit"
    root.mkdir(parents=True)
    machine.runner.run(machine.as_root(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=711", "s3c-test", root]))
    return True


def end_builds(folder: Path, machine: Machine) -> None:
    """End a lab's BuildKit and unmount its memory, which what it ran may use for a moment longer."""
    daemons.stop(folder / "buildkitd.pid", machine)
    until = time.monotonic() + 30
    while machine.unmount_below(folder / "buildkit"):
        assert time.monotonic() < until, f"{folder} is still used"
        time.sleep(0.1)


def _available() -> int:
    """Bytes of memory that programs can still take (proc_meminfo(5))."""
    match = re.search(r"^MemAvailable: +([0-9]+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0
