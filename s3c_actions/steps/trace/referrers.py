"""What refers to a digest, as a registry lists it; what cannot be read is a clause, and never fatal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.signing import envelopes

if TYPE_CHECKING:
    from s3c_actions.registry import Descriptor, Registry


def list_referrers(registry: Registry, reference: Reference) -> list[Descriptor] | str:
    """Return the referrers of a digest, the newest first if known; a clause when they cannot be listed."""
    try:
        by_digest = {referrer.digest: referrer for referrer in registry.referrers(reference)}
    except S3CError as error:
        return f"what refers to it could not be listed: {clause(error)}"
    # A registry without the referrers API keeps the order in which they were pushed.
    return sorted(by_digest.values(), key=listed_at)[::-1]


def listed_at(descriptor: Descriptor) -> str:
    """Return when a referrer was made, as its listing says; empty where it does not."""
    return envelopes.normalize_time(descriptor.annotations.get(artifact_types.CREATED))


def clause(error: Exception) -> str:
    """Return an error's sentence as a clause, without the part that repeats the registry."""
    text = error.what if isinstance(error, S3CError) else str(error)
    return text.rpartition("cannot be believed: ")[2].rstrip(".")
