"""A container to run, and what is seen of it; the same for every runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core.rooted_paths import resolve_inside

if TYPE_CHECKING:
    from s3c_actions.layers.unpacking import FetchedImage, FolderOwner
    from s3c_actions.registry.runtime_config import RuntimeConfig

MEMORY_BYTES = 1024**3
PROCESSES = 512
OPEN_FILES = 4096
PROCESSORS = 1.0
WRITABLE_BYTES = 256 * 1024**2
SHARED_BYTES = 64 * 1024**2
MAX_OUTPUT = 256 * 1024
"""Bytes that are kept of what a container or a command in it prints."""

TEMPORARY = ("/tmp", "/run", "/var/tmp")  # noqa: S108
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
"""Those that may be granted: what an entry point that begins as root needs to give its rights up."""

MAX_NESTED = 32
"""Folders of an image that are mounted again inside of others."""
MAX_ID = 1 << 20
PREFIX = "s3c-smoke-"
_LISTENING = "0A"
_ROW = re.compile(r"\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) ")


class UnpackedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image on this machine.

    Attributes:
        fetched: as its registry has it.
        root: folder of its files.
        folders: owners of its folders, by path.
        runtime: how it wants to be run.
    """

    fetched: FetchedImage
    root: Path
    folders: Mapping[str, FolderOwner] = {}
    runtime: RuntimeConfig


class WritableFolder(msgspec.Struct, frozen=True, kw_only=True):
    """A temporary file system: its path, and the owner, group and permissions of its root."""

    path: str
    user: int = 0
    group: int = 0
    mode: int = 0o1777

    @property
    def options(self) -> tuple[str, ...]:
        """Return its options of mount(8)."""
        owner = (f"uid={self.user}", f"gid={self.group}", f"mode={self.mode:o}")
        return ("nosuid", "nodev", *owner, f"size={WRITABLE_BYTES}")


class ContainerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A container to run.

    Attributes:
        name: begins with PREFIX.
        image: to run.
        argv: in place of what the image names; empty for that.
        environment: `NAME=value`, over the image's.
        writable: absolute paths that are writable, and empty, besides TEMPORARY and the image's volumes.
        capabilities: of CAPABILITIES.
        peer: the container whose network this one is in; empty for one of its own, which has the loopback alone.
        hosts: names that mean the loopback of that network.
    """

    name: str
    image: UnpackedImage
    argv: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    peer: str = ""
    hosts: tuple[str, ...] = ()

    @property
    def writable_folders(self) -> tuple[WritableFolder, ...]:
        """Return the file systems to mount, those around others first.

        A file system hides what the image has there, so the image's folders in it are mounted as well: the folder of a
        socket in /run has an owner of its own.
        """
        named = {self._real(path) for path in (*TEMPORARY, *self.image.runtime.volumes, *self.writable)}
        wanted = {path for path in named if path != "/" and not _special(path)}
        below = sorted(
            path
            for folder in self.image.folders
            if (path := f"/{folder}").startswith(tuple(f"{path}/" for path in wanted)) and not _special(path)
            if self._is_folder(path)
        )
        return tuple(self._describe(path) for path in sorted(wanted.union(below[:MAX_NESTED])))

    def _real(self, path: str) -> str:
        """Return an absolute path in the image without links and `..`."""
        inside = resolve_inside(self.image.root, path)
        return "/" + str(inside.relative_to(self.image.root)).removeprefix(".") if inside is not None else _normal(path)

    def _is_folder(self, path: str) -> bool:
        inside = resolve_inside(self.image.root, path, last=False)
        return inside is not None and inside.is_dir() and not inside.is_symlink()

    def _describe(self, path: str) -> WritableFolder:
        own = self.image.folders.get(path.strip("/"))
        if own is None or not 0 <= own.user < MAX_ID or not 0 <= own.group < MAX_ID:
            return WritableFolder(path=path)
        return WritableFolder(path=path, user=own.user, group=own.group, mode=own.mode)


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a container runs; the exit code when it has ended; whether its memory did not suffice."""

    running: bool
    code: int | None = None
    out_of_memory: bool = False


class ExecutedCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command that ran in a container: its exit code, None when it did not end in time, and what it printed."""

    code: int | None
    output: str


def listening_ports(table: str) -> frozenset[int]:
    """Return the ports on which something listens, of the content of /proc/net/tcp or tcp6 (proc(5))."""
    matches = (_ROW.match(row) for row in table.splitlines())
    return frozenset(int(match[2], 16) for match in matches if match and match[3] == _LISTENING)


def listening_ports_of(pid: int) -> frozenset[int] | None:
    """Return the ports on which something listens in the network of a process; None when that cannot be read."""
    try:
        tables = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    except OSError:
        return None
    return frozenset().union(*map(listening_ports, tables))


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def _special(path: str) -> bool:
    """Return whether a runtime has something of its own there, or could misread the path."""
    return f"{path}/".startswith(("/proc/", "/sys/", "/dev/")) or any(mark in path for mark in ":,\n\0")
