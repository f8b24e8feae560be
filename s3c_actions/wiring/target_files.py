"""On a pull request: the target branch's files decide its gate, and not those that it brings.

A file counts as the repository's when it lies in the checkout. Where it differs from the target branch's, the command
is given a copy of that one; a label set by a maintainer lets the pull request's own count, never for a fork.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core import reading, writing
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.verify import TrustOptions
from s3c_actions.policy import model
from s3c_actions.result.gate_change import GateChange
from s3c_actions.wiring import settings_files

if TYPE_CHECKING:
    from s3c_actions.github.target_branch import TargetBranch

FileContent = bytes | dict[str, bytes] | None

_DECIDING = frozenset({PolicyOptions.policy.name, TrustOptions.trust_store.name, TrustOptions.trust_policy.name})
"""Without one of these there is no gate: where the target branch has none, the pull request's is the first."""
_ORIGIN = re.compile(r'^\[remote "origin"\][^\[]*?^\s*url\s*=\s*(?P<url>\S+)', re.MULTILINE)


class GovernedInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a command is given.

    Attributes:
        options: with the files that decide.
        proposed: with the pull request's own files, when they are others; None when they are the same.
        names: path of a copy → what people call the file.
        changes: the files that differ.
    """

    options: Group
    proposed: Group | None = None
    names: Mapping[str, str] = msgspec.field(default_factory=dict)
    changes: tuple[GateChange, ...] = ()


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """Where the repository lies.

    Attributes:
        workspace: of the run.
        repository: `owner/name`.
        cwd: relative paths start here.
    """

    workspace: Path
    repository: str
    cwd: Path

    def relative(self, path: str) -> str | None:
        """A path from the repository's root; None when it lies in no checkout of it.

        A link decides nothing here: what the pull request puts in a file's place is compared with the file.
        """
        place = Path(os.path.normpath(self.cwd / Path(path).expanduser()))
        for workspace in (self.workspace, self.workspace.resolve()):
            for one in (place, place.parent.resolve() / place.name):
                if one.is_relative_to(workspace):
                    root = self._root(one, workspace)
                    return one.relative_to(root).as_posix() if root is not None else None
        return None

    def _root(self, path: Path, workspace: Path) -> Path | None:
        """The checkout that a path of the workspace is in: one of its own below it, else the workspace."""
        for folder in path.parents:
            if folder == workspace:
                break
            if (folder / ".git").is_dir() and not (folder / ".git").is_symlink():
                return folder if self._is_ours(folder / ".git" / "config") else None
        return workspace

    def _is_ours(self, config: Path) -> bool:
        """Whether a checkout is of the run's repository; so it is unless it names another."""
        try:
            found = _ORIGIN.search(reading.read_text_file(config, errors="replace"))
        except OSError:
            return True
        name = re.sub(r"^.*?([^/:]+/[^/]+?)(?:\.git)?/?$", r"\1", found["url"]) if found else self.repository
        return name.lower() == self.repository.lower()


def apply_target_files(
    options: Group,
    declared: Iterable[Input[Any]],
    checkout: Checkout,
    branch: TargetBranch,
    *,
    label: str,
    temp: Path,
) -> GovernedInputs:
    """Put the target branch's files in the place of those that differ.

    Args:
        options: as the inputs give them.
        declared: the command's inputs.
        checkout: where the repository lies.
        branch: the target branch.
        label: that lets the pull request's own files count; empty: none does.
        temp: gone after the run.

    Raises:
        OutsideError: the target branch cannot be read.
    """
    names = {one.name for one in declared}
    work = _Comparison(checkout, branch, temp / "target")
    for one in settings_files.FILE_INPUTS:
        if one.name not in names:
            continue
        if one.name in settings_files.DEFAULT_FILES and not options.given(one):
            work.default(one)
        else:
            work.given(one, settings_files.input_paths(options, one))
    if not work.changes:
        return GovernedInputs(options=options)
    changes = tuple(sorted(work.changes))
    by = branch.accepted(label) if label and not branch.from_fork else ""
    if by:
        accepted = (msgspec.structs.replace(one, used="head", accepted_by=by) for one in changes)
        return GovernedInputs(options=options, changes=tuple(accepted))
    if not work.found:
        return GovernedInputs(options=options, changes=changes)
    return GovernedInputs(options=options.replaced(work.found), proposed=options, names=work.names, changes=changes)


def describe_change(change: GateChange, branch: str, label: str) -> str:
    """What is done about a file that differs, for people. Path and branch are untrusted."""
    differs = f"{change.path} ({change.kind}) is another one on {branch or 'the target branch'}"
    if change.accepted_by:
        return f"{differs}: this pull request's is used, as the label {label} set by {change.accepted_by} accepts."
    if change.used == "head":
        return (
            f"{change.path} ({change.kind}) is not on {branch or 'the target branch'} yet: this pull request's is used."
        )
    return f"{differs}: that one decides, not this pull request's."


