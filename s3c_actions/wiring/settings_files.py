"""The files that suppress findings, narrow a scan or decide a gate: which of them a run uses, and their hashes.

Those that are taken without being given stand in the options from here on like the others, so that every command sees
the same ones, and nothing is used that is not listed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.findings.scope import SettingsFile
from s3c_actions.options import scan as scanning
from s3c_actions.options.declare import G, Group, Input
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.verify import TrustOptions
from s3c_actions.programs.trivy import ignore, settings
from s3c_actions.wiring.context import Context

FILE_INPUTS: tuple[Input[Any], ...] = (
    scanning.TrivyOptions.ignore_files,
    scanning.TrivyOptions.trivy_config,
    scanning.TrivyOptions.secret_config,
    scanning.TrivyOptions.ignore_policy,
    scanning.TrivyOptions.vex,
    PolicyOptions.policy,
    TrustOptions.trust_store,
    TrustOptions.trust_policy,
)
"""Inputs that take such files; a `SettingsFile`'s kind is the input's name."""

DEFAULT_FILES: Mapping[str, str] = {
    scanning.TrivyOptions.ignore_files.name: ignore.DEFAULT_FILE,
    scanning.TrivyOptions.trivy_config.name: settings.CONFIG_FILE,
    scanning.TrivyOptions.secret_config.name: settings.SECRET_CONFIG,
}
"""Input → the file in the working folder that it takes when it is not given."""

SOURCES_WITHOUT_FILES = frozenset({"repo", "oci"})


class RunFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What a run knows of its files.

    Attributes:
        names: path of a copy → what people call the file.
        proposed: the options with the files that a pull request brings, when its target's decide; else None.
    """

    names: Mapping[str, str] = msgspec.field(default_factory=dict)
    proposed: Group | None = None


_SHARED = "settings-files"


def share_files(context: Context, known: RunFiles) -> None:
    """Let the commands of a run know it."""
    context.shared[_SHARED] = known


def shared_files(context: Context) -> RunFiles:
    """What was shared."""
    known = context.shared.get(_SHARED)
    return known if isinstance(known, RunFiles) else RunFiles()


def add_default_files(options: G, declared: Iterable[Input[Any]], cwd: Path) -> G:
    """The options, with the files that are taken without being given, and without those that are empty by intent.

    Args:
        options: of a command.
        declared: the command's inputs.
        cwd: the working folder.
    """
    names = {one.name for one in declared}
    found: dict[Input[Any], object] = {}
    for one in FILE_INPUTS:
        if one.name not in names:
            continue
        paths = input_paths(options, one)
        there = tuple(path for path in paths if path != os.devnull)
        if one.name in DEFAULT_FILES and not options.given(one) and (cwd / DEFAULT_FILES[one.name]).is_file():
            there = (DEFAULT_FILES[one.name],)
        if there != paths:
            found[one] = input_value(one, there)
    return options.replaced(found) if found else options


def input_paths(options: Group, one: Input[Any]) -> tuple[str, ...]:
    """The paths that an input of FILES has, as people gave them."""
    given = getattr(options, one.attribute)
    if given is None:
        return ()
    return tuple(str(path) for path in (given if isinstance(given, tuple) else (given,)))


def input_value(one: Input[Any], paths: tuple[str, ...]) -> object:
    """The value of an input of FILES with these paths."""
    if not one.many:
        return Path(paths[0]) if paths else None
    return tuple(map(Path, paths)) if one.name == TrustOptions.trust_store.name else paths


def list_files(
    options: Group, declared: Iterable[Input[Any]], cwd: Path, names: Mapping[str, str] | None = None
) -> tuple[SettingsFile, ...]:
    """Every file that the options name, with its hash.

    Args:
        options: of a command.
        declared: the command's inputs.
        cwd: relative paths start here.
        names: path → what people call it, where that is another.

    Raises:
        InputError: one cannot be read.
    """
    known = {one.name for one in declared}
    found = []
    for one in FILE_INPUTS:
        for path in input_paths(options, one) if one.name in known else ():
            found += list(_hashed(one.name, path, cwd, names or {}))
    return tuple(sorted(set(found)))


def _hashed(kind: str, path: str, cwd: Path, names: Mapping[str, str]) -> Iterator[SettingsFile]:
    name = names.get(path, path)
    if kind == scanning.TrivyOptions.vex.name and path in SOURCES_WITHOUT_FILES:
        yield SettingsFile(kind=kind, path=path, sha256="")
        return
    place = cwd / Path(path).expanduser()
    inside = sorted(one for one in place.rglob("*") if one.is_file()) if place.is_dir() else [place]
    for one in inside:
        shown = name if one == place else f"{name.rstrip('/')}/{one.relative_to(place).as_posix()}"
        yield SettingsFile(kind=kind, path=shown, sha256=_sha256(kind, one))


def _sha256(kind: str, path: Path) -> str:
    try:
        if not path.exists():
            raise InputError(kind, f"{str(path)!r} does not exist.", remedy="Look at the path.")
        if not path.is_file():
            raise InputError(kind, f"{str(path)!r} is not a file.", remedy="Look at the path.")
        return hashlib.sha256(reading.read_file(path, reading.MAX_DOCUMENT_BYTES)).hexdigest()
    except OSError as error:
        raise InputError(
            kind, f"{str(path)!r} cannot be read: {error.strerror}.", remedy="Look at the path."
        ) from error
