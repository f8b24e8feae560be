"""Which addresses count as safe on the way."""

import pytest

from s3c_actions.core.secure_urls import is_secure


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://feeds.example/x", True),
        ("http://127.0.0.1:8080/x", True),
        ("http://localhost/x", True),
        ("http://[::1]/x", True),
        ("http://feeds.example/x", False),
        ("http://localhost.example/x", False),
        ("http://127.0.0.1@feeds.example/x", False),
        ("ftp://feeds.example/x", False),
    ],
)
def test_only_what_nobody_on_the_way_can_change_is_secure(url, secure):
    assert is_secure(url) is secure
