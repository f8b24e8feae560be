"""A command run and measured on a lab, with the programs that it ran; and the rows that come of it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s3c_actions.cli.run import cache_path
from s3c_actions.core.folders import state_folder

ROOT = Path(__file__).resolve().parent.parent
SHIM = """#!/bin/bash
started=$EPOCHREALTIME
"{program}" "$@"
code=$?
printf '{name} %s %s %s\\n' "$started" "$EPOCHREALTIME" "$1" >>"{log}"
exit $code
"""


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds of wall time, and each program it ran (`trivy image`, from when, to when)."""

    wall: float
    programs: tuple[tuple[str, float, float], ...]
    peak: float
    processor: float

    @property
    def theirs(self) -> float:
        """Seconds in which a program ran; two at once count once."""
        seconds, until = 0.0, 0.0
        for _, start, end in sorted(self.programs, key=lambda program: program[1]):
            seconds += max(0.0, end - max(start, until))
            until = max(until, end)
        return seconds

    @property
    def ours(self) -> float:
        """Seconds of our own."""
        return self.wall - self.theirs


@dataclass
class Bench:
    """Measures commands on one lab."""

    lab: dict[str, Any]
    folder: Path
    runs: int
    images: int
    on_a_node: bool = False
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = self.folder / "programs.log"
        located = json.loads(output([sys.executable, "-m", "s3c_actions", "programs", "where", "--json"]))
        self.paths = {program["name"]: program["path"] for program in located["programs"]}
        for name in ("trivy", "copa", "notation"):
            shim = self.folder / name
            shim.write_text(SHIM.format(program=self.paths[name], name=name, log=self.log))
            shim.chmod(0o755)
        self.environment = _environment() | {"PYTHONPYCACHEPREFIX": str(self.folder / "compiled")}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.scan_flags = ["--trivy-cache-dir", self.lab["trivy_cache"], "--offline"]
        self.key = ["--key", self.lab["key"], "--certificate", self.lab["certificate"]]

    def shims(self, *names: str) -> list[str]:
        """Flags that have our command run these programs through their shims."""
        return [word for name in names for word in (f"--{name}-path", str(self.folder / name))]

    def s3c(self, *arguments: str) -> Run:
        """Run our command once."""
        return self.run([sys.executable, "-m", "s3c_actions", *arguments])

    def run(self, command: Iterable[str | Path], environment: Mapping[str, str] | None = None) -> Run:
        """Run any command once, in a folder of its own; with `environment` on top of what it has."""
        self.log.write_text("")
        argv = [str(argument) for argument in command]
        with tempfile.TemporaryDirectory(dir=self.folder) as cwd, (self.folder / "output").open("w+") as output:
            started = time.perf_counter()
            child = subprocess.Popen(
                argv, cwd=cwd, stdout=output, stderr=output, env=self.environment | dict(environment or {})
            )
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.perf_counter() - started
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode != 0:
                output.seek(0)
                sys.exit(f"{argv} ended with {child.returncode}:\n{output.read()[-3000:]}")
        programs = []
        for line in self.log.read_text().splitlines():
            name, start, end, first = line.split(" ", 3)
            programs.append((f"{name} {first}", float(start), float(end)))
        return Run(wall, tuple(programs), usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)

    def several(self, once: Callable[[int], Run]) -> list[Run]:
        """RUNS counted runs after one that is not; `once` is given the number of the run."""
        return [once(number) for number in range(self.runs + 1)][1:]

    def row(self, what: str, goal: str, figure: str) -> None:
        """Keep a row, and print it."""
        self.rows.append((what, goal, figure))
        print(f"{what}: {figure}", flush=True)

    def own(self, what: str, goal: str, runs: list[Run]) -> None:
        """A row of our own time on top of the programs'."""
        ours, theirs = median(run.ours for run in runs), median(run.theirs for run in runs)
        self.row(what, goal, f"{ours:.2f} s on top of {theirs:.2f} s of the programs ({1 + ours / theirs:.2f} ×)")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("S3C_", "GITHUB_"))}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "S3C_CACHE": str(cache_path(dict(os.environ))),
        "S3C_STATE": str(state_folder(os.environ)),
    }


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def output(command: list[str]) -> str:
    """Run one of our commands from the checkout, and return what it prints.

    Raises:
        subprocess.CalledProcessError: it fails.
    """
    return subprocess.run(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True, check=True).stdout
