"""The operating system's errors about disks and rights, in terms of what the user can change."""

from __future__ import annotations

import errno

from s3c_actions.core.errors import OutsideError, S3CError

_STORAGE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
}


def translate(error: OSError) -> S3CError | None:
    """Translate an error of a disk or a folder; None for other errors."""
    problem = _STORAGE.get(error.errno or 0)
    if problem is None:
        return None
    return OutsideError(
        f"{error.filename or 'A file'} could not be written: {problem}.",
        remedy="Make room or give rights there, or move the cache with the environment variable S3C_CACHE, temporary "
        "files with RUNNER_TEMP or TMPDIR, and the reports with `output-dir`.",
        original=str(error),
    )
