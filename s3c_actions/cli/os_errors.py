"""The operating system's errors about files and folders, in terms of what the user can change."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from s3c_actions.core.errors import InputError, OutsideError, S3CError

_STORAGE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
}


def translate(error: OSError) -> S3CError | None:
    """The error of a disk or a folder that is in the way; None when it is something else."""
    clause = _STORAGE.get(error.errno or 0)
    if clause is None:
        return None
    return OutsideError(
        f"{error.filename or 'A file'} could not be written: {clause}.",
        remedy="Make room or give rights there, or move the cache with the environment variable S3C_CACHE, temporary "
        "files with RUNNER_TEMP or TMPDIR, and the reports with `output-dir`.",
        original=str(error),
    )


def translate_output(error: OSError, environment: Mapping[str, str]) -> S3CError:
    """The error of a file of the runner or in the output folder.

    Args:
        error: raised while outputs, summary or reports were written.
        environment: has GITHUB_OUTPUT and GITHUB_STEP_SUMMARY in a workflow.
    """
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        if error.filename and environment.get(name) == str(error.filename):
            return InputError(
                name,
                f"the runner's file {error.filename} could not be written: {error.strerror}.",
                remedy="Leave the variable to the runner; outside of a workflow, unset it.",
            )
    return translate(error) or no_output_folder(error)


def no_output_folder(error: OSError) -> InputError:
    """The input error that the output folder cannot be used."""
    return InputError(
        "output-dir",
        f"{error.filename or 'the folder'} could not be written: {error.strerror}.",
        remedy="Give another folder.",
    )


def translate_conflict(error: OSError, output: Path | None) -> S3CError | None:
    """The error of a file where the reports' folder has to be, or the other way round."""
    kinds = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
    if error.errno in kinds and output is not None and error.filename and Path(error.filename).is_relative_to(output):
        return no_output_folder(error)
    return None
