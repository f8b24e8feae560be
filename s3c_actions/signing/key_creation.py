"""Create a signing key with a self-signed certificate that the Notary Project's rules accept.

https://github.com/notaryproject/specifications/blob/main/specs/signature-specification.md#certificate-requirements
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.signing import certificate_rules, certificates, identities, key_files
from s3c_actions.signing.libraries import ec, hashes, serialization, x509

if TYPE_CHECKING:
    from cryptography.x509 import Name

_BACKDATED = timedelta(hours=1)
"""Verifiers whose clocks are a little slow accept it at once."""


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """A new key with its certificate, both in PEM.

    Attributes:
        key: unencrypted PKCS#8; a secret.
        certificate: self-signed.
        subject: for people.
        ends: when the certificate expires.
    """

    key: bytes
    certificate: bytes
    subject: str
    ends: datetime

    def __repr__(self) -> str:
        return f"KeyPair(subject={self.subject!r}, ends={self.ends!r})"


def create(subject: str, now: datetime, life: timedelta) -> KeyPair:
    """Create an EC key on P-256 and its certificate.

    Args:
        subject: as `identities.parse_subject` accepts it.
        now: with a time zone.
        life: of the certificate.

    Raises:
        InputError: the certificate would break a rule of the Notary Project.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(subject)
    start = now.replace(microsecond=0) - _BACKDATED
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(now.replace(microsecond=0) + life)
        .add_extension(_key_usage(), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_rules.check((certificate,), now, key, field="subject")
    return KeyPair(
        key=key_files.encode_key_pem(key),
        certificate=certificate.public_bytes(serialization.Encoding.PEM),
        subject=certificates.subject(certificate),
        ends=certificate.not_valid_after_utc,
    )


def _name(subject: str) -> Name:
    kinds = {
        "C": x509.oid.NameOID.COUNTRY_NAME,
        "ST": x509.oid.NameOID.STATE_OR_PROVINCE_NAME,
        "L": x509.oid.NameOID.LOCALITY_NAME,
        "O": x509.oid.NameOID.ORGANIZATION_NAME,
        "OU": x509.oid.NameOID.ORGANIZATIONAL_UNIT_NAME,
        "CN": x509.oid.NameOID.COMMON_NAME,
    }
    attributes = identities.parse(subject)
    try:
        return x509.Name(
            [x509.NameAttribute(oid, attributes[kind]) for kind, oid in kinds.items() if kind in attributes]
        )
    except ValueError as error:
        raise InputError("subject", f"it cannot be written into a certificate: {error}.") from error


def _key_usage() -> x509.KeyUsage:
    """Return a key usage of digitalSignature alone."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
