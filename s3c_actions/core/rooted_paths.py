"""Paths inside of an unpacked image, whose links may lead anywhere: they are resolved as if its folder were the root.

A process that shares the folder could exchange a component meanwhile, so nothing of the image runs at that time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

MAX_LINKS = 40
MAX_FILES = 2_000_000


def resolve_inside(root: Path, name: str, *, last: bool = True) -> Path | None:
    """Return where a path of an image is on this machine, always below `root`; None when it does not exist.

    Args:
        root: folder of the unpacked image, itself without links.
        name: absolute or relative path in the image; `..` does not leave it.
        last: whether a link as the last component is followed; without, that component need not exist.
    """
    pending = [part for part in reversed(name.split("/")) if part not in ("", ".")]
    parts: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part == ".":
            continue
        if part == "..":
            parts = parts[:-1]
            continue
        path = root.joinpath(*parts, part)
        if not pending and not last:
            return path
        try:
            mode = path.lstat().st_mode
        except OSError:
            return None
        if stat.S_ISLNK(mode):
            links += 1
            if links > MAX_LINKS:
                return None
            target = str(path.readlink())
            if target.startswith("/"):
                parts = []
            pending += [piece for piece in reversed(target.split("/")) if piece]
        else:
            parts.append(part)
    return root.joinpath(*parts)


@contextmanager
def open_inside(root: Path, name: str) -> Iterator[BinaryIO | None]:
    """Open a regular file of an image for reading; yields None for everything else."""
    path = resolve_inside(root, name)
    file: BinaryIO | None = None
    if path is not None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            descriptor = -1
        if descriptor >= 0 and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
        elif descriptor >= 0:
            file = os.fdopen(descriptor, "rb")
    try:
        yield file
    finally:
        if file is not None:
            file.close()


def list_files(root: Path) -> Iterator[str]:
    """Yield the paths of the regular files below a folder, relative to it; no link is followed."""
    count = 0
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if stat.S_ISREG(path.lstat().st_mode):
                count += 1
                if count > MAX_FILES:
                    return
                yield str(path.relative_to(root))
