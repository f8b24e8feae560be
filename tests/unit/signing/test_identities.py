"""Identities of trust policies, as text."""

from __future__ import annotations

from s3c_actions.signing import identities


def test_an_identity_that_another_covers_is_left_out() -> None:
    wide, narrow, other = (f"x509.subject: C=US, ST=WA, O={rest}" for rest in ("a", "a, CN=b", "c"))
    assert identities.widest([narrow, wide, other, wide]) == (wide, other)
    assert identities.widest([wide, narrow]) == (wide,)
    assert identities.identity_entries(identities.widest([narrow, wide, other])) == (wide, other)
