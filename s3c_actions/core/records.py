"""What this machine installed itself, by content: nothing else that lies in a cache is believed.

A cache may be restored, copied or shared; the records lie in the state folder (`places.state_folder`), which is none of
these. For the standard library alone: `actions/environment.py` uses it before there is any package.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from s3c_actions.core import folders


class Records:
    """The records of one machine's user.

    Args:
        folder: the state folder; made, 0700, when something is recorded.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Records:
        """The records that go with an environment.

        Raises:
            Unsafe: no place for them is known.
        """
        return cls(folders.state_folder(environment))

    def origin(self, recipe: str, digest: str) -> str:
        """How a file of this content was installed by this recipe; empty when this machine did not.

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

    def has_tree(self, folder: Path) -> bool:
        """Whether a folder holds what was recorded of it: no file more, none less, none changed.

        Contents are hashed again only where the file system says that something was touched: no user can set the time
        of a file's last change of status (ctime) back, and what was restored or copied has another.
        """
        record = self._tree(folder)
        kept = self._json(record)
        if not kept.get("content"):
            return False
        try:
            now = touched(folder)
            if kept.get("touched") == now:
                return True
            if kept["content"] != content(folder):
                return False
        except OSError:
            return False
        with suppress(OSError):  # then contents are hashed the next time as well
            self._write(record, json.dumps({**kept, "touched": now}))
        return True

    def add_tree(self, folder: Path) -> None:
        """Record what is in a folder, under its real path.

        Raises:
            OSError: it cannot be read, or the record cannot be written.
        """
        facts = {"path": os.path.realpath(folder), "touched": touched(folder), "content": content(folder)}
        self._write(self._tree(folder), json.dumps(facts))

    def remember(self, what: str, facts: Mapping[str, object]) -> None:
        """Keep small facts that a later run believes.

        Raises:
            OSError: they cannot be written.
        """
        self._write(Path("facts") / f"{what}.json", json.dumps(dict(facts)))

    def remembered(self, what: str) -> dict[str, object]:
        """The facts of that name; empty when there are none."""
        return self._json(Path("facts") / f"{what}.json")

    def key(self) -> bytes:
        """A random key of this machine's, for what is kept in a cache and has to be known again.

        Raises:
            OSError: it can neither be read nor made.
        """
        path = Path("key")
        text = self._read(path).strip()
        if len(text) != 64:
            self._write(path, secrets.token_hex(32), replace=False)
            text = self._read(path).strip()
        return bytes.fromhex(text)

    def _tree(self, folder: Path) -> Path:
        return Path("trees") / f"{hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:32]}.json"

    def _json(self, path: Path) -> dict[str, object]:
        try:
            read = json.loads(self._read(path))
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}

    def _read(self, path: Path) -> str:
        if folders.shared(self.folder):
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


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def touched(folder: Path) -> str:
    """A hash of what the file system knows of each file in a folder; it changes whenever one is changed."""
    digest = hashlib.sha256()
    for entry, name in _files(str(folder), ""):
        status = entry.stat(follow_symlinks=False)
        facts = (status.st_mode, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        digest.update(f"{name}\0{facts}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def content(folder: Path) -> str:
    """A hash of the name, mode and content of each file in a folder."""
    digest = hashlib.sha256()
    for entry, name in _files(str(folder), ""):
        mode = entry.stat(follow_symlinks=False).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise OSError(errno.EINVAL, "neither a file nor a link", entry.path)
        held = Path(entry.path).readlink() if stat.S_ISLNK(mode) else sha256(Path(entry.path))
        digest.update(f"{name}\0{mode}\0{held}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _files(folder: str, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        # What pytest compiles beside Python's own; no import reads it.
        if entry.name.endswith(".pyc") and "-pytest-" in entry.name:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path, f"{prefix}{entry.name}/")
        else:
            yield entry, prefix + entry.name
