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


def translate_output(error: OSError, environment: Mapping[str, str]) -> S3CError:
    """Translate an error about a file of the runner or in the output folder.

    Args:
        error: raised while outputs, summary or reports were written.
        environment: contains GITHUB_OUTPUT and GITHUB_STEP_SUMMARY in a workflow.
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
    """Return the input error for an output folder that cannot be used."""
    return InputError(
        "output-dir",
        f"{error.filename or 'the folder'} could not be written: {error.strerror}.",
        remedy="Give another folder.",
    )


def translate_conflict(error: OSError, output: Path | None) -> S3CError | None:
    """Translate the error about a file where the reports' folder must be, or a folder where a file must be."""
    kinds = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
    if error.errno in kinds and output is not None and error.filename and Path(error.filename).is_relative_to(output):
        return no_output_folder(error)
    return None
