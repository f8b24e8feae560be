"""Apply layers to a file system, as containerd does: whiteouts, opaque folders, links, folders behind symbolic links.

https://github.com/opencontainers/image-spec/blob/v1.1.0/layer.md#representing-changes
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

from s3c_actions.layers.decompression import UnreadableLayer
from s3c_actions.layers.model import Entry, EntryType
from s3c_actions.layers.tar_reader import Member

MAX_ENTRIES = 2_000_000
"""Most entries of an image's layers together."""
MAX_TEXT = 256 * 1024 * 1024
"""Most characters of names, targets of links and extended attributes that are held of an image's layers together."""
MAX_IRREGULAR = 1000
MAX_LINKS = 255
MAX_STEPS = 5_000_000
"""Most parts of paths that are looked up; links and markers can make any number of them of few entries."""
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_ROOT = Entry(type=EntryType.FOLDER, implied=True)


class FileSystem:
    """The files of an image, as its layers leave them.

    Attributes:
        entries: path, without a slash at its start → what is there; the root is not listed.
        irregular: path → why runtimes may unpack a layer differently there, in a clause.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.irregular: dict[str, str] = {}
        self._children: dict[str, set[str]] = {}
        self._resolved: dict[str, str] = {}
        self._walked: set[str] = set()
        self._count = 0
        self._steps = 0
        self._text = 0
        self._walked_text = 0

    def copy(self) -> Self:
        """Return a copy, which further layers may be applied to."""
        copied = type(self)()
        copied.entries = dict(self.entries)
        copied.irregular = dict(self.irregular)
        copied._children = {path: set(names) for path, names in self._children.items()}
        copied._count, copied._text = self._count, self._text
        return copied

    def apply(self, members: Iterable[Member]) -> None:
        """Apply a layer.

        Raises:
            UnreadableLayer: a runtime would reject it, or it has too many entries.
        """
        written: set[str] = set()
        filled: set[str] = set()
        removed: set[str] = set()
        for member in members:
            self._count += 1
            if self._count > MAX_ENTRIES:
                raise UnreadableLayer(f"the layers have more than {MAX_ENTRIES:,} entries")
            self._hold(len(member.path) + (member.entry.text_size if member.entry is not None else len(member.link)))
            folder, _, name = member.path.rpartition("/")
            if not member.path:
                continue  # the root's own owner and times; a runtime sets its permissions itself
            if member.escapes:
                self._note(member.path, "a name in its layer leads out of its folder")
            if f"/{_WHITEOUT}" in f"/{folder}":
                self._note(member.path, "its folder has the name of a marker, which readers understand differently")
            parent = self.resolve(folder)
            if name.startswith(_WHITEOUT):
                self._white_out(parent, name, written, filled, removed)
                continue
            path = f"{parent}/{name}" if parent else name
            self._hold(len(parent))  # which links make long of a short name
            if path in written:
                self._note(path, "its layer has it twice")
            if path in removed:
                self._note(path, "its layer removes it and has it")
            self._make_parents(parent)
            entry = member.entry if member.entry is not None else self._linked(member)
            self._put(path, entry)
            written.add(path)
            while parent not in filled:
                filled.add(parent)
                self._hold(len(parent))
                parent = parent.rpartition("/")[0]

    def _white_out(self, parent: str, name: str, written: set[str], filled: set[str], removed: set[str]) -> None:
        if name == _OPAQUE:
            if parent in filled:
                self._note(parent, "its layer empties the folder after it filled it")
            self._empty(parent, written, filled)
            return
        hidden = name.removeprefix(_WHITEOUT)
        path = f"{parent}/{hidden}" if parent else hidden
        if hidden in ("", ".", "..") or hidden.startswith(_WHITEOUT):
            self._note(path, "its layer has a marker that readers understand differently")
            return
        if path in written:
            self._note(path, "its layer removes it and has it")
        self._hold(len(parent))
        removed.add(path)
        self._remove(path)

    def _empty(self, folder: str, written: set[str], filled: set[str]) -> None:
        """Remove what is in a folder, but for what this layer has put there."""
        waiting = [folder]
        while waiting:
            emptied = waiting.pop()
            for child in tuple(self._children.get(emptied, ())):
                self._step()
                path = f"{emptied}/{child}" if emptied else child
                if path in filled:
                    waiting.append(path)
                elif path not in written:
                    self._remove(path)

    def _hold(self, characters: int) -> None:
        self._text += characters
        if self._text + self._walked_text > MAX_TEXT:
            raise UnreadableLayer(f"the names in the layers are longer than {MAX_TEXT // 1024**2} MiB")

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise UnreadableLayer("its links and markers make more paths than are looked up here")

    def _linked(self, member: Member) -> Entry:
        folder, _, name = member.link.rpartition("/")
        parent = self.resolve(folder)
        entry = self.entries.get(f"{parent}/{name}" if parent else name)
        if entry is None or entry.is_folder:
            raise UnreadableLayer("a hard link in it is a name of nothing")
        return entry

    def _put(self, path: str, entry: Entry) -> None:
        current = self.entries.get(path)
        if current is not None and not (current.is_folder and entry.is_folder):
            self._remove(path)
        if path in self._walked and entry.type is EntryType.SYMLINK:
            self._forget()
        self.entries[path] = entry
        folder, _, name = path.rpartition("/")
        self._children.setdefault(folder, set()).add(name)

    def _remove(self, path: str) -> None:
        waiting = [path]
        while waiting:
            removed = waiting.pop()
            entry = self.entries.pop(removed, None)
            waiting += [f"{removed}/{child}" for child in self._children.pop(removed, ())]
            if entry is not None and entry.type is EntryType.SYMLINK and removed in self._walked:
                self._forget()
        folder, _, name = path.rpartition("/")
        self._children.get(folder, set()).discard(name)

    def _make_parents(self, folder: str) -> None:
        while folder:
            current = self.entries.get(folder)
            if current is not None:
                if not current.is_folder:
                    raise UnreadableLayer("it puts something below what is no folder")
                return
            self._hold(len(folder))
            self._put(folder, _ROOT)
            folder = folder.rpartition("/")[0]

    def _note(self, path: str, why: str) -> None:
        if len(self.irregular) < MAX_IRREGULAR:
            self.irregular.setdefault(path, why)

    def _forget(self) -> None:
        self._resolved.clear()
        self._walked.clear()
        self._walked_text = 0

    def resolve(self, folder: str) -> str:
        """Return where a folder is, with every symbolic link in its path followed, within the image.

        Raises:
            UnreadableLayer: the links go round.
        """
        known = self._resolved.get(folder)
        if known is not None:
            return known
        waiting = list(reversed([part for part in folder.split("/") if part]))
        place: list[str] = []
        links = 0
        while waiting:
            part = waiting.pop()
            self._step()
            if part == "..":
                del place[-1:]
                continue
            place.append(part)
            path = "/".join(place)
            if path not in self._walked:
                self._walked.add(path)
                self._walked_text += len(path)
                self._hold(0)
            entry = self.entries.get(path)
            if entry is None or entry.type is not EntryType.SYMLINK:
                continue
            links += 1
            if links > MAX_LINKS:
                raise UnreadableLayer("symbolic links in the image go round")
            place = [] if entry.target.startswith("/") else place[:-1]
            waiting += [part for part in reversed(entry.target.split("/")) if part not in ("", ".")]
        self._resolved[folder] = resolved = "/".join(place)
        return resolved

    def locate(self, path: str) -> str:
        """Return where the name of a package's file is, whatever is there; raises as `resolve` does.

        Args:
            path: with or without a slash at its start.
        """
        folder, _, name = path.strip("/").rpartition("/")
        parent = self.resolve(folder)
        return f"{parent}/{name}" if parent else name

    def below(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """Yield path and entry of everything directly in a folder, by name."""
        for name in sorted(self._children.get(folder, ())):
            path = f"{folder}/{name}" if folder else name
            yield path, self.entries[path]

    def read(self, path: str) -> bytes | None:
        """Return the content of a file that was kept; None without one."""
        entry = self.entries.get(self.locate(path))
        return entry.content if entry is not None else None
