"""The index: records of many images' documents, as one signed artifact in a registry.

An OCI image manifest of the type `application/vnd.s3c.index.v1+json` with one layer, the records as gzipped JSON. It
can be built anew at any time, and counts only with a signature by a signer whose evidence counts. It saves reading the
documents that a query finds nothing in; where it says that a query finds something, the document itself is read.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import msgspec

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import OutsideError
from s3c_actions.fleet.find.facts import EXTRACTION, Record
from s3c_actions.registry.artifacts import push_artifact, read_artifact

if TYPE_CHECKING:
    from s3c_actions.core.reference import Reference
    from s3c_actions.registry import Manifest, Registry, Writer

ARTIFACT_TYPE = "application/vnd.s3c.index.v1+json"
LAYER_TYPE = "application/vnd.s3c.index.v1+json+gzip"
MAX_COMPRESSED = 256 * 1024 * 1024
MAX_BYTES = 2 * 1024 * 1024 * 1024


class Index(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of an index.

    Attributes:
        extraction: how its documents were read, `facts.EXTRACTION`.
        trust: hash of the signers by whose signatures its documents were verified.
        created: RFC 3339 time of its making.
        records: sorted by document.
    """

    version: Literal[1] = 1
    extraction: int
    trust: str
    created: str
    records: tuple[Record, ...]


def build(records: Iterable[Record], *, trust: str, created: str) -> Index:
    """Return the index of documents that this machine read itself; the others are left out."""
    own = {record.facts.evidence: record for record in records if not record.source}
    return Index(
        extraction=EXTRACTION,
        trust=trust,
        created=created,
        records=tuple(own[evidence] for evidence in sorted(own)),
    )


def push(index: Index, target: Reference, writer: Writer) -> str:
    """Push an index, and return the digest of its manifest; the same records give the same content.

    Args:
        index: to push.
        target: with the tag that it gets.
        writer: to the registry.

    Raises:
        OutsideError: the registry rejected it, or failed.
    """
    content = gzip.compress(msgspec.json.encode(index), compresslevel=6, mtime=0)
    annotations = {artifact_types.CREATED: index.created, artifact_types.TITLE: "index.json.gz"}
    return push_artifact(writer, target, ARTIFACT_TYPE, content, annotations=annotations, layer_type=LAYER_TYPE).digest


def pull(manifest: Manifest, reference: Reference, registry: Registry) -> Index:
    """Read the content of an index whose signature was verified.

    Args:
        manifest: of the index; its digest is what was signed.
        reference: names the repository.
        registry: that holds it.

    Raises:
        ValueError: it is no index of this version; the text is a clause that says why.
        OutsideError: it does not hold one document, or the registry failed.
    """
    if manifest.descriptor.artifact_type != ARTIFACT_TYPE:
        raise ValueError(f"it is {manifest.descriptor.artifact_type[:100] or 'of no type'}, and no index")
    content = read_artifact(registry, reference, manifest, MAX_COMPRESSED)
    try:
        index = msgspec.json.decode(_unpack(content), type=Index)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("its content is no index of this version") from None
    if index.extraction != EXTRACTION:
        raise ValueError("another version of s3c made it")
    return index


def _unpack(content: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=31)
    try:
        data = unpacking.decompress(content, MAX_BYTES)
    except zlib.error:
        raise ValueError("its content is not gzip") from None
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("its content is cut off, or larger than an index may be")
    return data


def not_found_error(reference: Reference) -> OutsideError:
    """Return the error of an index that is not in the registry."""
    return OutsideError(
        f"There is no index at {reference}.",
        remedy="Make it with `publish-index` and a key, or leave `index` out.",
        image=str(reference),
    )
