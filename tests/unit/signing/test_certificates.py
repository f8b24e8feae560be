"""What a certificate states of itself."""

from __future__ import annotations

import hashlib
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from s3c_actions.signing import certificates
from s3c_lab.certificates import Identity, make, make_authority, pem

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def test_facts() -> None:
    certificate = make("facts", end=NOW + timedelta(days=10, hours=1)).certificate
    assert certificates.days_left(certificate, NOW) == 10
    assert certificates.is_self_signed(certificate)
    assert certificates.subject(certificate) == "CN=facts,O=s3c lab,ST=WA,C=US"
    # The thumbprint is what OpenSSL calls the SHA-256 fingerprint: of the DER, not of the PEM.
    der = ssl.PEM_cert_to_DER_cert(pem(certificate).decode())
    assert certificates.thumbprint(certificate) == hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize(
    ("identity", "alone"),
    [
        (make("signer"), True),
        (make("signer", authority=False), True),
        (make_authority("root"), False),
        (make("below", issuer=make_authority("root")), False),
    ],
)
def test_a_certificate_vouches_for_itself_alone_when_it_can_issue_no_other(identity: Identity, alone: bool) -> None:
    assert certificates.is_own_anchor(identity.certificate) is alone


def test_a_renewed_certificate_of_the_same_key_is_the_same_key() -> None:
    first = make("a")
    again, other = make("a", key=first.key), make("a")
    assert certificates.thumbprint(first.certificate) != certificates.thumbprint(again.certificate)
    assert certificates.key_thumbprint(first.certificate) == certificates.key_thumbprint(again.certificate)
    assert certificates.key_thumbprint(first.certificate) != certificates.key_thumbprint(other.certificate)


@pytest.mark.parametrize(("days", "short"), [(3, True), (7, True), (8, False), (365, False)])
def test_a_certificate_of_a_week_is_short_lived(days: int, short: bool) -> None:
    signer = make("daily", start=NOW.replace(microsecond=0), end=NOW.replace(microsecond=0) + days * DAY)
    assert certificates.is_short_lived(signer.certificate) is short
