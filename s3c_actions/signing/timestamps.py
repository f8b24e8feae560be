"""Trust in time-stamps (RFC 3161): the authorities' root certificates, and when a trust policy asks for one.

https://github.com/notaryproject/specifications/blob/main/specs/trust-store-trust-policy.md#signature-verification-details
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from s3c_actions.core.errors import InputError
from s3c_actions.signing import certificates, key_files

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

ALWAYS, AFTER_EXPIRY = "always", "afterCertExpiry"
CHECKS = (ALWAYS, AFTER_EXPIRY)
"""Values of a trust policy's `verifyTimestamp`; without it, notation and Ratify mean the first."""


def read_roots(data: bytes, field: str) -> tuple[Certificate, ...]:
    """Return the root certificates of time-stamp authorities.

    Args:
        data: PEM, or one certificate in DER.
        field: the input it came from, for errors.

    Raises:
        InputError: one of them is no root: notation accepts no other in a trust store of time-stamp authorities.
    """
    roots = key_files.read_chain(data, field)
    for root in roots:
        if not (certificates.is_self_signed(root) and certificates.is_authority(root)):
            raise InputError(
                field,
                f"{certificates.subject(root)} is not the root certificate of a time-stamp authority.",
                cause="It signs time-stamps itself, or another authority issued it.",
                remedy="Give the authority's self-signed root certificate alone.",
            )
    return roots


def signature_verification(level: str, check: str, *, stamped: bool) -> Mapping[str, str]:
    """Return `signatureVerification` of a statement of a trust policy.

    Args:
        level: `strict`, `permissive` or `audit`.
        check: one of CHECKS.
        stamped: whether the statement has a trust store of time-stamp authorities; without one, none is checked.
    """
    return {"level": level, **({"verifyTimestamp": check} if stamped else {})}
