"""Changes of files in a repository: compared, shown as a diff, and written all or none."""

from __future__ import annotations

import difflib
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

import msgspec

from s3c_actions.core import reading, writing
from s3c_actions.core.errors import InputError

MAX_BYTES = reading.MAX_SETTINGS_BYTES


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A file's new content.

    Attributes:
        path: relative to the repository, with slashes.
        before: None when the file is new.
        after: the new content.
        private: whether only its owner may read it.
    """

    path: str
    before: bytes | None
    after: bytes
    private: bool = False


def read_present(root: Path, path: str) -> bytes | None:
    """Return the content of a file that may be changed; None when there is none.

    Raises:
        InputError: it, or a folder above it, is a link or no file; or it is too large. Names the path.
    """
    here = root
    for part in PurePosixPath(path).parts:
        here = here / part
        if here.is_symlink():
            raise InputError(
                path,
                f"{here.relative_to(root)} is a link.",
                cause="What is written there would change a file of another name.",
                remedy="Replace the link by the file or folder that it leads to.",
            )
    try:
        return reading.read_file(here, MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            path, f"it cannot be read: {error.strerror}.", remedy="Move it away, or look at its permissions."
        ) from error


def diff(changes: Sequence[Change]) -> str:
    """Return the changes as a unified diff, as `git diff` and `patch -p1` have it."""
    parts: list[str] = []
    for change in changes:
        before = (change.before or b"").decode("utf-8", "replace").splitlines(keepends=True)
        after = change.after.decode("utf-8", "replace").splitlines(keepends=True)
        source = "/dev/null" if change.before is None else f"a/{change.path}"
        for line in difflib.unified_diff(before, after, source, f"b/{change.path}"):
            parts.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(parts)


def write_all(root: Path, changes: Sequence[Change]) -> None:
    """Write all changes, or none.

    Every file is written beside its place first. When one of them cannot be renamed into its place, those before it get
    their old content back.

    Raises:
        InputError: a link in the repository leads elsewhere, or a file was changed meanwhile.
        OSError: a file cannot be written.
    """
    made_folders: list[Path] = []
    staged: list[tuple[Path, Path, Change]] = []
    done: list[tuple[Path, Change]] = []
    try:
        for change in changes:
            if read_present(root, change.path) != change.before:
                raise InputError(change.path, "it was changed meanwhile.", remedy="Run it again.")
            place = root / change.path
            writing.check(place)
            made_folders += _make_folders(place.parent)
            staged.append((_stage(place, change), place, change))
        for temporary, place, change in staged:
            temporary.replace(place)
            done.append((place, change))
    except BaseException:
        for place, change in reversed(done):
            with suppress(OSError):
                if change.before is None:
                    place.unlink()
                else:
                    writing.write(place, change.before)
        for temporary, _, _ in staged:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        for folder in reversed(made_folders):
            with suppress(OSError):
                folder.rmdir()
        raise


def _make_folders(folder: Path) -> list[Path]:
    """Create a folder with its parents; return those that did not exist, outermost first."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _stage(place: Path, change: Change) -> Path:
    """Write the new content beside its place, with the permissions that it will have; return the path."""
    temporary = place.parent / f".s3c-{secrets.token_hex(8)}"
    mode = 0o600 if change.private else 0o666
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(change.after)
            if change.before is not None:
                os.fchmod(file.fileno(), place.stat().st_mode & 0o777)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(place)
        raise
    return temporary
