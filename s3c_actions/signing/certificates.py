"""Read signing certificates, and check the Notary Project's rules for them before anything is signed.

https://github.com/notaryproject/specifications/blob/main/specs/signature-specification.md#certificate-requirements
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from s3c_actions.core.errors import InputError
from s3c_actions.signing.identities import ANYONE, MANDATORY_ATTRIBUTES, PREFIX, parse

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from cryptography.x509 import Certificate, Extension, ExtensionType

T = TypeVar("T", bound="ExtensionType")

RSA_BITS = (2048, 3072, 4096)
EC_CURVES = {"secp256r1": "EC-256", "secp384r1": "EC-384", "secp521r1": "EC-521"}
_FORBIDDEN_USES = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
}
_KEY_USAGES = {
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
_LEAF_EXAMPLE = (
    "openssl req -x509 … -addext 'keyUsage=critical,digitalSignature' -addext 'extendedKeyUsage=codeSigning'"
)
_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


class CertificateError(InputError):
    """A certificate or key that cannot be used; `rule` names the rule it violates.

    Rules: `unreadable`, `password`, `expired`, `not-yet-valid`, `authority`, `key-usage`, `extended-key-usage`,
    `key-size`, `key-type`, `chain-order`, `chain-incomplete`, `chain-authority`, `key-mismatch`, `subject`.
    """

    def __init__(
        self, field: str, rule: str, what: str, *, cause: str = "", remedy: str = "", original: str = ""
    ) -> None:
        super().__init__(field, what, cause=cause, remedy=remedy, original=original)
        self.rule = rule


def read_chain(data: bytes, field: str = "certificate") -> tuple[Certificate, ...]:
    """Return the certificates of a PEM file, in their order, or the single certificate of a DER file.

    Raises:
        CertificateError: `unreadable`.
    """
    from cryptography import x509

    blocks = [match for match in _PEM_BLOCK.finditer(data) if match[1] == b"CERTIFICATE"]
    try:
        if blocks:
            return tuple(x509.load_pem_x509_certificate(block[0]) for block in blocks)
        return (x509.load_der_x509_certificate(data),)
    except ValueError as error:
        raise CertificateError(
            field,
            "unreadable",
            "it holds no certificate that can be read.",
            cause="It is empty, cut off, or something else than X.509 in PEM or DER.",
            remedy="Give a PEM file with the signing certificate first and each issuer after it.",
            original=str(error),
        ) from error


def read_key(data: bytes, password: str = "", field: str = "key") -> PrivateKeyTypes:
    """Return the private key of a PEM file (PKCS#8, PKCS#1 or SEC 1).

    Raises:
        CertificateError: `unreadable`; `password` when it is missing or wrong.
    """
    keys = [match[0] for match in _PEM_BLOCK.finditer(data) if match[1].endswith(b"PRIVATE KEY")]
    if not keys:
        raise CertificateError(
            field,
            "unreadable",
            "it holds no private key in PEM.",
            cause="It is empty, cut off, a public key or a certificate, or in another encoding.",
            remedy="Give the private key in PEM; for a .pfx or .p12 file use `pkcs12`.",
        )
    try:
        key = _load(keys[0], password)
    except TypeError as error:
        raise _wrong_password(field, "the private key is encrypted and no password was given.") from error
    except ValueError as error:
        if password:
            raise _wrong_password(field, "the password does not open the private key.") from error
        raise _damaged(field, str(error)) from error
    if not _consistent(key):
        raise _damaged(field, "its numbers do not belong together")
    return key


def _load(pem_block: bytes, password: str) -> PrivateKeyTypes:
    """Load a key; raise TypeError when its password is missing, ValueError for every other fault."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    def load(secret: bytes | None) -> PrivateKeyTypes:
        # Proving the factors of an RSA key prime takes 0.1 s. It guards against a key made by an attacker;
        # this is the signer's own key, `_consistent` detects damage, and every signature is verified after signing.
        return load_pem_private_key(pem_block, secret, unsafe_skip_rsa_key_validation=True)

    if not password:
        return load(None)
    try:
        return load(password.encode())
    except TypeError:  # the key is not encrypted
        return load(None)


def _consistent(key: PrivateKeyTypes) -> bool:
    """Return whether the numbers of an RSA key fit each other (RFC 8017, 3.2); other kinds are checked on loading."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if not isinstance(key, RSAPrivateKey):
        return True
    numbers = key.private_numbers()
    p, q, d, e = numbers.p, numbers.q, numbers.d, numbers.public_numbers.e
    return (
        min(p, q) > 1
        and p * q == numbers.public_numbers.n
        and e * d % (p - 1) == e * d % (q - 1) == 1
        and (numbers.dmp1, numbers.dmq1) == (d % (p - 1), d % (q - 1))
        and q * numbers.iqmp % p == 1
    )


def _damaged(field: str, original: str) -> CertificateError:
    return CertificateError(
        field, "unreadable", "the private key cannot be read.", cause="It is damaged or cut off.", original=original
    )


def read_pkcs12(data: bytes, password: str = "") -> tuple[PrivateKeyTypes, tuple[Certificate, ...]]:
    """Return the private key and the chain of a PKCS#12 file (.pfx, .p12), with the chain in order, leaf first.

    Raises:
        CertificateError: `unreadable` or `password`.
    """
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    try:
        bag = load_pkcs12(data, password.encode() or None)
    except ValueError as error:
        if "password" in str(error).lower() or "mac" in str(error).lower():
            raise _wrong_password("pkcs12", "the password does not open it.") from error
        raise CertificateError(
            "pkcs12",
            "unreadable",
            "it cannot be read.",
            cause="It is damaged, or not PKCS#12.",
            remedy="Export key and certificates anew, such as with `openssl pkcs12 -export`.",
            original=str(error),
        ) from error
    if bag.key is None or bag.cert is None:
        raise CertificateError(
            "pkcs12",
            "unreadable",
            f"it holds no {'private key' if bag.key is None else 'certificate that fits its key'}.",
            remedy="Export it anew with key and certificate.",
        )
    return bag.key, order_chain(bag.cert.certificate, [extra.certificate for extra in bag.additional_certs])


def read_pkcs12_certificates(data: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a PKCS#12 file without a password, in any order; raise ValueError when unreadable."""
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    bag = load_pkcs12(data, None)
    own = (bag.cert,) if bag.cert is not None else ()
    return tuple(entry.certificate for entry in (*own, *bag.additional_certs))


def order_chain(leaf: Certificate, others: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Return the leaf and its issuers, as far as they are among the others, which are in any order.

    An authority may have several certificates of one name, such as an old and a renewed one: the one whose key signed
    is taken. Without it, one of that name is, for the error that says so.
    """
    chain, rest = [leaf], [certificate for certificate in others if certificate != leaf]
    while not (chain[-1].issuer == chain[-1].subject and _issued_by(chain[-1], chain[-1])):
        named = [certificate for certificate in rest if certificate.subject == chain[-1].issuer]
        parent = next((certificate for certificate in named if _issued_by(chain[-1], certificate)), None)
        if parent is None and chain[-1].issuer != chain[-1].subject:
            parent = next(iter(named), None)
        if parent is None:
            break
        rest = [certificate for certificate in rest if certificate != parent]
        chain.append(parent)
    return tuple(chain)


def _wrong_password(field: str, what: str) -> CertificateError:
    return CertificateError(
        field,
        "password",
        what,
        remedy="Give it as S3C_KEY_PASSWORD in the environment (in a workflow: `key-password:` from a secret).",
    )


def check(
    chain: Sequence[Certificate], now: datetime, key: PrivateKeyTypes | None = None, field: str = "certificate"
) -> None:
    """Check a signing certificate and its chain by the Notary Project's rules.

    Args:
        chain: leaf first, each issued by the next, the last one self-signed.
        now: the time of signing, with a time zone.
        key: the private key that has to match the leaf; None when it is not available (a plugin holds it).
        field: the input the chain came from.

    Raises:
        CertificateError: the first rule that is violated.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import DuplicateExtension, UnsupportedGeneralNameType

    try:
        _check(chain, now, key, field)
    except (ValueError, DuplicateExtension, UnsupportedAlgorithm, UnsupportedGeneralNameType) as error:
        # Names, keys and extensions are parsed on access.
        raise CertificateError(
            field,
            "unreadable",
            "a certificate in it cannot be read to its end.",
            cause="An extension, a name or a key in it is malformed or contradicts itself.",
            remedy=f"Issue it anew: {_LEAF_EXAMPLE}.",
            original=str(error),
        ) from error


def _check(chain: Sequence[Certificate], now: datetime, key: PrivateKeyTypes | None, field: str) -> None:
    _check_order(chain, field)
    for certificate in chain:
        _check_validity(certificate, now, field)
    _check_leaf(chain[0], field)
    for below, authority in enumerate(chain[1:]):
        _check_authority(authority, below, field)
    pinned_identity(chain, field)
    if key is not None and _public_bytes(key.public_key()) != _public_bytes(chain[0].public_key()):
        raise CertificateError(
            field,
            "key-mismatch",
            f"the private key does not belong to {subject(chain[0])}.",
            cause="Key and certificate are of two pairs, or the signing certificate is not the first in the file.",
            remedy="Give the key this certificate was made for.",
        )


def _check_order(chain: Sequence[Certificate], field: str) -> None:
    for position, certificate in enumerate(chain):
        last = position == len(chain) - 1
        if not last and _issued_by(certificate, certificate):
            raise CertificateError(
                field,
                "chain-order",
                f"{subject(certificate)} is self-signed, and another certificate follows it.",
                cause="A self-signed certificate ends a chain.",
                remedy="Keep one self-signed certificate, as the last of the file.",
            )
        if not last and not _issued_by(certificate, chain[position + 1]):
            raise CertificateError(
                field,
                "chain-order",
                f"{subject(certificate)} is not issued by {subject(chain[position + 1])}, which follows it.",
                cause="The file is not in the order leaf, intermediates, root, or holds a certificate too many.",
                remedy="Put the signing certificate first and after each certificate the one that issued it.",
            )
        if last and not _issued_by(certificate, certificate):
            raise CertificateError(
                field,
                "chain-incomplete",
                f"the chain ends with {subject(certificate)}, issued by {certificate.issuer.rfc4514_string()}.",
                cause="The issuer's certificate is missing: a signature holds the chain up to its self-signed root.",
                remedy="Append the issuers' certificates, the root last.",
            )


def _check_validity(certificate: Certificate, now: datetime, field: str) -> None:
    if certificate.serial_number < 0:
        raise CertificateError(
            field,
            "unreadable",
            f"{subject(certificate)} has a negative serial number.",
            cause="RFC 5280 forbids it, and neither notation nor Ratify reads such a certificate.",
            remedy="Have it issued anew.",
        )
    if now > certificate.not_valid_after_utc:
        raise CertificateError(
            field,
            "expired",
            f"{subject(certificate)} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC.",
            cause="Nobody would trust a signature made with it now.",
            remedy="Renew the certificate and sign with the new one.",
        )
    if now < certificate.not_valid_before_utc:
        raise CertificateError(
            field,
            "not-yet-valid",
            f"{subject(certificate)} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC.",
            cause="It was made for a later date, or this machine's clock is wrong.",
            remedy="Wait until then, or set the clock.",
        )


def _check_leaf(leaf: Certificate, field: str) -> None:
    from cryptography import x509

    name = subject(leaf)
    constraints = _extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise CertificateError(
            field,
            "authority",
            f"{name} is an authority's certificate (basicConstraints CA=true), which may not sign images.",
            cause="Plain `openssl req -x509` makes such ones.",
            remedy=f"Issue a signing certificate: {_LEAF_EXAMPLE} -addext 'basicConstraints=critical,CA:FALSE'.",
        )
    usage = _extension(leaf, x509.KeyUsage)
    if usage is None or not usage.critical or not usage.value.digital_signature:
        fault = (
            "has no keyUsage"
            if usage is None
            else "does not allow digitalSignature in its keyUsage"
            if not usage.value.digital_signature
            else "has a keyUsage that is not marked critical"
        )
        raise CertificateError(
            field,
            "key-usage",
            f"{name} {fault}.",
            cause="The Notary Project asks for a critical keyUsage with digitalSignature alone.",
            remedy=f"Issue it anew: {_LEAF_EXAMPLE}.",
        )
    extra_usages = [label for attribute, label in _KEY_USAGES.items() if getattr(usage.value, attribute)]
    if extra_usages:
        raise CertificateError(
            field,
            "key-usage",
            f"{name} may be used for {', '.join(extra_usages)} as well.",
            cause="The Notary Project asks for a critical keyUsage with digitalSignature alone.",
            remedy=f"Issue it anew: {_LEAF_EXAMPLE}.",
        )
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    forbidden = (
        [_FORBIDDEN_USES[use.dotted_string] for use in extended.value if use.dotted_string in _FORBIDDEN_USES]
        if extended
        else []
    )
    if forbidden:
        raise CertificateError(
            field,
            "extended-key-usage",
            f"{name} has the extended key usage {', '.join(forbidden)}, which a signing certificate may not have.",
            cause="It was issued for another purpose, such as a web server.",
            remedy=f"Issue one with codeSigning: {_LEAF_EXAMPLE}.",
        )
    key_spec(leaf, field)


def key_spec(certificate: Certificate, field: str = "certificate") -> str:
    """Return the certificate's key in the Notary Project's terms.

    These are `RSA-2048` … `RSA-4096`, `EC-256`, `EC-384`, `EC-521`.

    Raises:
        CertificateError: `key-size` or `key-type`.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509.oid import PublicKeyAlgorithmOID

    public = certificate.public_key()
    remedy = "Use an RSA key of 2048, 3072 or 4096 bits, or an EC key on P-256, P-384 or P-521."
    if certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        # Such a key signs like any RSA key, but Go, and therefore notation, cannot read it.
        raise CertificateError(
            field, "key-type", f"{subject(certificate)} has an RSA key for PSS alone (id-RSASSA-PSS).", remedy=remedy
        )
    if isinstance(public, RSAPublicKey):
        if public.key_size in RSA_BITS:
            return f"RSA-{public.key_size}"
        raise CertificateError(
            field, "key-size", f"{subject(certificate)} has an RSA key of {public.key_size} bits.", remedy=remedy
        )
    if isinstance(public, EllipticCurvePublicKey):
        if public.curve.name in EC_CURVES:
            return EC_CURVES[public.curve.name]
        raise CertificateError(
            field, "key-size", f"{subject(certificate)} has an EC key on the curve {public.curve.name}.", remedy=remedy
        )
    kind = type(public).__name__.removesuffix("PublicKey").removeprefix("_")
    raise CertificateError(field, "key-type", f"{subject(certificate)} has a key of the kind {kind}.", remedy=remedy)


def _check_authority(authority: Certificate, below: int, field: str) -> None:
    """Check an issuer's certificate; `below` is the number of authorities between it and the leaf."""
    from cryptography import x509

    constraints = _extension(authority, x509.BasicConstraints)
    usage = _extension(authority, x509.KeyUsage)
    if constraints is None or not constraints.value.ca:
        fault = "has no basicConstraints with CA=true"
    elif constraints.value.path_length is not None and constraints.value.path_length < below:
        fault = f"allows {constraints.value.path_length} authorities below it, and has {below}"
    elif usage is None or not usage.critical or not usage.value.key_cert_sign:
        fault = "has no critical keyUsage with keyCertSign"
    else:
        return
    raise CertificateError(
        field,
        "chain-authority",
        f"{subject(authority)} is no authority that could issue a signing certificate: it {fault}.",
        remedy="Have the signing certificate issued by an authority with CA=true and a critical keyUsage keyCertSign.",
    )


def _issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _extension(certificate: Certificate, kind: type[T]) -> Extension[T] | None:
    from cryptography.x509 import ExtensionNotFound

    try:
        return certificate.extensions.get_extension_for_class(kind)
    except ExtensionNotFound:
        return None


def _public_bytes(public: PublicKeyTypes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def trust_anchor(chain: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Return the certificate to trust for this signer: its direct issuer, or itself when self-signed.

    Args:
        chain: leaf first.
    """
    return tuple(chain[1:2] or chain)


def subject(certificate: Certificate) -> str:
    """Return the subject for display, by RFC 4514: `CN=…,O=…,ST=…,C=…`."""
    return certificate.subject.rfc4514_string() or "(a certificate without a subject)"


def thumbprint(certificate: Certificate) -> str:
    """Return the SHA-256 of the certificate's DER in hexadecimal, as in `io.cncf.notary.x509chain.thumbprint#S256`."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return certificate.fingerprint(SHA256()).hex()


def days_left(certificate: Certificate, now: datetime) -> int:
    """Return the whole days until the certificate expires; negative when it has expired."""
    return (certificate.not_valid_after_utc - now).days


def format_time(moment: datetime) -> str:
    """Return the time in RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_self_signed(certificate: Certificate) -> bool:
    """Return whether the certificate is signed by its own key."""
    return _issued_by(certificate, certificate)


def encode_pem(certificates: Sequence[Certificate]) -> bytes:
    """Return the certificates as PEM, in their order."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def encode_key_pem(key: PrivateKeyTypes) -> bytes:
    """Return the private key as unencrypted PKCS#8 PEM: for a file that only its owner reads, removed after use."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


# The attributes that have short names in Go, the language of notation and Ratify.
_SHORT = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.17": "POSTALCODE",
    "2.5.4.5": "SERIALNUMBER",
}
# Other common attributes, by OpenSSL's names.
_UNNAMED = {"1.2.840.113549.1.9.1": "emailAddress", "0.9.2342.19200300.100.1.1": "UID", "2.5.4.12": "title"}


def trusted_identity(certificate: Certificate) -> str:
    """Return the `x509.subject:` identity of a trust policy for this subject; empty when a policy cannot name it.

    notation formats the subject as Go does, and rejects all identities but `*` when the subject has an attribute
    without a short name, a duplicate attribute, or no C, ST or O.
    """
    return _identity(certificate)[0]


def pinned_identity(chain: Sequence[Certificate], field: str = "certificate") -> str:
    """Return the identity by which a policy over `anchor(chain)` trusts this signer and, where possible, no other.

    Args:
        chain: the signer's certificates, leaf first.
        field: the input they came from, for errors.

    Returns:
        An `x509.subject:` entry; `*` when a policy cannot name the subject of a self-signed certificate: with that
        certificate as the only anchor, `*` is this signer alone.

    Raises:
        CertificateError: `subject`: an authority issued it and a policy cannot name it, so that it could only be
            trusted together with every subject that the authority certified.
    """
    leaf = chain[0]
    identity, reason = _identity(leaf)
    if identity:
        return identity
    if is_own_anchor(leaf):
        return ANYONE
    raise CertificateError(
        field,
        "subject",
        f"no trust policy can name {subject(leaf)}: {reason}.",
        cause=f"Everyone whom {leaf.issuer.rfc4514_string() or 'its issuer'} certified would be trusted with it.",
        remedy="Have it issued with a plain subject: C, ST and O, each attribute once, and none but C, ST, L, STREET, "
        "POSTALCODE, O, OU, CN and SERIALNUMBER. Or use a self-signed certificate, which is trusted alone.",
    )


def is_own_anchor(certificate: Certificate) -> bool:
    """Return whether trusting a certificate trusts its own key alone: it is self-signed, and cannot issue others."""
    from cryptography import x509

    constraints = _extension(certificate, x509.BasicConstraints)
    return is_self_signed(certificate) and not (constraints is not None and constraints.value.ca)


def _identity(certificate: Certificate) -> tuple[str, str]:
    """Return the identity that names a subject, or the reason why none does."""
    parts: dict[str, str] = {}
    # Go splits relative names that have several attributes.
    for attribute in certificate.subject:
        oid = attribute.oid.dotted_string
        name, value = _SHORT.get(oid, ""), attribute.value
        if not name or not isinstance(value, str):
            return "", f"notation cannot read its {_UNNAMED.get(oid) or attribute.rfc4514_attribute_name}"
        if name in parts and name not in ("CN", "SERIALNUMBER"):  # Go keeps the last of these two
            return "", f"it has {name} twice"
        parts[name] = value
    if missing := [attribute_type for attribute_type in MANDATORY_ATTRIBUTES if not parts.get(attribute_type)]:
        return "", f"it has no {' and no '.join(missing)}"
    distinguished_name = ",".join(f"{name}={_escaped(value)}" for name, value in parts.items() if value)
    try:
        parse(distinguished_name)
    except ValueError as error:
        return "", f"it {error}"
    return f"{PREFIX}{distinguished_name}", ""


def _escaped(value: str) -> str:
    """Escape a value of a distinguished name as Go does, so that notation reads it like the certificate's."""
    text = re.sub(r'([,+"\\<>;])', r"\\\1", value)
    if value.endswith(" "):
        text = f"{text[:-1]}\\ "
    return f"\\{text}" if value.startswith("#") or (value.startswith(" ") and value != " ") else text
