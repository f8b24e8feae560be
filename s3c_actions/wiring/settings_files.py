"""The files that suppress findings, narrow a scan or decide a gate: which of them a run uses, and their hashes.

Files that are used by default are added to the options here like those given, so that every command sees the same
ones, and no file is used that is not listed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.findings.scope import SettingsFile
from s3c_actions.options import scan as scanning
from s3c_actions.options.declare import G, Group, Input
from s3c_actions.options.exploitation import NO_DATA, ExploitationOptions
from s3c_actions.options.fleet import DEFAULT_FLEET, FleetOptions
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.programs.trivy import ignore, settings
from s3c_actions.result.gate_change import GateChange
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
    TrustOptions.trusted_timestamp_root,
    FleetOptions.fleet,
    ExploitationOptions.exploited_data,
    ExploitationOptions.epss_data,
)
"""Inputs that take such files; a `SettingsFile`'s kind is the input's name."""

DEFAULT_FILES: Mapping[str, str] = {
    scanning.TrivyOptions.ignore_files.name: ignore.DEFAULT_FILE,
    scanning.TrivyOptions.trivy_config.name: settings.CONFIG_FILE,
    scanning.TrivyOptions.secret_config.name: settings.SECRET_CONFIG,
    FleetOptions.fleet.name: DEFAULT_FLEET,
}
"""Input → the file in the working folder that is used when the input is not given."""

_INSTEAD: Mapping[str, tuple[str, ...]] = {FleetOptions.fleet.name: ("image", "plan", "manifests", "namespaces")}
"""Input → others that take the place of its default: who names images does not ask for the whole fleet."""

_PATHS = frozenset({TrustOptions.trust_store.name, TrustOptions.trusted_timestamp_root.name})
"""Inputs of many files whose values are paths, not texts."""

UNVERIFIED_VEX = "oci"
"""Of the input `vex`: VEX that lies beside the image. Trivy verifies none of it, so it is not used."""
SOURCES_WITHOUT_FILES = frozenset({"repo", UNVERIFIED_VEX})
_TEXTS = frozenset({ExploitationOptions.exploited_data.name, ExploitationOptions.epss_data.name})
"""Inputs of one file whose values are texts, for an address may stand in its place."""


class GovernedInputs(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs of a command after comparison with the target branch.

    Attributes:
        options: with the files that decide.
        proposed: with the pull request's own files, when they differ; None when they are the same.
        names: path of a copy → name of the file in messages.
        changes: the files that differ.
    """

    options: Group
    proposed: Group | None = None
    names: Mapping[str, str] = msgspec.field(default_factory=dict)
    changes: tuple[GateChange, ...] = ()


class RunFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The settings files of a run.

    Attributes:
        names: path of a copy → name of the file in messages.
        proposed: the options with the pull request's own files, when the target branch's decide; else None.
        named_policy: returns the file that decides for the path of a policy that another file names; None outside
            of a pull request.
        named: such paths that were used → the files that decided.
    """

    names: Mapping[str, str] = msgspec.field(default_factory=dict)
    proposed: Group | None = None
    named_policy: Callable[[str], Path] | None = None
    named: dict[str, Path] = msgspec.field(default_factory=dict)


_SHARED = "settings-files"


def share_files(context: Context, files: RunFiles) -> None:
    """Share the files with the commands of a run."""
    context.shared[_SHARED] = files


def shared_files(context: Context) -> RunFiles:
    """Return what `share_files` shared."""
    files = context.shared.get(_SHARED)
    if not isinstance(files, RunFiles):
        files = RunFiles()
        share_files(context, files)
    return files


def policy_path(context: Context, name: str) -> Path:
    """Return the file of a policy that a fleet or a plan names: on a pull request the target branch's.

    Args:
        context: of the command.
        name: the path as it is named, from the working folder.

    Raises:
        S3CError: on a pull request, the target branch cannot be read.
    """
    files = shared_files(context)
    if name not in files.named:
        decide = files.named_policy
        files.named[name] = decide(name) if decide is not None else context.cwd / Path(name).expanduser()
    return files.named[name]


def list_named_policies(context: Context) -> tuple[SettingsFile, ...]:
    """List the policies that `policy_path` returned, each with its hash; one that cannot be read is left out."""
    files = []
    for name, path in sorted(shared_files(context).named.items()):
        with suppress(InputError):
            files.append(SettingsFile(kind=PolicyOptions.policy.name, path=name, sha256=_sha256("policy", path)))
    return tuple(files)


def add_default_files(options: G, declared: Iterable[Input[Any]], cwd: Path) -> G:
    """Return the options with the files that are used by default, and without those disabled by /dev/null.

    Args:
        options: of a command.
        declared: the command's inputs.
        cwd: the working folder.
    """
    inputs = {option.name: option for option in declared}
    replacements: dict[Input[Any], object] = {}
    for option in FILE_INPUTS:
        if option.name not in inputs:
            continue
        paths = input_paths(options, option)
        used_paths = tuple(path for path in paths if path != os.devnull)
        if _wants_default(option, options, inputs) and (cwd / DEFAULT_FILES[option.name]).is_file():
            used_paths = (DEFAULT_FILES[option.name],)
        if used_paths != paths:
            replacements[option] = input_value(option, used_paths)
    return options.replaced(replacements) if replacements else options


def _wants_default(option: Input[Any], options: Group, inputs: Mapping[str, Input[Any]]) -> bool:
    if option.name not in DEFAULT_FILES or options.given(option):
        return False
    return not any(name in inputs and options.given(inputs[name]) for name in _INSTEAD.get(option.name, ()))


def is_elsewhere(option: str, name: str) -> bool:
    """Return whether a value of an input of FILE_INPUTS names no file: a source of VEX, or an address."""
    return name in SOURCES_WITHOUT_FILES or (option in _TEXTS and "://" in name)


def input_paths(options: Group, option: Input[Any]) -> tuple[str, ...]:
    """Return the paths of an input of FILE_INPUTS, as given."""
    value = getattr(options, option.attribute)
    if value is None or (option.name in _TEXTS and value in {"", NO_DATA}):
        return ()
    return tuple(str(path) for path in (value if isinstance(value, tuple) else (value,)))


def input_value(option: Input[Any], paths: tuple[str, ...]) -> object:
    """Return the value of an input of FILE_INPUTS with these paths."""
    if option.name in _TEXTS:
        return paths[0] if paths else option.absent
    if not option.many:
        return Path(paths[0]) if paths else None
    return tuple(map(Path, paths)) if option.name in _PATHS else paths


def list_files(
    options: Group, declared: Iterable[Input[Any]], cwd: Path, names: Mapping[str, str] | None = None
) -> tuple[SettingsFile, ...]:
    """List every file that the options name, with its hash.

    Args:
        options: of a command.
        declared: the command's inputs.
        cwd: relative paths start here.
        names: path → name in messages, where it differs.

    Raises:
        InputError: a file cannot be read.
    """
    declared_names = {option.name for option in declared}
    files = []
    for option in FILE_INPUTS:
        for path in input_paths(options, option) if option.name in declared_names else ():
            files += list(_hash_files(option.name, path, cwd, names or {}))
    return tuple(sorted(set(files)))


def _hash_files(kind: str, path: str, cwd: Path, names: Mapping[str, str]) -> Iterator[SettingsFile]:
    name = names.get(path, path)
    if is_elsewhere(kind, path):
        if kind == scanning.TrivyOptions.vex.name and path != UNVERIFIED_VEX:
            yield SettingsFile(kind=kind, path=path, sha256="")
        return  # what was downloaded is stated by its date
    place = cwd / Path(path).expanduser()
    files = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
    for file in files:
        shown = name if file == place else f"{name.rstrip('/')}/{file.relative_to(place).as_posix()}"
        yield SettingsFile(kind=kind, path=shown, sha256=_sha256(kind, file))


def _sha256(kind: str, path: Path) -> str:
    try:
        if not path.exists():
            # It may be the default, which the user never wrote.
            init = " `s3c init` writes one." if path.name == "s3c-policy.yaml" else ""
            raise InputError(
                kind, f"{str(path)!r} does not exist.", remedy=f"Look at the path, or give another with `{kind}`.{init}"
            )
        if not path.is_file():
            raise InputError(kind, f"{str(path)!r} is not a file.", remedy="Look at the path.")
        return hashlib.sha256(reading.read_file(path, reading.MAX_DOCUMENT_BYTES)).hexdigest()
    except OSError as error:
        raise InputError(
            kind, f"{str(path)!r} cannot be read: {error.strerror}.", remedy="Look at the path."
        ) from error