class _Comparison:
    """What differs, and what takes its place."""

    def __init__(self, checkout: Checkout, branch: TargetBranch, copies: Path) -> None:
        self.checkout, self.branch, self.copies = checkout, branch, copies
        self.found: dict[Input[Any], object] = {}
        self.names: dict[str, str] = {}
        self.changes: list[GateChange] = []

    def default(self, one: Input[Any]) -> None:
        """A file that is taken from the working folder when it is there."""
        name = settings_files.DEFAULT_FILES[one.name]
        path = self.checkout.relative(name)
        if path is None:
            return
        mine = self._mine(one, name)
        theirs = self._theirs(path, needed=mine is not None)
        if mine == theirs:
            return
        self._change(one, name, theirs, mine, "target")
        copies = () if theirs is None else (self._copied(path, theirs, name),)
        self.found[one] = settings_files.input_value(one, copies)

    def given(self, one: Input[Any], paths: tuple[str, ...]) -> None:
        """Files that an input names."""
        kept, changed = [], False
        for given in paths:
            path = None if given in settings_files.SOURCES_WITHOUT_FILES else self.checkout.relative(given)
            if path is None:
                kept.append(given)
                continue
            mine, theirs = self._mine(one, given), self._theirs(path)
            beside = self._beside(one, path, given, theirs) if one.name == PolicyOptions.policy.name else False
            if mine == theirs and not beside:
                kept.append(given)
                continue
            first = theirs is None and one.name in _DECIDING
            if mine != theirs:
                self._change(one, given, theirs, mine, "head" if first else "target")
            if first:
                kept.append(given)
                continue
            changed = True
            if theirs is not None:
                kept.append(self._copied(path, theirs, given))
        if changed:
            self.found[one] = settings_files.input_value(one, tuple(kept))

    def _beside(self, one: Input[Any], path: str, given: str, theirs: FileContent) -> bool:
        """Whether a certificate that the target branch's policy names differs; they are copied beside it."""
        if not isinstance(theirs, bytes):
            return False
        differs = False
        policy = model.parse(theirs.decode("utf-8", errors="replace"), name=f"{given} of {self.branch.name}")
        for signer in policy.signers:
            if "-----BEGIN" in signer.certificate or signer.certificate.startswith("https://"):
                continue
            certificate = posixpath.normpath(posixpath.join(posixpath.dirname(path), signer.certificate))
            if certificate.startswith(("../", "/")):
                continue
            name = posixpath.join(posixpath.dirname(given), signer.certificate)
            mine, there = self._mine(one, name), self._theirs(certificate)
            if there is not None:
                self._copied(certificate, there, name)
            if mine != there:
                differs = True
                self._change(one, name, there, mine, "target")
        return differs

    def _theirs(self, path: str, *, needed: bool = True) -> FileContent:
        try:
            return self.branch.content(path)
        except S3CError:
            # Nothing of the pull request would be used.
            if needed:
                raise
            return None

    def _mine(self, one: Input[Any], name: str) -> FileContent:
        place = self.checkout.cwd / Path(name).expanduser()
        try:
            if place.is_dir():
                inside = sorted(each for each in place.rglob("*") if each.is_file())
                return {each.relative_to(place).as_posix(): _bounded(one, each) for each in inside}
            return _bounded(one, place) if place.is_file() else None
        except OSError as error:
            raise InputError(one.name, f"{name!r} cannot be read: {error.strerror}.") from error

    def _copied(self, path: str, content: bytes | dict[str, bytes], name: str) -> str:
        place = self.copies / path
        for inside, data in content.items() if isinstance(content, dict) else [("", content)]:
            file = place / inside if inside else place
            file.parent.mkdir(parents=True, exist_ok=True)
            writing.write(file, data)
        self.names[str(place)] = name
        return str(place)

    def _change(self, one: Input[Any], name: str, theirs: FileContent, mine: FileContent, used: str) -> None:
        self.changes.append(
            GateChange(kind=one.name, path=name, target_sha256=_hash(theirs), head_sha256=_hash(mine), used=used)
        )


def _bounded(one: Input[Any], path: Path) -> bytes:
    try:
        return reading.read_file(path, reading.MAX_DOCUMENT_BYTES)
    except OSError as error:
        raise InputError(
            one.name, f"{str(path)!r} cannot be read: {error.strerror}.", remedy="Look at the path."
        ) from error


def _hash(content: FileContent) -> str:
    """Of a file, or over the files of a folder; empty when there is none."""
    if content is None:
        return ""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    lines = (f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(content.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
