"""Errors of disks and rights are named as such, and no other error is."""

import errno

import pytest

from s3c_actions.core.storage_errors import translate


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM])
def test_an_error_of_storage_names_the_file_and_what_to_change(code: int) -> None:
    error = translate(OSError(code, "as the system says it", "/cache/x"))
    assert error is not None
    assert error.exit_code == 3
    assert error.what.startswith("/cache/x could not be written: ")
    assert "S3C_CACHE" in error.remedy
    assert "as the system says it" in error.original


def test_any_other_error_is_not_translated() -> None:
    assert translate(OSError(errno.ENOENT, "No such file", "/x")) is None
    assert translate(OSError("of no number")) is None
