"""Which values are secret: passwords in addresses, wherever an input holds one."""

from __future__ import annotations

import pytest

from s3c_actions.core.secret_values import assigned_secrets, embedded_secrets


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


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("POSTGRES_PASSWORD=hunter2=long", "hunter2=long"),
        ("db.password=hunter2long", "hunter2long"),
        ("app-token=0123456789", "0123456789"),
        ("DATABASE_URL=postgres://shop:hunter2@db/shop", "hunter2"),
        ("POSTGRES_PASSWORD=smoke", None),
        ("DB_HOST=voting-db", None),
        ("TOKEN_FILE=/run/secrets/token", None),
        ("PASSWORD", None),
    ],
)
def test_variables_for_something_else_are_secret_by_the_same_rules(line: str, secret: str | None) -> None:
    assert (secret in {*assigned_secrets([line])}) if secret else not [*assigned_secrets([line])]
