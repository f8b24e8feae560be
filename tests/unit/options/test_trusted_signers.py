"""The inputs on trusted signers: what they are without a word of the user's, and what they refuse."""

from __future__ import annotations

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.options.declare import read
from s3c_actions.options.trusted_signers import LEVELS, TrustOptions
from s3c_actions.signing import timestamps


def given(**flags: str) -> TrustOptions:
    return read(TrustOptions, {name.replace("_", "-"): text for name, text in flags.items()}, {}, lambda _notice: None)


def test_the_strictest_is_the_default() -> None:
    options = given()
    assert (options.verification_level, options.verify_timestamp) == (LEVELS[0], timestamps.ALWAYS)
    assert not (options.trust_store or options.trusted_identity or options.trusted_timestamp_root)


def test_a_version_is_named_or_the_newest() -> None:
    assert given(trusted_vault_version="newest\n" + "AB" * 16).trusted_vault_version == ("", "ab" * 16)


@pytest.mark.parametrize(
    ("name", "text"),
    [("verification-level", "skip"), ("verify-timestamp", "never"), ("trusted-vault-version", "latest")],
)
def test_what_is_not_understood_trusts_nobody(name: str, text: str) -> None:
    with pytest.raises(InputError) as error:
        given(**{name: text})
    assert (error.value.field, error.value.exit_code) == (name, 2)
