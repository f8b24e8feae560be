"""Records of what this machine installed, by content: nothing else in a cache is trusted.

A cache may be restored, copied or shared; the records lie in the state folder (`folders.state_folder`), which is none
of these. Uses the standard library only: `actions/environment.py` imports it before any package is installed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from s3c_actions.core import folders

_KEY_BYTES = 32
SETTLED_NS = 2_000_000_000
"""Nanoseconds after a file's last change from which its state says whether it is changed again."""


class Records:
    """The records of this user on this machine.

    Args:
        folder: the state folder; created with mode 0700 when something is recorded.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Records:
        """Return the records for an environment.

        Raises:
            Unsafe: no folder for them is known.
        """
        return cls(folders.state_folder(environment))

    def origin(self, recipe: str, digest: str) -> str:
        """Return how a file of this content was installed by this recipe; empty when this machine did not install it.

        Args:
            recipe: what was installed and how, as a relative path.
            digest: SHA-256 of the file, in hexadecimal.
        """
        return self._read(Path("files") / recipe / digest).strip()

    def add(self, recipe: str, digest: str, origin: str) -> None:
        """Record that a file was installed.

        Raises:
            OSError: it cannot be written.
        """
        self._write(Path("files") / recipe / digest, origin)

    def sha256(self, path: Path) -> str:
        """Return the SHA-256 of a file, in hexadecimal; its content is hashed again only as `has_tree` says.

        Raises:
            OSError: it cannot be read.
        """
        name = f"sha256-{hashlib.sha256(os.path.realpath(path).encode(errors='surrogateescape')).hexdigest()[:32]}"
        before = path.stat()
        recorded = self.remembered(name)
        if recorded.get("seen") == _file_state(before) and os.access(path, os.R_OK):
            return str(recorded.get("sha256"))
        digest = file_sha256(path)
        # Within a tick of the file system's clock, a second change would not be seen.
        is_settled = before.st_ctime_ns < time.time_ns() - SETTLED_NS and _file_state(path.stat()) == _file_state(
            before
        )
        if is_settled:
            with suppress(OSError):  # content is then hashed again the next time
                self.remember(name, {"seen": _file_state(before), "sha256": digest})
        return digest

    def has_tree(self, folder: Path) -> bool:
        """Return whether a folder holds exactly the recorded files, unchanged.

        Contents are hashed again only where the file system reports a change: no user can set the time of a file's last
        change of status (ctime) back, and a restored or copied file has another.
        """
        record = self._tree(folder)
        recorded = self._json(record)
        if not recorded.get("content"):
            return False
        try:
            metadata = stat_hash(folder)
            if recorded.get("touched") == metadata:
                return True
            if recorded["content"] != content_hash(folder):
                return False
        except OSError:
            return False
        with suppress(OSError):  # contents are then hashed again the next time
            self._write(record, json.dumps({**recorded, "touched": metadata}))
        return True

    def add_tree(self, folder: Path) -> None:
        """Record the content of a folder, under its real path.

        Raises:
            OSError: it cannot be read, or the record cannot be written.
        """
        facts = {"path": os.path.realpath(folder), "touched": stat_hash(folder), "content": content_hash(folder)}
        self._write(self._tree(folder), json.dumps(facts))

    def remember(self, name: str, facts: Mapping[str, object]) -> None:
        """Record small facts for later runs.

        Raises:
            OSError: they cannot be written.
        """
        self._write(Path("facts") / f"{name}.json", json.dumps(dict(facts)))

    def remembered(self, name: str) -> dict[str, object]:
        """Return the facts recorded under a name; empty when there are none."""
        return self._json(Path("facts") / f"{name}.json")

    def key(self) -> bytes:
        """Return a random key of this machine, to authenticate what is kept in a cache.

        Raises:
            OSError: it can neither be read nor created.
        """
        path = Path("key")
        # The first time it is created; a file that a crash left cut off, whose key others could guess, is replaced.
        for replace in (False, True):
            if key := _parse_key(self._read(path)):
                return key
            self._write(path, secrets.token_hex(_KEY_BYTES), replace=replace)
        if key := _parse_key(self._read(path)):
            return key
        raise OSError(errno.EIO, "it holds no key", str(self.folder / path))

    def _tree(self, folder: Path) -> Path:
        return Path("trees") / f"{hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:32]}.json"

    def _json(self, path: Path) -> dict[str, object]:
        try:
            facts = json.loads(self._read(path))
        except ValueError:
            return {}
        return facts if isinstance(facts, dict) else {}

    def _read(self, path: Path) -> str:
        if folders.shared_reason(self.folder):
            return ""
        try:
            return (self.folder / path).read_text()
        except (OSError, ValueError):
            return ""

    def _write(self, path: Path, text: str, *, replace: bool = True) -> None:
        target = folders.make_private(self.folder) / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
            if replace:
                Path(name).replace(target)
            else:
                with suppress(FileExistsError):
                    target.hardlink_to(name)
        finally:
            Path(name).unlink(missing_ok=True)


def _parse_key(text: str) -> bytes:
    """Return the key that a file holds; empty when it holds none."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        return b""
    return key if len(key) == _KEY_BYTES else b""


def _file_state(status: os.stat_result) -> list[int]:
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stat_hash(folder: Path) -> str:
    """Return a hash of the metadata of each file in a folder; it changes whenever a file is changed."""
    digest = hashlib.sha256()
    for entry, name in _files(str(folder), ""):
        status = entry.stat(follow_symlinks=False)
        facts = (status.st_mode, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        digest.update(f"{name}\0{facts}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def content_hash(folder: Path) -> str:
    """Return a hash of the name, mode and content of each file in a folder."""
    digest = hashlib.sha256()
    for entry, name in _files(str(folder), ""):
        mode = entry.stat(follow_symlinks=False).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise OSError(errno.EINVAL, "neither a file nor a link", entry.path)
        hashed = Path(entry.path).readlink() if stat.S_ISLNK(mode) else file_sha256(Path(entry.path))
        digest.update(f"{name}\0{mode}\0{hashed}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _files(folder: str, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        # Byte code of pytest beside Python's own; no import reads it.
        if entry.name.endswith(".pyc") and "-pytest-" in entry.name:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path, f"{prefix}{entry.name}/")
        else:
            yield entry, prefix + entry.name
