"""Which values are secret: passwords in addresses, wherever an input holds one."""

from __future__ import annotations

import pytest

from s3c_actions.core.secret_values import embedded_secrets


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://user:hunter2@registry.test/app:1", "hunter2"),
        ("user:hunter2@registry.test/app:1", "hunter2"),
        ("localhost:5000/a,user:hunter2@localhost:5000/app", "hunter2"),
        ("r.test/app=https://user:hunter%40@r.test/app", "hunter@"),
        ("https://a-token-of-20-letters@registry.test/x", "a-token-of-20-letters"),
        ("r.test/app:1@sha256:" + "0" * 64, None),
        ("r.test:5000/app:1.4@latest", None),
        ("ssh://git@github.com/acme/app", None),
        ("who@example.test", None),
    ],
)
def test_passwords_in_addresses_are_found_in_any_value(text: str, secret: str | None) -> None:
    assert (secret in {*embedded_secrets(text)}) if secret else not [*embedded_secrets(text)]
