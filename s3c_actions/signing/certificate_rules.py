"""Check the Notary Project's rules for signing certificates before anything is signed.

https://github.com/notaryproject/specifications/blob/main/specs/signature-specification.md#certificate-requirements
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from s3c_actions.signing.certificate_identities import pinned_identity
from s3c_actions.signing.certificates import (
    LEAF_EXAMPLE,
    CertificateError,
    find_extension,
    is_issued_by,
    is_self_signed,
    public_bytes,
    reject_unreadable,
    subject,
)
from s3c_actions.signing.libraries import ec, padding, rsa, x509

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

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
        if not last and is_issued_by(certificate, certificate):
            raise CertificateError(
                field,
                "chain-order",
                f"{subject(certificate)} is self-signed, and another certificate follows it.",
                cause="A self-signed certificate ends a chain.",
                remedy="Keep one self-signed certificate, as the last of the file.",
            )
        if not last and not is_issued_by(certificate, chain[position + 1]):
            raise CertificateError(
                field,
                "chain-order",
                f"{subject(certificate)} is not issued by {subject(chain[position + 1])}, which follows it.",
                cause="The file is not in the order leaf, intermediates, root, or holds a certificate too many.",
                remedy="Put the signing certificate first and after each certificate the one that issued it.",
            )
        if last and not (is_self_signed(certificate) if len(chain) == 1 else is_issued_by(certificate, certificate)):
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
    constraints = find_extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise CertificateError(
            field,
            "authority",
            f"{name} is an authority's certificate (basicConstraints CA=true), which may not sign images.",
            cause="Plain `openssl req -x509` makes such ones.",
            remedy=f"Issue a signing certificate: {LEAF_EXAMPLE} -addext 'basicConstraints=critical,CA:FALSE'.",
        )
    usage = find_extension(leaf, x509.KeyUsage)
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
            remedy=f"Issue it anew: {LEAF_EXAMPLE}.",
        )
    extra_usages = [label for attribute, label in _KEY_USAGES.items() if getattr(usage.value, attribute)]
    if extra_usages:
        raise CertificateError(
            field,
            "key-usage",
            f"{name} may be used for {', '.join(extra_usages)} as well.",
            cause="The Notary Project asks for a critical keyUsage with digitalSignature alone.",
            remedy=f"Issue it anew: {LEAF_EXAMPLE}.",
        )
    extended = find_extension(leaf, x509.ExtendedKeyUsage)
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
            remedy=f"Issue one with codeSigning: {LEAF_EXAMPLE}.",
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
    constraints = find_extension(authority, x509.BasicConstraints)
    usage = find_extension(authority, x509.KeyUsage)
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
