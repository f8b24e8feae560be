"""Check the Notary Project's rules for signing certificates before anything is signed.

https://github.com/notaryproject/specifications/blob/main/specs/signature-specification.md#certificate-requirements
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import InputError
from s3c_actions.signing.identities import ANYONE, MANDATORY_ATTRIBUTES, PREFIX, parse, widest
from s3c_actions.signing.libraries import crypto_exceptions, ec, hashes, padding, rsa, serialization, x509
from s3c_actions.signing.timestamps import SHORT_LIFE

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


def order_chain(
    leaf: Certificate, others: Sequence[Certificate], now: datetime | None = None
) -> tuple[Certificate, ...]:
    """Return the leaf and its issuers, as far as they are among the others, which are in any order.

    An authority may have several certificates of one name: an old and a renewed one, or one of its own and one that
    another authority issued. Of the chains to a self-signed root the shortest is taken whose authorities are valid
    now, or else the shortest; without any, one that is as complete as the others allow, for the error that says so.

    Args:
        leaf: the first of the chain.
        others: may have the leaf, certificates that lead nowhere, and each more than once.
        now: with a time zone; None is the time of the call.
    """
    distinct = [certificate for certificate in dict.fromkeys(others) if certificate != leaf]
    moment = now or datetime.now(UTC)
    valid = [certificate for certificate in distinct if _may_issue(certificate, moment)]
    return _shortest_chain(leaf, valid) or _shortest_chain(leaf, distinct) or _partial_chain(leaf, distinct)


def _may_issue(certificate: Certificate, now: datetime) -> bool:
    try:
        return is_valid_at(certificate, now) and is_authority(certificate)
    except ValueError:  # `check` says what is wrong with it
        return False


def is_valid_at(certificate: Certificate, now: datetime) -> bool:
    """Return whether a time, with its zone, is within a certificate's validity."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _shortest_chain(leaf: Certificate, others: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Return the shortest chain to a self-signed certificate, empty when there is none."""
    rest = list(others)
    chains: deque[tuple[Certificate, ...]] = deque([(leaf,)])
    while chains:
        chain = chains.popleft()
        if _issued_by(chain[-1], chain[-1]):
            return chain
        issuers = [certificate for certificate in rest if _issued_by(chain[-1], certificate)]
        rest = [certificate for certificate in rest if certificate not in issuers]
        chains.extend((*chain, issuer) for issuer in issuers)
    return ()


def _partial_chain(leaf: Certificate, others: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Return a chain that ends early; where no certificate issued the last one, it goes on by the issuer's name."""
    chain, rest = [leaf], list(others)
    while True:
        named = [certificate for certificate in rest if certificate.subject == chain[-1].issuer]
        parent = next((certificate for certificate in named if _issued_by(chain[-1], certificate)), None)
        if parent is None and chain[-1].issuer != chain[-1].subject:
            parent = next(iter(named), None)
        if parent is None:
            return tuple(chain)
        rest.remove(parent)
        chain.append(parent)


def split_chains(listed: Sequence[Certificate]) -> tuple[tuple[Certificate, ...], ...]:
    """Return the chain of each certificate that issued none of the others, leaf first, in the order of the leaves.

    Args:
        listed: of one signer or several, in any order; at least one.
    """
    distinct = tuple(dict.fromkeys(listed))
    issuers = {certificate.issuer for certificate in distinct if certificate.issuer != certificate.subject}
    leaves = [certificate for certificate in distinct if certificate.subject not in issuers]
    # Without any, each names another as its issuer: `check` says what does not fit.
    return tuple(order_chain(leaf, distinct) for leaf in leaves or distinct[:1])


def check(
    chain: Sequence[Certificate],
    now: datetime | None,
    key: PrivateKeyTypes | None = None,
    field: str = "certificate",
    issuers_field: str = "",
) -> None:
    """Check a signing certificate and its chain by the Notary Project's rules.

    Args:
        chain: leaf first, each issued by the next, the last one self-signed.
        now: the time of signing, with a time zone; None: whether it is valid now does not matter.
        key: the private key that has to match the leaf; None when it is not available (a plugin holds it).
        field: the input the chain came from.
        issuers_field: the input that all but the leaf came from; empty: the same.

    Raises:
        CertificateError: the first rule that is violated.
    """
    issuers_field = issuers_field or field
    with reject_unreadable(issuers_field):
        for issuer in chain[1:]:
            _parse(issuer)
    with reject_unreadable(field):
        _check(chain, now, key, field, issuers_field)


def _parse(certificate: Certificate) -> None:
    """Read the parts that `check` looks at, each of which is parsed when it is asked for."""
    certificate.public_key()
    for name in ("subject", "issuer", "extensions", "signature_algorithm_parameters"):
        getattr(certificate, name)


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
            remedy=f"Issue it anew: {_LEAF_EXAMPLE}.",
            original=str(error),
        ) from error


