"""On a pull request, the target branch's files decide its gate, not the pull request's own.

A file counts as the repository's when it lies in the checkout. Where it differs from the target branch's, the command
uses a copy of the latter; a label set by a maintainer makes the pull request's own file count, never for a fork.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core import reading, writing
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.patterns import late_pattern
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.fleet import FleetOptions
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.policy import model
from s3c_actions.result.gate_change import GateChange
from s3c_actions.wiring import settings_files
from s3c_actions.wiring.settings_files import GovernedInputs

if TYPE_CHECKING:
    from s3c_actions.github.target_branch import TargetBranch

FileContent = bytes | dict[str, bytes] | None

_DECIDING = frozenset(
    {
        PolicyOptions.policy.name,
        TrustOptions.trust_store.name,
        TrustOptions.trust_policy.name,
        FleetOptions.fleet.name,
    }
)
"""Without one of these there is no gate: where the target branch has none, the pull request's file is used."""
_ORIGIN = late_pattern(r'^\[remote "origin"\][^\[]*?^\s*url\s*=\s*(?P<url>\S+)', re.MULTILINE)


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """The checkout of the repository.

    Attributes:
        workspace: of the run.
        repository: `owner/name`.
        cwd: relative paths start here.
    """

    workspace: Path
    repository: str
    cwd: Path

    def relative(self, path: str) -> str | None:
        """Return a path from the repository's root; None when it lies in no checkout of it.

        A link is not followed: what the pull request puts in a file's place is compared with the file.
        """
        place = Path(os.path.normpath(self.cwd / Path(path).expanduser()))
        for workspace in (self.workspace, self.workspace.resolve()):
            for candidate in (place, place.parent.resolve() / place.name):
                if candidate.is_relative_to(workspace):
                    root = self._root(candidate, workspace)
                    return candidate.relative_to(root).as_posix() if root is not None else None
        return None

    def _root(self, path: Path, workspace: Path) -> Path | None:
        """Return the checkout that a path is in: a nested one, else the workspace; None for another repository's."""
        for folder in path.parents:
            if folder == workspace:
                break
            if (folder / ".git").is_dir() and not (folder / ".git").is_symlink():
                return folder if self._is_run_repository(folder / ".git" / "config") else None
        return workspace

    def _is_run_repository(self, config: Path) -> bool:
        """Return whether a checkout is of the run's repository: it is, unless its origin names another."""
        try:
            origin = _ORIGIN.search(reading.read_text_file(config, errors="replace"))
        except OSError:
            return True
        name = re.sub(r"^.*?([^/:]+/[^/]+?)(?:\.git)?/?$", r"\1", origin["url"]) if origin else self.repository
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
    """Replace the files that differ by the target branch's.

    Args:
        options: as the inputs give them.
        declared: the command's inputs.
        checkout: of the repository.
        branch: the target branch.
        label: makes the pull request's own files count; empty for none.
        temp: a folder that is removed after the run.

    Raises:
        OutsideError: the target branch cannot be read.
    """
    names = {option.name for option in declared}
    comparison = _Comparison(checkout, branch, temp / "target")
    for option in settings_files.FILE_INPUTS:
        if option.name not in names:
            continue
        if option.name in settings_files.DEFAULT_FILES and not options.given(option):
            comparison.default(option)
        else:
            comparison.given(option, settings_files.input_paths(options, option))
    if not comparison.changes:
        return GovernedInputs(options=options)
    changes = tuple(sorted(comparison.changes))
    accepted_by = branch.accepted(label) if label and not branch.from_fork else ""
    if accepted_by:
        accepted = (msgspec.structs.replace(change, used="head", accepted_by=accepted_by) for change in changes)
        return GovernedInputs(options=options, changes=tuple(accepted))
    if not comparison.replacements:
        return GovernedInputs(options=options, changes=changes)
    return GovernedInputs(
        options=options.replaced(comparison.replacements), proposed=options, names=comparison.names, changes=changes
    )


class NamedPolicies:
    """The policies that a file of the run names by their paths: each is compared when it is used.

    Args:
        checkout: of the repository.
        branch: the target branch.
        label: makes the pull request's own files count; empty for none.
        temp: a folder that is removed after the run.

    Attributes:
        changes: of those that differ.
    """

    def __init__(self, checkout: Checkout, branch: TargetBranch, *, label: str, temp: Path) -> None:
        self.changes: list[GateChange] = []
        self._checkout, self._branch, self._label, self._temp = checkout, branch, label, temp

    def path(self, name: str) -> Path:
        """Return the file that decides: the target branch's, unless it has none or a label accepts the other.

        Raises:
            InputError: the policy of the target branch is none.
            OutsideError: the target branch cannot be read.
        """
        own = self._checkout.cwd / Path(name).expanduser()
        # A folder for each, since certificates lie beside their policy.
        folder = self._temp / "target-policies" / hashlib.sha256(name.encode()).hexdigest()[:16]
        comparison = _Comparison(self._checkout, self._branch, folder)
        comparison.given(PolicyOptions.policy, (name,))
        accepted_by = ""
        if comparison.changes and self._label and not self._branch.from_fork:
            accepted_by = self._branch.accepted(self._label)
        self.changes += [
            msgspec.structs.replace(change, used="head", accepted_by=accepted_by) if accepted_by else change
            for change in comparison.changes
        ]
        decided = comparison.replacements.get(PolicyOptions.policy)
        return own if accepted_by or not isinstance(decided, Path) else decided


