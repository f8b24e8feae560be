"""The identity by which a trust policy names the subject of a certificate, and nobody besides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from s3c_actions.core.doc_links import doc_link
from s3c_actions.signing.certificates import CertificateError, is_own_anchor, subject
from s3c_actions.signing.identities import ANYONE, MANDATORY_ATTRIBUTES, PREFIX, parse, widest

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

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
