"""What a certificate states: subject, key and validity, whether it signs itself, and whether it may issue others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from s3c_actions.core.errors import InputError
from s3c_actions.signing.libraries import crypto_exceptions, ec, hashes, padding, rsa, serialization, x509
from s3c_actions.signing.timestamps import SHORT_LIFE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.x509 import Certificate, Extension, ExtensionType


T = TypeVar("T", bound="ExtensionType")

LEAF_EXAMPLE = "openssl req -x509 … -addext 'keyUsage=critical,digitalSignature' -addext 'extendedKeyUsage=codeSigning'"


class CertificateError(InputError):
    """A certificate or key that cannot be used; `rule` names the rule it violates.

    Rules: `unreadable`, `password`, `expired`, `not-yet-valid`, `authority`, `key-usage`, `extended-key-usage`,
    `key-size`, `key-type`, `signature-algorithm`, `chain-order`, `chain-incomplete`, `chain-authority`, `key-mismatch`,
    `subject`.
    """

    def __init__(
        self, field: str, rule: str, what: str, *, cause: str = "", remedy: str = "", original: str = ""
    ) -> None:
        super().__init__(field, what, cause=cause, remedy=remedy, original=original)
        self.rule = rule


def is_valid_at(certificate: Certificate, now: datetime) -> bool:
    """Return whether a time, with its zone, is within a certificate's validity."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


@contextmanager
def reject_unreadable(field: str) -> Iterator[None]:
    """Translate the errors of certificates whose names, keys and extensions are malformed: they are parsed on access.

    Raises:
        CertificateError: `unreadable`.
    """
    try:
        yield
    except (
        ValueError,
        x509.DuplicateExtension,
        crypto_exceptions.UnsupportedAlgorithm,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise CertificateError(
            field,
            "unreadable",
            "a certificate in it cannot be read to its end.",
            cause="An extension, a name or a key in it is malformed or contradicts itself.",
            remedy=f"Issue it anew: {LEAF_EXAMPLE}.",
            original=str(error),
        ) from error


def is_authority(certificate: Certificate) -> bool:
    """Return whether a certificate may issue others (basicConstraints CA=true)."""
    constraints = find_extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.value.ca


def is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Return whether a certificate is signed by the key of another one, which it names as its issuer."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, crypto_exceptions.InvalidSignature, crypto_exceptions.UnsupportedAlgorithm):
        return False
    return True


def find_extension(certificate: Certificate, kind: type[T]) -> Extension[T] | None:
    """Return an extension of a certificate; None when it has none of this kind."""
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def public_bytes(public: PublicKeyTypes) -> bytes:
    """Return a public key as DER (SubjectPublicKeyInfo)."""
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def subject(certificate: Certificate) -> str:
    """Return the subject for display, by RFC 4514: `CN=…,O=…,ST=…,C=…`."""
    return certificate.subject.rfc4514_string() or "(a certificate without a subject)"


def thumbprint(certificate: Certificate) -> str:
    """Return the SHA-256 of the certificate's DER in hexadecimal, as in `io.cncf.notary.x509chain.thumbprint#S256`."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def key_thumbprint(certificate: Certificate) -> str:
    """Return the SHA-256 of the certificate's public key (SubjectPublicKeyInfo) in hexadecimal."""
    return hashlib.sha256(public_bytes(certificate.public_key())).hexdigest()


def is_short_lived(certificate: Certificate) -> bool:
    """Return whether a certificate is renewed every few days, as those of a signing service are."""
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc <= SHORT_LIFE


def days_left(certificate: Certificate, now: datetime) -> int:
    """Return the whole days until the certificate expires; negative when it has expired."""
    return (certificate.not_valid_after_utc - now).days


def is_self_signed(certificate: Certificate) -> bool:
    """Return whether the certificate is signed by its own key, with SHA-1 too: nobody is trusted for that signature."""
    if isinstance(certificate.signature_hash_algorithm, hashes.SHA1) and certificate.issuer == certificate.subject:
        return _is_signed_with_sha1(certificate)
    return is_issued_by(certificate, certificate)


def _is_signed_with_sha1(certificate: Certificate) -> bool:
    key, signature, content = certificate.public_key(), certificate.signature, certificate.tbs_certificate_bytes
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, content, padding.PKCS1v15(), hashes.SHA1())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, content, ec.ECDSA(hashes.SHA1()))
        else:
            return False
    except crypto_exceptions.InvalidSignature:
        return False
    return True


def encode_pem(certificates: Sequence[Certificate]) -> bytes:
    """Return the certificates as PEM, in their order."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def is_own_anchor(certificate: Certificate) -> bool:
    """Return whether trusting a certificate trusts its own key alone: it is self-signed, and cannot issue others."""
    return is_self_signed(certificate) and not is_authority(certificate)
