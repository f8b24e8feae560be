"""Push and read documents that are artifacts of their own: an OCI manifest with an empty configuration and one layer.

https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidelines-for-artifact-usage
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.registry.content import EMPTY_TYPE, OCI_MANIFEST, Descriptor, Manifest, compute_digest, invalid_answer

if TYPE_CHECKING:
    from s3c_actions.registry.reading import Registry
    from s3c_actions.registry.writing import Writer

EMPTY = b"{}"


def push_artifact(
    writer: Writer,
    target: Reference,
    artifact_type: str,
    content: bytes,
    *,
    annotations: Mapping[str, str],
    subject: Descriptor | None = None,
) -> Descriptor:
    """Push a document; the same document, annotations and subject have the same digest.

    Args:
        writer: of the registry.
        target: repository, and the tag that is to mean it; without a tag it has its digest alone.
        artifact_type: media type of the document.
        content: the document.
        annotations: of the manifest.
        subject: what it refers to, in the same repository.

    Returns:
        The manifest's descriptor.

    Raises:
        OutsideError: the registry rejected it, or failed.
    """
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": _entry(EMPTY_TYPE, EMPTY),
        "layers": [_entry(artifact_type, content)],
        "annotations": dict(sorted(annotations.items())),
    }
    if subject is not None:
        document["subject"] = {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size}
    manifest = json.dumps(document, separators=(",", ":")).encode()
    for blob in (EMPTY, content):
        writer.push_blob(target, compute_digest(blob), blob)
    place = target.tagged(target.tag) if target.tag else target.at(compute_digest(manifest))
    return writer.push_manifest(place, manifest, OCI_MANIFEST)


def read_artifact(registry: Registry, reference: Reference, manifest: Manifest, limit: int) -> bytes:
    """Return the document of an artifact, whose digest has been checked.

    Args:
        registry: of the artifact.
        reference: names its repository.
        manifest: of the artifact.
        limit: of the document, in bytes.

    Raises:
        OutsideError: it does not hold one document, holds a larger one, or the registry failed.
    """
    refuse = partial(invalid_answer, reference)
    layers = manifest.document.get("layers")
    layer = layers[0] if isinstance(layers, list) and len(layers) == 1 else None
    digest, size = (layer.get("digest"), layer.get("size")) if isinstance(layer, dict) else (None, None)
    if not isinstance(digest, str) or not is_digest(digest) or not isinstance(size, int) or size < 0:
        raise refuse(f"{manifest.descriptor.digest} does not hold one document")
    if size > limit:
        raise refuse(f"{digest} has {size:,} bytes, and at most {limit:,} are read")
    return b"".join(registry.layer(reference, digest, size))


def _entry(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": compute_digest(content), "size": len(content)}
