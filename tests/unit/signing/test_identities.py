"""Subjects as verifiers read them."""

import pytest

from s3c_actions.signing import identities


def test_an_accepted_subject_stays_as_it_was_written():
    subject = "C=US, ST=WA, O=example, CN=release"
    assert identities.parse_subject(f" {subject} ") == subject


@pytest.mark.parametrize(
    "subject",
    ["", "CN=x", "C=US, O=x, CN=y", "C=USA, ST=WA, O=x", "C=U1, ST=WA, O=x", "C=US, ST=WA, O=" + "x" * 65,
     "C=US, ST=WA, O=x, E=a@b", "C=US, ST=WA, O=#41", "C=US, ST=WA, O=x\ny", "C=US, C=DE, ST=WA, O=x", "nonsense"],
)  # fmt: skip
def test_a_subject_that_verifiers_would_not_accept_is_rejected(subject):
    with pytest.raises(ValueError, match=r"."):
        identities.parse_subject(subject)
