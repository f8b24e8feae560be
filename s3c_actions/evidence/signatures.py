"""Read the signatures beside an image from its registry, without trusting them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core import artifact_types
from s3c_actions.core.reference import is_digest
from s3c_actions.signing import envelopes
from s3c_actions.signing.envelopes import Envelope

if TYPE_CHECKING:
    from s3c_actions.core.reference import Reference
    from s3c_actions.registry import Descriptor, Manifest, Registry


MAX_SIGNATURES = 100
"""Signatures of one digest that are read to find their ends."""


class StoredSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature as it lies in the registry.

    Attributes:
        manifest: the signature's.
        content: the envelope, as stored.
        envelope: its claims; unverified, and `target` may be another digest than the one it lies beside.
    """

    manifest: Manifest
    content: bytes
    envelope: Envelope


def read(registry: Registry, reference: Reference, listed: Descriptor) -> StoredSignature:
    """Read one signature.

    Args:
        registry: of the image.
        reference: the digest that was signed.
        listed: the signature, among the digest's referrers.

    Raises:
        ValueError: it is no signature of this digest; the text is a clause that says why.
        S3CError: the registry could not be reached, or gave an invalid answer.
    """
    manifest = registry.manifest(reference.at(listed.digest))
    require_subject(manifest, reference.digest)
    layer = only_layer(manifest)
    content = registry.blob(reference, layer["digest"])
    return StoredSignature(
        manifest=manifest, content=content, envelope=envelopes.read(content, str(layer.get("mediaType")))
    )


def find_ends(registry: Registry, reference: Reference) -> Mapping[str, datetime | None]:
    """Return signer → when the last of its signatures at a digest ends; None: it has a time-stamp, and does not end.

    A signature that cannot be read is left out. Nothing is verified: a signer is the subject that the signature claims.

    Args:
        registry: of the image.
        reference: with a digest.

    Raises:
        S3CError: the registry could not be reached, or gave an invalid answer.
    """
    ends: dict[str, datetime | None] = {}
    for listed in registry.referrers(reference, artifact_types.SIGNATURE)[:MAX_SIGNATURES]:
        try:
            envelope = read(registry, reference, listed).envelope
        except ValueError:
            continue
        end = _end(envelope)
        known = ends.get(envelope.signer, end)
        ends[envelope.signer] = None if end is None or known is None else max(end, known)
    return ends


def _end(envelope: Envelope) -> datetime | None:
    moments = [envelope.expires] if envelope.timestamped else [envelope.expires, envelope.not_after]
    return min((datetime.fromisoformat(moment) for moment in moments if moment), default=None)


def require_subject(manifest: Manifest, digest: str) -> None:
    """Raise ValueError when a referrer's manifest refers to another digest than this one."""
    subject = manifest.document.get("subject")
    if not isinstance(subject, dict) or subject.get("digest") != digest:
        raise ValueError("its manifest refers to another digest")


def only_layer(manifest: Manifest) -> Mapping[str, Any]:
    """Return the descriptor of a referrer's content; raise ValueError when it does not hold one document."""
    layers = manifest.document.get("layers")
    if not isinstance(layers, list) or len(layers) != 1 or not isinstance(layers[0], dict):
        raise ValueError("its manifest does not hold one document")
    layer: Mapping[str, Any] = layers[0]
    if not is_digest(str(layer.get("digest"))):
        raise ValueError("its manifest does not hold one document")
    return layer
