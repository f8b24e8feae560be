"""What a trust policy says of time-stamps."""

from __future__ import annotations

import pytest

from s3c_actions.signing import timestamps


@pytest.mark.parametrize("check", timestamps.CHECKS)
def test_when_a_time_stamp_is_needed_is_written_only_where_one_is_trusted(check: str) -> None:
    assert timestamps.signature_verification("strict", check, stamped=False) == {"level": "strict"}
    assert timestamps.signature_verification("strict", check, stamped=True) == {
        "level": "strict",
        "verifyTimestamp": check,
    }