def _check(
    chain: Sequence[Certificate], now: datetime | None, key: PrivateKeyTypes | None, field: str, issuers_field: str
) -> None:
    _check_order(chain, issuers_field)
    fields = [field, *[issuers_field] * (len(chain) - 1)]
    for certificate, source in zip(chain, fields, strict=True):
        _check_validity(certificate, now, source)
    _check_leaf(chain[0], field)
    for below, authority in enumerate(chain[1:]):
        _check_authority(authority, below, issuers_field)
    for certificate, source in zip(chain, fields, strict=True):
        _check_signature_algorithm(certificate, source)
    pinned_identity(chain, field)
    if key is not None and public_bytes(key.public_key()) != public_bytes(chain[0].public_key()):
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
        if last and not (is_self_signed(certificate) if len(chain) == 1 else _issued_by(certificate, certificate)):
            raise CertificateError(
                field,
                "chain-incomplete",
                f"the chain ends with {subject(certificate)}, issued by {certificate.issuer.rfc4514_string()}.",
                cause="The issuer's certificate is missing: a signature holds the chain up to its self-signed root.",
                remedy="Append the issuers' certificates, the root last.",
            )


def _check_signature_algorithm(certificate: Certificate, field: str) -> None:
    """Reject a signature by RSA-PSS with parameters that Go, and therefore notation, does not implement."""
    scheme, algorithm = certificate.signature_algorithm_parameters, certificate.signature_hash_algorithm
    if not isinstance(scheme, padding.PSS) or algorithm is None:
        return
    # The library has no public names for what the parameters are.
    mask, salt = scheme.mgf._algorithm, scheme._salt_length
    if (mask.name, salt) != (algorithm.name, algorithm.digest_size):
        raise CertificateError(
            field,
            "signature-algorithm",
            f"{subject(certificate)} is signed by RSA-PSS with a salt of {salt} bytes and {mask.name} beside "
            f"{algorithm.name}.",
            cause=f"notation verifies such a signature with one hash, and a salt of its {algorithm.digest_size} bytes.",
            remedy="Have it issued with `-sigopt rsa_pss_saltlen:digest`, or with PKCS #1 v1.5 or ECDSA.",
        )


def _check_validity(certificate: Certificate, now: datetime | None, field: str) -> None:
    if certificate.serial_number < 0:
        raise CertificateError(
            field,
            "unreadable",
            f"{subject(certificate)} has a negative serial number.",
            cause="RFC 5280 forbids it, and neither notation nor Ratify reads such a certificate.",
            remedy="Have it issued anew.",
        )
    if now is None:
        return
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
    public = certificate.public_key()
    remedy = "Use an RSA key of 2048, 3072 or 4096 bits, or an EC key on P-256, P-384 or P-521."
    if certificate.public_key_algorithm_oid == x509.oid.PublicKeyAlgorithmOID.RSASSA_PSS:
        # Such a key signs like any RSA key, but Go, and therefore notation, cannot read it.
        raise CertificateError(
            field, "key-type", f"{subject(certificate)} has an RSA key for PSS alone (id-RSASSA-PSS).", remedy=remedy
        )
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size in RSA_BITS:
            return f"RSA-{public.key_size}"
        raise CertificateError(
            field, "key-size", f"{subject(certificate)} has an RSA key of {public.key_size} bits.", remedy=remedy
        )
    if isinstance(public, ec.EllipticCurvePublicKey):
        if public.curve.name in EC_CURVES:
            return EC_CURVES[public.curve.name]
        raise CertificateError(
            field, "key-size", f"{subject(certificate)} has an EC key on the curve {public.curve.name}.", remedy=remedy
        )
    kind = type(public).__name__.removesuffix("PublicKey").removeprefix("_")
    raise CertificateError(field, "key-type", f"{subject(certificate)} has a key of the kind {kind}.", remedy=remedy)


def _check_authority(authority: Certificate, below: int, field: str) -> None:
    """Check an issuer's certificate; `below` is the number of authorities between it and the leaf."""
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


def is_authority(certificate: Certificate) -> bool:
    """Return whether a certificate may issue others (basicConstraints CA=true)."""
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.value.ca


def _issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, crypto_exceptions.InvalidSignature, crypto_exceptions.UnsupportedAlgorithm):
        return False
    return True


def _extension(certificate: Certificate, kind: type[T]) -> Extension[T] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def public_bytes(public: PublicKeyTypes) -> bytes:
    """Return a public key as DER (SubjectPublicKeyInfo)."""
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


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
    return _issued_by(certificate, certificate)


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


def pinned_identities(chains: Sequence[Sequence[Certificate]], field: str = "certificate") -> tuple[str, ...]:
    """Return the identities by which a policy over the anchors of all chains trusts these signers and no other.

    Args:
        chains: of several certificates of one signer, such as the old and the renewed one; each leaf first.
        field: the input they came from, for errors.

    Raises:
        CertificateError: `subject`: as `pinned_identity`, or the certificates have several subjects and authorities, so
            that each authority could certify the other's subject.
    """
    identities = tuple(dict.fromkeys(pinned_identity(chain, field) for chain in chains))
    if all(is_own_anchor(chain[0]) for chain in chains):
        return (ANYONE,) if ANYONE in identities else widest(identities)
    issuers = {chain[0].issuer for chain in chains}
    if len(identities) > 1 and (len(issuers) > 1 or ANYONE in identities):
        raise CertificateError(
            field,
            "subject",
            f"{subject(chains[0][0])} and another certificate have neither the subject nor the authority in common.",
            cause="One statement of a trust policy trusts each of its subjects below each of its authorities.",
            remedy=f"Trust them separately: as `signers` of a policy ({doc_link('policy.md')}), or in separate runs.",
        )
    return widest(identities)


def is_own_anchor(certificate: Certificate) -> bool:
    """Return whether trusting a certificate trusts its own key alone: it is self-signed, and cannot issue others."""
    return is_self_signed(certificate) and not is_authority(certificate)


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
