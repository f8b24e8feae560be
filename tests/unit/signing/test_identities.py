"""Subjects as verifiers read them, and identities of trust policies."""

from __future__ import annotations

import pytest

from s3c_actions.signing import identities


def test_an_identity_that_another_covers_is_left_out() -> None:
    wide, narrow, other = (f"x509.subject: C=US, ST=WA, O={rest}" for rest in ("a", "a, CN=b", "c"))
    assert identities.widest([narrow, wide, other, wide]) == (wide, other)
    assert identities.widest([wide, narrow]) == (wide,)
    assert identities.identity_entries(identities.widest([narrow, wide, other])) == (wide, other)


def test_an_accepted_subject_stays_as_it_was_written() -> None:
    subject = "C=US, ST=WA, O=example, CN=release"
    assert identities.parse_subject(f" {subject} ") == subject


@pytest.mark.parametrize(
    "subject",
    ["", "CN=x", "C=US, O=x, CN=y", "C=USA, ST=WA, O=x", "C=U1, ST=WA, O=x", "C=US, ST=WA, O=" + "x" * 65,
     "C=US, ST=WA, O=x, E=a@b", "C=US, ST=WA, O=#41", "C=US, ST=WA, O=x\ny", "C=US, C=DE, ST=WA, O=x", "nonsense"],
)  # fmt: skip
def test_a_subject_that_verifiers_would_not_accept_is_rejected(subject: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        identities.parse_subject(subject)
