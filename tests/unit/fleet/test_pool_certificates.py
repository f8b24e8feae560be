"""The certificates of a pool: an authority without its key, servers and clients that are nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from s3c_actions.fleet import pool_certificates
from s3c_actions.fleet.pool_certificates import PoolCertificates

NOW = datetime(2026, 11, 29, 2, 30, 15, 99, tzinfo=UTC)
NAMES = ["*.s3c-buildkit.fleet.svc", "*.s3c-buildkit.fleet.svc.cluster.local"]


@pytest.fixture(scope="module")
def issued() -> PoolCertificates:
    return pool_certificates.issue(NAMES, NOW, timedelta(days=90))


def read(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


@pytest.mark.parametrize(
    ("side", "usage"),
    [("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH)],
)
def test_each_side_has_a_certificate_for_its_use_alone(
    issued: PoolCertificates, side: str, usage: x509.ObjectIdentifier
) -> None:
    certificate, key = read(getattr(issued, f"{side}_certificate")), getattr(issued, f"{side}_key")
    certificate.verify_directly_issued_by(read(issued.authority))
    assert load_pem_private_key(key, None).public_key() == certificate.public_key()
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc
    assert (certificate.not_valid_after_utc - NOW.replace(microsecond=0)).days == 90


def test_the_server_has_the_names_and_the_client_has_none(issued: PoolCertificates) -> None:
    server = read(issued.server_certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert server.get_values_for_type(x509.DNSName) == NAMES
    with pytest.raises(x509.ExtensionNotFound):
        read(issued.client_certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_the_authoritys_key_is_nowhere(issued: PoolCertificates) -> None:
    authority = read(issued.authority)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    for key in (issued.server_key, issued.client_key):
        assert load_pem_private_key(key, None).public_key() != authority.public_key()


def test_two_sets_do_not_trust_each_other(issued: PoolCertificates) -> None:
    other = pool_certificates.issue(NAMES, NOW, timedelta(days=90))
    with pytest.raises((ValueError, InvalidSignature)):
        read(issued.client_certificate).verify_directly_issued_by(read(other.authority))


def test_a_key_is_in_no_text(issued: PoolCertificates) -> None:
    assert "PRIVATE" not in repr(issued)
