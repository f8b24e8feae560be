"""Certificates with which BuildKits and the workers that use them know each other (mutual TLS).

Each set has an authority of its own, whose key is not kept: whoever has a certificate of it was given it. A renewal is
a new set. RFC 5280 for the extensions, RFC 6125 (6.4.3) for the wildcard, which stands for one label.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.signing.libraries import ec, hashes, serialization, x509

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_BACKDATED = timedelta(hours=1)
"""Machines whose clocks are a little slow accept them at once."""


class PoolCertificates(msgspec.Struct, frozen=True, kw_only=True):
    """A set, each in PEM; keys are PKCS#8, not encrypted, and secrets.

    Attributes:
        authority: certificate that both sides trust, and nobody can issue from any more.
        server_certificate, server_key: of the BuildKits.
        client_certificate, client_key: of the workers.
    """

    authority: bytes
    server_certificate: bytes
    server_key: bytes
    client_certificate: bytes
    client_key: bytes

    def __repr__(self) -> str:
        return "PoolCertificates()"


def issue(names: Sequence[str], now: datetime, life: timedelta) -> PoolCertificates:
    """Issue a set.

    Args:
        names: DNS names of the BuildKits; `*` may be the first label.
        now: with a time zone.
        life: of all certificates of the set.
    """

    def pem(certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(key: EllipticCurvePrivateKey) -> bytes:
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    authority_key, server_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    start = now.replace(microsecond=0)
    own = _Issuer(key=authority_key, start=start - _BACKDATED, end=start + life)
    authority = _certificate("s3c BuildKit pool", authority_key, own)
    issuer = msgspec.structs.replace(own, certificate=authority)
    server = _certificate("buildkitd", server_key, issuer, x509.oid.ExtendedKeyUsageOID.SERVER_AUTH, names)
    client = _certificate("s3c worker", client_key, issuer, x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH)
    return PoolCertificates(
        authority=pem(authority),
        server_certificate=pem(server),
        server_key=key_pem(server_key),
        client_certificate=pem(client),
        client_key=key_pem(client_key),
    )


class _Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """The authority, and the time for which it issues; without its certificate, it issues its own."""

    key: EllipticCurvePrivateKey
    start: datetime
    end: datetime
    certificate: x509.Certificate | None = None


def _certificate(
    name: str,
    key: EllipticCurvePrivateKey,
    issuer: _Issuer,
    usage: x509.ObjectIdentifier | None = None,
    names: Sequence[str] = (),
) -> x509.Certificate:
    """Return a certificate; the authority's own may issue certificates for ends, and for nothing below them."""
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    is_authority = issuer.certificate is None
    use = x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer.certificate is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(issuer.start)
        .not_valid_after(issuer.end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(use, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())
