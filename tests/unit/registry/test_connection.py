"""Which addresses are the registry's own."""

from __future__ import annotations

import pytest

from s3c_actions.registry.connection import same_origin


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("https://reg.test/v2/x", "https://reg.test", True),
        ("https://reg.test:443/v2/x", "https://reg.test", True),
        ("https://reg.test/v2/x", "https://reg.test:443", True),
        ("http://localhost:80/v2/x", "http://localhost", True),
        ("https://REG.test/v2/x", "https://reg.test", True),
        ("https://[::1]:443/v2/x", "https://[::1]", True),
        ("http://reg.test:443/v2/x", "https://reg.test", False),
        ("http://reg.test/v2/x", "https://reg.test", False),
        ("https://reg.test:80/v2/x", "https://reg.test", False),
        ("https://reg.test:5000/v2/x", "https://reg.test", False),
        ("https://reg.test.evil.test/v2/x", "https://reg.test", False),
        ("https://reg.test@evil.test/v2/x", "https://reg.test", False),
        ("https://u:p@reg.test/v2/x", "https://reg.test", False),
        ("https://reg.test:x/v2/", "https://reg.test", False),
        ("https://reg.test:99999/v2/", "https://reg.test", False),
        ("//reg.test/v2/x", "https://reg.test", False),
    ],
)
def test_the_origin_of_an_address(first: str, second: str, same: bool) -> None:
    assert same_origin(first, second) is same
    assert same_origin(second, first) is same
