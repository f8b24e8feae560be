"""Time-stamps (RFC 3161): when a trust policy asks for one, and whose signatures live by theirs.

https://github.com/notaryproject/specifications/blob/main/specs/trust-store-trust-policy.md#signature-verification-details
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

ALWAYS, AFTER_EXPIRY = "always", "afterCertExpiry"
CHECKS = (ALWAYS, AFTER_EXPIRY)
"""Values of a trust policy's `verifyTimestamp`; without it, notation and Ratify mean the first."""

SHORT_LIFE = timedelta(days=7)
"""Longest life of a short-lived certificate, as the CA/Browser Forum's Baseline Requirements 1.6.1 define one: it ends
soon after it was issued, and its signatures last by their time-stamps."""


def signature_verification(level: str, check: str, *, stamped: bool) -> Mapping[str, str]:
    """Return `signatureVerification` of a statement of a trust policy.

    Args:
        level: `strict`, `permissive` or `audit`.
        check: one of CHECKS.
        stamped: whether the statement has a trust store of time-stamp authorities; without one, none is checked.
    """
    return {"level": level, **({"verifyTimestamp": check} if stamped else {})}
