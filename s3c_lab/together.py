"""Programs of one module built by one command, so that one is linked while another is compiled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions.core.process import Runner
from s3c_actions.core.progress import Progress
from s3c_actions.programs.install import gobuild
from s3c_actions.programs.install.cache import open_scratch_folder
from s3c_actions.programs.install.locate import (
    Program,
    ProgramRequest,
    default_sources,
    find_present,
    locate_all,
)
from s3c_actions.programs.install.pins import Pin
from s3c_lab.machine import Machine
from s3c_lab.pieces import piece
from s3c_lab.programs import recipe_name

# For building runc, the only program that is partly in C.
_C_PACKAGES = ("gcc", "libc6-dev", "libseccomp-dev", "pkg-config")


class Builder:
    """Builds a program with those of its recipe that are wanted and missing, and keeps them until they are asked for.

    Args:
        wanted: the pins of all programs that will be asked for.
        folder: for programs that were built before they were asked for.
        is_missing: whether a program has to be installed.
        install_compiler: makes sure that there is a compiler of C, for the programs that are partly in C.
    """

    def __init__(
        self,
        wanted: Sequence[Pin],
        folder: Path,
        is_missing: Callable[[Pin], bool],
        install_compiler: Callable[[], None] = lambda: None,
    ) -> None:
        self._wanted, self._folder, self._is_missing = wanted, folder, is_missing
        self._install_compiler = install_compiler

    def build(self, pin: Pin, into: Path, *, cache: Path, runner: Runner, progress: Progress) -> None:
        """Build one program to the file `into`; see `gobuild.build`.

        Raises:
            OutsideError: it could not be built.
        """
        built = self._folder / pin.name
        if not built.exists():
            if pin.cgo:
                self._install_compiler()
            siblings = [
                other
                for other in self._wanted
                if other.name != pin.name and _recipe(other) == _recipe(pin) and self._is_missing(other)
            ]
            if not siblings:
                gobuild.build(pin, into, cache=cache, runner=runner, progress=progress)
                return
            gobuild.build_together([pin, *siblings], self._folder, cache=cache, runner=runner, progress=progress)
        built.replace(into)


def locate_together(pins: Sequence[Pin], machine: Machine, *, builds_follow: bool = False) -> Mapping[str, Program]:
    """Find, download or build programs, those of one module by one command; they are by their names.

    Each recipe is a piece of the machine's progress (`programs.recipe_name`).

    Args:
        pins: those of one recipe are neighbours.
        machine: of the lab.
        builds_follow: leave Go's caches to the builds that follow, which share packages with these.

    Raises:
        OutsideError: one could neither be downloaded nor built.
    """
    cache, runner, progress = machine.cache, machine.runner, machine.progress

    def is_missing(pin: Pin) -> bool:
        return find_present(ProgramRequest(pin=pin), cache=cache, runner=runner, progress=progress) is None

    def requests() -> Iterator[ProgramRequest]:
        for name, group in itertools.groupby(pins, recipe_name):
            with piece(progress, name):
                for pin in group:
                    yield ProgramRequest(pin=pin)

    with open_scratch_folder(cache, "together-") as folder:
        builder = Builder(pins, folder, is_missing, lambda: install_compiler(machine))
        source = msgspec.structs.replace(default_sources(machine.environment), build=builder.build)
        if builds_follow:
            source = msgspec.structs.replace(source, discard=lambda _cache: None)
        programs = locate_all(requests(), cache=cache, runner=runner, progress=progress, source=source)
    return {program.name: program for program in programs}


def install_compiler(machine: Machine) -> None:
    """Make sure that a static program can be linked with libseccomp.

    Raises:
        OutsideError: the packages cannot be installed.
    """
    if not _links_seccomp(machine):
        machine.install_packages(_C_PACKAGES)


def _links_seccomp(machine: Machine) -> bool:
    """Whether a static program can be linked with libseccomp here."""
    if not (machine.find("gcc") and machine.find("pkg-config")):
        return False
    if machine.runner.run(["pkg-config", "--exists", "libseccomp"], check=False).code != 0:
        return False
    return machine.runner.run(["gcc", "-print-file-name=libc.a"]).stdout.startswith("/")


def _recipe(pin: Pin) -> tuple[Any, ...]:
    """What has to be the same for one command."""
    return (pin.recipe, pin.version, pin.ldflags, pin.experiments, pin.tags, pin.cgo, pin.go_before)
