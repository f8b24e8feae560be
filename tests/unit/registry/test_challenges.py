"""Which challenge of a registry is answered."""

from __future__ import annotations

import pytest

from s3c_actions.registry.challenges import choose, parse

BEARER = 'Bearer realm="https://auth.example/token",service="registry"'
BASIC = 'Basic realm="registry"'


@pytest.mark.parametrize(
    ("lines", "scheme", "realm"),
    [
        ([BASIC, BEARER], "bearer", "https://auth.example/token"),
        ([f"Negotiate, {BASIC}"], "basic", "registry"),
        # Nobody gives tokens for these: name and password are what is left.
        (["Bearer", BASIC], "basic", "registry"),
        (['Bearer service="registry"', BASIC], "basic", "registry"),
        (['Bearer realm="registry"', BASIC], "basic", "registry"),
        (['Bearer realm="", Basic realm="registry"'], "basic", "registry"),
        (["Bearer error=invalid_token", BEARER], "bearer", "https://auth.example/token"),
        # The error about it says what the registry lacks.
        (["Bearer"], "bearer", ""),
        (["Basic"], "basic", ""),
    ],
)
def test_a_token_is_asked_for_where_somebody_gives_one(lines: list[str], scheme: str, realm: str) -> None:
    chosen = choose(parse(lines))
    assert chosen is not None
    assert (chosen.scheme, chosen.parameters.get("realm", "")) == (scheme, realm)


def test_what_is_not_supported_is_not_answered() -> None:
    assert choose(parse(["Negotiate", 'Digest realm="x"'])) is None
    assert choose(parse([])) is None
