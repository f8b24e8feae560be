"""How busy a machine is while something runs, and with what, so that what limits it is measured and not guessed.

https://man7.org/linux/man-pages/man5/proc_stat.5.html, https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

PROC = Path("/proc")
BUSY = 0.85
"""Share of the processors' time from which on they are what limits; some of it is lost between two steps."""
WAITING = 0.15
"""Share of it that is waited for the disk, from which on that is."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel had counted at a moment, in seconds.

    Attributes:
        moment: of the clock.
        busy, waiting, stolen: of all processors: at work, idle with something waiting for a disk, taken by the host.
        processes: name → processor time, with that of the processes that it started and has waited for.
    """

    moment: float
    busy: float
    waiting: float
    stolen: float
    processes: Mapping[str, float]


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine did in a while: processors on average, of `processors`.

    Attributes:
        parts: name → processors that it kept busy; what is left of `busy` is others'.
    """

    processors: int
    busy: float
    waiting: float
    stolen: float
    parts: Mapping[str, float]

    @property
    def limit(self) -> str:
        """What limits: a clause."""
        if self.stolen > WAITING * self.processors:
            return "the host of this machine, which gives its processors to others"
        if self.busy > BUSY * self.processors:
            return f"the processors, most of all for {max(self._all, key=lambda name: self._all[name])}"
        if self.waiting > WAITING * self.processors:
            return "the disk"
        return "nothing of this machine: what it waits for is elsewhere, or behind a lock"

    @property
    def _all(self) -> dict[str, float]:
        return {**self.parts, "others": max(0.0, self.busy - sum(self.parts.values()))}

    def __str__(self) -> str:
        """Describe it in a line."""
        parts = ", ".join(f"{name} {value:.2f}" for name, value in self._all.items())
        return (
            f"{self.busy:.2f} of {self.processors} processors busy ({parts}), {self.waiting:.2f} wait for the disk, "
            f"{self.stolen:.2f} taken by the host; limit: {self.limit}"
        )


def sample(processes: Mapping[str, int], proc: Path = PROC) -> Sample:
    """Take a sample.

    Args:
        processes: name → process id.
        proc: the kernel's folder.
    """
    user, nice, system, _, waiting, *more = (
        int(field) / _TICKS for field in (proc / "stat").read_text().splitlines()[0].split()[1:]
    )
    interrupts, soft, stolen = (*more, 0.0, 0.0, 0.0)[:3]
    return Sample(
        moment=time.monotonic(),
        busy=user + nice + system + interrupts + soft,
        waiting=waiting,
        stolen=stolen,
        processes={name: _processor_seconds(proc / str(pid) / "stat") for name, pid in processes.items()},
    )


def between(before: Sample, after: Sample, more: Mapping[str, float] | None = None) -> Load:
    """Return what happened between two samples.

    Args:
        before: the earlier one.
        after: the later one.
        more: name → seconds of processor time of processes that have ended since.
    """
    seconds = after.moment - before.moment
    used = {name: after.processes[name] - before.processes[name] for name in after.processes} | dict(more or {})
    return Load(
        processors=os.cpu_count() or 1,
        busy=(after.busy - before.busy) / seconds,
        waiting=(after.waiting - before.waiting) / seconds,
        stolen=(after.stolen - before.stolen) / seconds,
        parts={name: value / seconds for name, value in used.items()},
    )


def _processor_seconds(stat: Path) -> float:
    """Return user and system time of a process and of its children, from fields 14 to 17."""
    # The name may hold spaces and parentheses; field 3 is the first behind it.
    fields = stat.read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / _TICKS