def describe_change(change: GateChange, branch: str, label: str) -> str:
    """Describe what is done about a file that differs. Path and branch are untrusted."""
    differs = f"{change.path} ({change.kind}) is another one on {branch or 'the target branch'}"
    if change.accepted_by:
        return f"{differs}: this pull request's is used, as the label {label} set by {change.accepted_by} accepts."
    if change.used == "head":
        return (
            f"{change.path} ({change.kind}) is not on {branch or 'the target branch'} yet: this pull request's is used."
        )
    return f"{differs}: that one decides, not this pull request's."


class _Comparison:
    """The comparison of inputs' files with the target branch's: what differs, and what replaces it."""

    def __init__(self, checkout: Checkout, branch: TargetBranch, copies: Path) -> None:
        self.checkout, self.branch, self.copies = checkout, branch, copies
        self.replacements: dict[Input[Any], object] = {}
        self.names: dict[str, str] = {}
        self.changes: list[GateChange] = []

    def default(self, option: Input[Any]) -> None:
        """Compare a file that is used by default when it exists in the working folder."""
        name = settings_files.DEFAULT_FILES[option.name]
        path = self.checkout.relative(name)
        if path is None:
            return
        proposed = self._proposed_content(option, name)
        target = self._target_content(path, needed=proposed is not None)
        if proposed == target:
            return
        if target is None and option.name in _DECIDING:
            self._change(option, name, target, proposed, "head")
            return
        self._change(option, name, target, proposed, "target")
        copies = () if target is None else (self._copy(path, target, name),)
        self.replacements[option] = settings_files.input_value(option, copies)

    def given(self, option: Input[Any], paths: tuple[str, ...]) -> None:
        """Compare the files that an input names."""
        used_paths, changed = [], False
        for name in paths:
            path = None if settings_files.is_elsewhere(option.name, name) else self.checkout.relative(name)
            if path is None:
                used_paths.append(name)
                continue
            proposed, target = self._proposed_content(option, name), self._target_content(path)
            certificates_differ = (
                self._certificates_differ(option, path, name, target)
                if option.name == PolicyOptions.policy.name
                else False
            )
            if proposed == target and not certificates_differ:
                used_paths.append(name)
                continue
            first = target is None and option.name in _DECIDING
            if proposed != target:
                self._change(option, name, target, proposed, "head" if first else "target")
            if first:
                used_paths.append(name)
                continue
            changed = True
            if target is not None:
                used_paths.append(self._copy(path, target, name))
        if changed:
            self.replacements[option] = settings_files.input_value(option, tuple(used_paths))

    def _certificates_differ(self, option: Input[Any], path: str, policy_name: str, target: FileContent) -> bool:
        """Return whether a certificate named by the target branch's policy differs; copy them beside it."""
        if not isinstance(target, bytes):
            return False
        differs = False
        policy = model.parse(target.decode("utf-8", errors="replace"), name=f"{policy_name} of {self.branch.name}")
        sources = [source for signer in policy.signers for source in (*signer.certificates, *signer.timestamp_roots)]
        for source in dict.fromkeys(filter(model.is_path, sources)):
            certificate = posixpath.normpath(posixpath.join(posixpath.dirname(path), source))
            if certificate.startswith(("../", "/")):
                continue
            name = posixpath.join(posixpath.dirname(policy_name), source)
            proposed, target_certificate = self._proposed_content(option, name), self._target_content(certificate)
            if target_certificate is not None:
                self._copy(certificate, target_certificate, name)
            if proposed != target_certificate:
                differs = True
                self._change(option, name, target_certificate, proposed, "target")
        return differs

    def _target_content(self, path: str, *, needed: bool = True) -> FileContent:
        try:
            return self.branch.content(path)
        except S3CError:
            # No file of the pull request would be used.
            if needed:
                raise
            return None

    def _proposed_content(self, option: Input[Any], name: str) -> FileContent:
        place = self.checkout.cwd / Path(name).expanduser()
        try:
            if place.is_dir():
                files = sorted(file for file in place.rglob("*") if file.is_file())
                return {file.relative_to(place).as_posix(): _read_bounded(option, file) for file in files}
            return _read_bounded(option, place) if place.is_file() else None
        except OSError as error:
            raise InputError(option.name, f"{name!r} cannot be read: {error.strerror}.") from error

    def _copy(self, path: str, content: bytes | dict[str, bytes], name: str) -> str:
        place = self.copies / path
        for relative, data in content.items() if isinstance(content, dict) else [("", content)]:
            file = place / relative if relative else place
            file.parent.mkdir(parents=True, exist_ok=True)
            writing.write(file, data)
        self.names[str(place)] = name
        return str(place)

    def _change(self, option: Input[Any], name: str, target: FileContent, proposed: FileContent, used: str) -> None:
        self.changes.append(
            GateChange(
                kind=option.name,
                path=name,
                target_sha256=_content_hash(target),
                head_sha256=_content_hash(proposed),
                used=used,
            )
        )


def _read_bounded(option: Input[Any], path: Path) -> bytes:
    try:
        return reading.read_file(path, reading.MAX_DOCUMENT_BYTES)
    except OSError as error:
        raise InputError(
            option.name, f"{str(path)!r} cannot be read: {error.strerror}.", remedy="Look at the path."
        ) from error


def _content_hash(content: FileContent) -> str:
    """Return the SHA-256 of a file, or over the files of a folder; empty when there is no file."""
    if content is None:
        return ""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    lines = (f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(content.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
