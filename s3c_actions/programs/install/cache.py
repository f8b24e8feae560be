"""A cache that several processes share: locks, scratch folders, and atomic installation."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from s3c_actions.core.errors import InputError, OutsideError

POLL = 0.1
STALE_SECONDS = 24 * 3600.0


@contextmanager
def lock_file(
    path: Path,
    *,
    shared: bool = False,
    wait: bool = True,
    notice: Callable[[], None] = lambda: None,
) -> Iterator[bool]:
    """Hold a lock file; the kernel releases it when the process ends, however it ends.

    Args:
        path: created when it does not exist, and kept.
        shared: whether others may hold it shared at the same time.
        wait: whether to wait for its holder; otherwise the value is False when it is held.
        notice: called once before waiting.
    """
    make_private_folders(path.parent)
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with path.open("ab") as file:
        noticed = False
        while True:
            try:
                fcntl.flock(file, mode | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not wait:
                    yield False
                    return
            if not noticed:
                notice()
                noticed = True
            time.sleep(POLL)
        yield True


@contextmanager
def open_scratch_folder(parent: Path, prefix: str, *, alone: bool = False) -> Iterator[Path]:
    """Create a folder on the same disk as `parent`, removed at the end unless it was renamed into place.

    Folders left by killed processes are removed as well: those of this prefix when a lock ensures that no other process
    has one (`alone`), others once they are older than STALE_SECONDS.
    """
    make_private_folders(parent)
    for old in parent.glob(".tmp-*"):
        try:
            abandoned = time.time() - old.stat().st_mtime > STALE_SECONDS
        except OSError:
            continue  # its owner removed it in between
        if abandoned or (alone and old.name.startswith(f".tmp-{prefix}")):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".tmp-{prefix}", dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_private_folders(folder: Path) -> None:
    """Create a folder and its missing parents, for this user alone (0700)."""
    if not folder.is_dir():
        make_private_folders(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def check_writable(cache: Path) -> None:
    """Create the cache's folder unless it exists. Raise as `translate_disk_errors` does when it cannot be written."""
    with translate_disk_errors(cache):
        make_private_folders(cache)
        if not os.access(cache, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(cache))


@contextmanager
def translate_disk_errors(cache: Path) -> Iterator[None]:
    """Translate the file system's errors on the cache.

    Raises:
        OutsideError: the disk is full.
        InputError: naming S3C_CACHE: the cache cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutsideError(
                f"The disk that holds the cache {cache} is full.",
                cause=f"{free_bytes(cache) // 1024**2:,} MiB are free.",
                remedy="Free some space, or move the cache with S3C_CACHE to a larger disk.",
                original=str(error),
            ) from error
        in_the_way = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
        if in_the_way or not cache.is_dir():
            raise InputError(
                "S3C_CACHE",
                f"the cache {cache} cannot be written: {error.strerror}.",
                remedy="Name a folder this user may write to.",
                original=str(error),
            ) from error
        raise


def free_bytes(folder: Path) -> int:
    """Return the free bytes on the disk of a folder, or of its nearest existing parent."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
