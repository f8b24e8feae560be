"""The temporary folder of a run: removed at its end, and by a later run when it was killed before that."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR

PREFIX = "s3c-run-"
_LOCK = ".running"


@contextmanager
def folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder that only this user may enter (0700), removed at the end.

    What runs that were killed have left in the same place is removed first: keys may lie in it. A run that goes on is
    known by its lock, which the kernel takes away when the process ends, however it ends.

    Args:
        parent: where it lies; by default where the system has such folders.
    """
    parent = parent or Path(tempfile.gettempdir())
    for old in parent.glob(f"{PREFIX}*"):
        _sweep(old)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        # Locked before it has the name that others look for.
        with (made / f"{_LOCK}.new").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            Path(lock.name).rename(made / _LOCK)
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _sweep(old: Path) -> None:
    """Remove a folder of ours whose run has ended; in a place like /tmp, others may have put something in its stead."""
    try:
        is_ours = S_ISDIR(old.lstat().st_mode) and old.lstat().st_uid == os.geteuid()
        if not is_ours:
            return
        with (old / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old, ignore_errors=True)
    except OSError:
        return  # it runs, or is being made or removed at this moment
