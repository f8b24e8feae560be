"""`exception revoke`: digests as the list shows them."""

from __future__ import annotations

import pytest

from s3c_actions.options.exception_revoke import ExceptionRevokeInputs

PARSE = ExceptionRevokeInputs.exceptions.parse


def test_digests_are_given_whole_or_by_their_beginning() -> None:
    assert PARSE("sha256:0123456789ab, 0123456") == ("sha256:0123456789ab", "sha256:0123456")


@pytest.mark.parametrize("text", ["sha256:", "012345", "sha512:0123456789ab", "CVE-2024-1", f"sha256:{65 * '0'}"])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="digests as"):
        PARSE(text)
