"""Attach evidence to a digest: each document an OCI referrer, each signed, none twice.

https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidelines-for-artifact-usage. The manifest is made
of the document and the scan's facts alone, so that the same evidence has the same digest and is found again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from s3c_actions.core import artifact_types, reading
from s3c_actions.core.errors import S3CError
from s3c_actions.core.progress import Progress
from s3c_actions.core.reference import Reference
from s3c_actions.registry import OCI_MANIFEST, Descriptor, Registry, Writer
from s3c_actions.result.model import Attached, SignResult

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
CONTENT = "dev.s3c.content"
"""Annotation with the document's digest, so that a list of referrers tells whether it is there already."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """One document to attach.

    Attributes:
        kind: of `evidence.TYPES`.
        content: the document.
        created: RFC 3339 time of what it tells of.
        annotations: of its manifest, besides the time.
    """

    kind: str
    content: bytes
    created: str
    annotations: Mapping[str, str]

    @property
    def artifact_type(self) -> str:
        """Its media type, and its manifest's artifact type."""
        return artifact_types.TYPES[self.kind]

    @property
    def digest(self) -> str:
        """Of the document."""
        return _digest(self.content)

    def manifest(self, subject: Descriptor) -> bytes:
        """The manifest that attaches it."""
        title = artifact_types.TITLES[self.artifact_type]
        notes = {**self.annotations, artifact_types.CREATED: self.created, CONTENT: self.digest}
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": self.artifact_type,
            "config": {"mediaType": EMPTY_TYPE, "digest": _digest(EMPTY), "size": len(EMPTY)},
            "layers": [
                {
                    "mediaType": self.artifact_type,
                    "digest": self.digest,
                    "size": len(self.content),
                    "annotations": {artifact_types.TITLE: title},
                }
            ],
            "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size},
            "annotations": dict(sorted(notes.items())),
        }
        return json.dumps(document, separators=(",", ":")).encode()


class AttachTools(msgspec.Struct, frozen=True, kw_only=True):
    """What the step works with.

    Attributes:
        registry: of the image; `writer` writes to it.
        sign: signs a pinned reference, unless that was done before, and verifies it.
        signed: whether the same key has signed a pinned reference.
        progress: told what is attached.
    """

    registry: Registry
    writer: Writer
    sign: Callable[[str], SignResult]
    signed: Callable[[str], bool]
    progress: Progress


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where documents are attached.

    Attributes:
        subject: the image or index.
        reference: pinned, of the same.
        there: what referred to it when this began.
    """

    subject: Descriptor
    reference: Reference
    there: tuple[Descriptor, ...]


def look(reference: Reference, registry: Registry) -> Place:
    """Look up an image and what lies beside it.

    Args:
        reference: with a digest.
        registry: of the image.

    Raises:
        InputError: it is not there.
        OutsideError: the registry could not be asked.
    """
    subject = registry.resolve(reference)
    return Place(subject=subject, reference=reference, there=registry.referrers(reference))


def attach(one: Attachment, place: Place, tools: AttachTools) -> Attached:
    """Attach a document to an image, and sign it.

    A run that is killed can be run again: what is there is not attached again, and what is not signed yet is signed.

    Args:
        one: the document.
        place: where.
        tools: the collaborators.

    Raises:
        OutsideError: the registry did not take it, or a signature could not be made.
        Refused: a signature was made but does not verify.
    """
    found = next((d for d in place.there if _claims(d, one) and _holds(d, one, place, tools.registry)), None)
    digest = found.digest if found is not None else _push(one, place, tools.writer)
    signed = tools.sign(place.reference.at(digest).pinned)
    tools.progress.note(f"{place.reference}: {one.kind} {digest}" + (" (was there)" if found is not None else ""))
    return Attached(
        kind=one.kind,
        artifact_type=one.artifact_type,
        digest=digest,
        size=len(one.content),
        created=one.created,
        signature_digest=signed.signature_digest,
        skipped=found is not None and signed.skipped,
    )


def _claims(descriptor: Descriptor, one: Attachment) -> bool:
    """Whether a referrer is this document by what the list of referrers says, which nobody signed."""
    wanted = {CONTENT: one.digest, artifact_types.CREATED: one.created}
    return descriptor.artifact_type == one.artifact_type and all(
        descriptor.annotations.get(key) == value for key, value in wanted.items()
    )


def _holds(descriptor: Descriptor, one: Attachment, place: Place, registry: Registry) -> bool:
    """Whether it is: it is going to be signed, so it must hold this document and nothing else."""
    try:
        found = registry.manifest(place.reference.at(descriptor.digest)).document
    except S3CError:
        return False
    ours = reading.json_value(one.manifest(place.subject))
    return _without_version(found) == _without_version(ours)


def _without_version(document: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without the one annotation that another version of s3c would write differently."""
    notes = document.get("annotations")
    kept = (
        {key: text for key, text in notes.items() if key != artifact_types.VERSION}
        if isinstance(notes, dict)
        else notes
    )
    return {**document, "annotations": kept}


def _push(one: Attachment, place: Place, writer: Writer) -> str:
    writer.push_blob(place.reference, _digest(EMPTY), EMPTY)
    writer.push_blob(place.reference, one.digest, one.content)
    content = one.manifest(place.subject)
    return writer.push_manifest(place.reference.at(_digest(content)), content, OCI_MANIFEST).digest


def prune(done: Iterable[Attached], place: Place, tools: AttachTools) -> tuple[str, ...]:
    """Delete earlier documents of s3c of the same kinds, each with its signatures; others' are left alone.

    Args:
        done: what takes their place.
        place: where.
        tools: the collaborators.

    Returns:
        The digests of what was deleted, without the signatures.

    Raises:
        OutsideError: the registry lets nothing be deleted, or failed.
    """
    kinds, kept = {one.artifact_type for one in done}, {one.digest for one in done}
    old = [
        one
        for one in place.there
        if one.artifact_type in kinds and one.digest not in kept and artifact_types.VERSION in one.annotations
    ]
    for one in old:
        for signature in tools.registry.referrers(place.reference.at(one.digest), artifact_types.SIGNATURE):
            tools.writer.delete_manifest(place.reference.at(signature.digest))
        tools.writer.delete_manifest(place.reference.at(one.digest))
        when = one.annotations.get(artifact_types.CREATED, "?")
        tools.progress.note(f"{place.reference}: {one.digest} of {when} deleted")
    return tuple(one.digest for one in old)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def facts(statement: Mapping[str, Any], version: str) -> dict[str, str]:
    """The annotations that tell of a scan, from what a report states of it; those that are empty are left out."""
    found = {
        artifact_types.VERSION: version,
        artifact_types.SCANNER: statement["scanner"],
        artifact_types.DATABASE: statement["database"],
        artifact_types.PLATFORM: statement["platform"],
        artifact_types.VERDICT: statement["verdict"],
        artifact_types.POLICY: statement["policy"]["digest"],
    }
    return {key: str(value) for key, value in found.items() if value}
