"""Certificates and keys for the lab and the tests: valid by the Notary Project's rules, or invalid on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "EC-224": ec.SECP224R1,
    "EC-256": ec.SECP256R1,
    "EC-384": ec.SECP384R1,
    "EC-521": ec.SECP521R1,
}
CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING


@dataclass(frozen=True)
class Identity:
    """A private key with its certificate chain, leaf first."""

    key: CertificateIssuerPrivateKeyTypes = field(repr=False)
    chain: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        """The leaf, or the authority's own certificate."""
        return self.chain[0]

    def key_pem(self, password: str = "") -> bytes:
        """The key as PKCS#8 PEM, encrypted if a password is given."""
        encryption: serialization.KeySerializationEncryption = (
            serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        )
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)

    def chain_pem(self) -> bytes:
        """Every certificate as PEM, leaf first."""
        return b"".join(pem(certificate) for certificate in self.chain)

    def pkcs12(self, password: str) -> bytes:
        """Key and chain in one PKCS#12 file."""
        encryption: serialization.KeySerializationEncryption = (
            serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        )
        # Every kind of key this module makes is one that PKCS#12 holds.
        return pkcs12.serialize_key_and_certificates(b"s3c", self.key, self.chain[0], self.chain[1:], encryption)  # type: ignore[arg-type]

    def write(self, folder: Path, name: str, password: str = "") -> tuple[Path, Path]:
        """Write NAME.key (0600) and NAME.crt into the folder; returns both paths."""
        folder.mkdir(parents=True, exist_ok=True)
        key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
        key.touch(mode=0o600)
        key.write_bytes(self.key_pem(password))
        certificate.write_bytes(self.chain_pem())
        return key, certificate


def pem(certificate: x509.Certificate) -> bytes:
    """One certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def make_key(spec: str = "EC-256") -> CertificateIssuerPrivateKeyTypes:
    """A new private key: `EC-224` … `EC-521`, or `RSA-` and a number of bits."""
    kind, _, size = spec.partition("-")
    if kind == "RSA":
        return rsa.generate_private_key(65537, int(size))
    return ec.generate_private_key(_CURVES[spec]())


def subject(name: str, **parts: str) -> x509.Name:
    """A subject that a trust policy can pin: C, ST and O beside the common name; `""` leaves a part out."""
    values = {"C": "US", "ST": "WA", "O": "s3c lab", "CN": name, **parts}
    oids = {
        "C": NameOID.COUNTRY_NAME,
        "ST": NameOID.STATE_OR_PROVINCE_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "CN": NameOID.COMMON_NAME,
    }
    return x509.Name([x509.NameAttribute(oids[part], value) for part, value in values.items() if value])


def usage(*names: str) -> x509.KeyUsage:
    """A key usage with only the named bits, such as `digital_signature`."""
    bits = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: bit in names for bit in bits})


def make(
    name: str,
    *,
    issuer: Identity | None = None,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    spec: str = "EC-256",
    subject_name: x509.Name | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    key_usage: x509.KeyUsage | None = None,
    key_usage_critical: bool = True,
    extended: tuple[x509.ObjectIdentifier, ...] = (CODE_SIGNING,),
    extended_critical: bool = False,
    authority: bool | None = None,
    path_length: int | None = None,
    ocsp: str = "",
    alternatives: tuple[x509.GeneralName, ...] = (),
) -> Identity:
    """Create a certificate; by default a self-signed one that may sign images.

    Args:
        name: common name.
        issuer: signs it; None: it is self-signed.
        key: its key; None: a new one of `spec`.
        spec: as `make_key` takes it.
        subject_name: instead of `subject(name)`.
        start: of its validity, by default yesterday.
        end: of its validity, by default in a year.
        key_usage: by default digitalSignature alone, or keyCertSign and cRLSign for an authority.
        key_usage_critical: as the Notary Project asks.
        extended: extended key usages; none: no such extension.
        extended_critical: as RFC 3161 asks of a time-stamp authority.
        authority: basicConstraints' CA; None: no such extension.
        path_length: basicConstraints' pathLenConstraint.
        ocsp: address of the authority's OCSP responder.
        alternatives: other names of the subject, such as a server's.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    own = key or make_key(spec)
    own_name = subject_name or subject(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(own_name)
        .issuer_name(issuer.certificate.subject if issuer else own_name)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start or now - timedelta(days=1))
        .not_valid_after(end or now + timedelta(days=365))
    )
    if key_usage is None:
        key_usage = usage("key_cert_sign", "crl_sign") if authority else usage("digital_signature")
    builder = builder.add_extension(key_usage, critical=key_usage_critical)
    if authority is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=path_length), critical=True)
    if extended and not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=extended_critical)
    if ocsp:
        responder = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
        builder = builder.add_extension(x509.AuthorityInformationAccess([responder]), critical=False)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if issuer is not None or authority:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
    if issuer is not None:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
    signed = builder.sign(issuer.key if issuer else own, hashes.SHA256())
    return Identity(own, (signed, *(issuer.chain if issuer else ())))


def make_authority(name: str, *, issuer: Identity | None = None, path_length: int | None = None) -> Identity:
    """A root authority, or an intermediate one below `issuer`."""
    return make(name, issuer=issuer, authority=True, path_length=path_length)
