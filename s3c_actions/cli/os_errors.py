"""The operating system's errors about files and folders, in terms of what the user can change."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.storage_errors import translate

__all__ = ["no_output_folder", "translate", "translate_conflict", "translate_output"]


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
