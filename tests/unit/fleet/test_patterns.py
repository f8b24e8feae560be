"""What RE2 does not take is no pattern."""

from __future__ import annotations

import pytest

from s3c_actions.fleet.patterns import compile_pattern


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "[", "a{1001}"])
def test_what_is_no_expression_of_re2_is_rejected(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        compile_pattern(pattern)
    assert capfd.readouterr().err == ""
