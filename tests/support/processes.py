"""Whether processes that others have started run."""

from __future__ import annotations

import time
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether the process runs: a zombie, which nobody has asked for its exit code yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def await_process_ids(path: Path) -> list[int]:
    """The process ids in the file, once they are there."""
    for _ in range(3000):
        if path.exists() and (ids := path.read_text().split()):
            return [int(pid) for pid in ids]
        time.sleep(0.02)
    raise AssertionError(f"{path} stays empty")


def gone(path: Path) -> bool:
    """Whether all processes in the file have ended, some time for their end included."""
    ids = await_process_ids(path)
    for _ in range(3000):
        if not any(map(alive, ids)):
            return True
        time.sleep(0.02)
    return False


def command_lines() -> list[str]:
    """The command lines of all processes."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return lines
