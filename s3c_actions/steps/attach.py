"""Attach evidence to a digest: each document as an OCI referrer, each signed, none twice.

https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidelines-for-artifact-usage. The manifest
consists of the document and the scan's facts only, so that the same evidence has the same digest and is found again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec

from s3c_actions.core import artifact_types, reading
from s3c_actions.core.errors import S3CError
from s3c_actions.core.progress import Progress
from s3c_actions.core.reference import Reference
from s3c_actions.registry import OCI_MANIFEST, Descriptor, Registry, Writer
from s3c_actions.result.model import AttachedEvidence, SignResult

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
CONTENT_ANNOTATION = "dev.s3c.content"
"""Annotation with the document's digest, so that a list of referrers shows whether it is already attached."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A document to attach.

    Attributes:
        kind: a key of `artifact_types.KINDS` or `artifact_types.PREDICATES`.
        content: the document.
        created: RFC 3339 time of the scan or patch it describes.
        annotations: of its manifest, besides the time.
    """

    kind: str
    content: bytes
    created: str
    annotations: Mapping[str, str]

    @property
    def artifact_type(self) -> str:
        """Return its media type, which is also its manifest's artifact type."""
        return artifact_types.artifact_type_of(self.kind)

    @property
    def digest(self) -> str:
        """Return the digest of the document."""
        return _digest(self.content)

    def manifest(self, subject: Descriptor) -> bytes:
        """Return the manifest that attaches the document to the subject."""
        predicate = artifact_types.PREDICATES.get(self.kind, "")
        type_annotation = {artifact_types.PREDICATE_TYPE: predicate} if predicate else {}
        notes = {
            **self.annotations,
            **type_annotation,
            artifact_types.CREATED: self.created,
            CONTENT_ANNOTATION: self.digest,
        }
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
                    "annotations": {**type_annotation, artifact_types.TITLE: artifact_types.title_of(self.kind)},
                }
            ],
            "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size},
            "annotations": dict(sorted(notes.items())),
        }
        return json.dumps(document, separators=(",", ":")).encode()


class AttachTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of the step.

    Attributes:
        registry: of the image; `writer` writes to it.
        sign: signs a pinned reference, unless that was done before, and verifies it.
        signed: returns whether the same key has signed a pinned reference.
        progress: receives what is attached.
        pushing: entered around what is pushed.
    """

    registry: Registry
    writer: Writer
    sign: Callable[[str], SignResult]
    signed: Callable[[str], bool]
    progress: Progress
    pushing: AbstractContextManager[object] = msgspec.field(default_factory=nullcontext)


class AttachTarget(msgspec.Struct, frozen=True, kw_only=True):
    """The image that documents are attached to.

    Attributes:
        subject: the image or index.
        reference: pinned, of the same.
        referrers: its referrers at the start.
    """

    subject: Descriptor
    reference: Reference
    referrers: tuple[Descriptor, ...]


def find_attach_target(reference: Reference, registry: Registry) -> AttachTarget:
    """Look up an image and its referrers.

    Args:
        reference: with a digest.
        registry: of the image.

    Raises:
        InputError: it does not exist.
        OutsideError: the registry could not be reached.
    """
    subject = registry.resolve(reference)
    return AttachTarget(subject=subject, reference=reference, referrers=registry.referrers(reference))


def attach(attachment: Attachment, place: AttachTarget, tools: AttachTools) -> AttachedEvidence:
    """Attach a document to an image, and sign it.

    A run that was killed can be repeated: existing documents are not attached again, and unsigned ones are signed.

    Args:
        attachment: the document.
        place: the image.
        tools: the collaborators.

    Raises:
        OutsideError: the registry rejected it, or a signature could not be made.
        Refused: a signature was made but does not verify.
    """
    existing = next(
        (
            descriptor
            for descriptor in place.referrers
            if _claims(descriptor, attachment) and _holds(descriptor, attachment, place, tools.registry)
        ),
        None,
    )
    if existing is not None:
        digest = existing.digest
    else:
        with tools.pushing:
            digest = _push(attachment, place, tools.writer)
    signed = tools.sign(place.reference.at(digest).pinned)
    tools.progress.note(
        f"{place.reference}: {attachment.kind} {digest}" + (" (was there)" if existing is not None else "")
    )
    return AttachedEvidence(
        kind=attachment.kind,
        artifact_type=attachment.artifact_type,
        digest=digest,
        size=len(attachment.content),
        created=attachment.created,
        signature_digest=signed.signature_digest,
        skipped=existing is not None and signed.skipped,
    )


def _claims(descriptor: Descriptor, attachment: Attachment) -> bool:
    """Return whether a referrer claims to be this document, in the list of referrers, which is unsigned."""
    expected = {CONTENT_ANNOTATION: attachment.digest, artifact_types.CREATED: attachment.created}
    return descriptor.artifact_type == attachment.artifact_type and all(
        descriptor.annotations.get(key) == value for key, value in expected.items()
    )


def _holds(descriptor: Descriptor, attachment: Attachment, place: AttachTarget, registry: Registry) -> bool:
    """Return whether a referrer contains this document and nothing else: it is going to be signed."""
    try:
        document = registry.manifest(place.reference.at(descriptor.digest)).document
    except S3CError:
        return False
    expected = reading.parse_json(attachment.manifest(place.subject))
    return _without_version(document) == _without_version(expected)


def _without_version(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest without the one annotation that differs between versions of s3c."""
    notes = document.get("annotations")
    annotations = (
        {key: text for key, text in notes.items() if key != artifact_types.VERSION}
        if isinstance(notes, dict)
        else notes
    )
    return {**document, "annotations": annotations}


def _push(attachment: Attachment, place: AttachTarget, writer: Writer) -> str:
    writer.push_blob(place.reference, _digest(EMPTY), EMPTY)
    writer.push_blob(place.reference, attachment.digest, attachment.content)
    content = attachment.manifest(place.subject)
    return writer.push_manifest(place.reference.at(_digest(content)), content, OCI_MANIFEST).digest


def prune(
    done: Iterable[AttachedEvidence], place: AttachTarget, tools: AttachTools, before: str = ""
) -> tuple[str, ...]:
    """Delete earlier documents of s3c of the same kinds, each with its signatures; documents of others are kept.

    Args:
        done: the new documents.
        place: the image.
        tools: the collaborators.
        before: RFC 3339 time in UTC; what describes a later one is kept, as another run may be about to sign it. Empty
            keeps nothing.

    Returns:
        The digests of the deleted documents, without the signatures.

    Raises:
        OutsideError: the registry does not allow deletions, or failed.
    """
    new_digests = {document.digest for document in done}
    kinds = {(document.artifact_type, artifact_types.PREDICATES.get(document.kind, "")) for document in done}
    old = [
        document
        for document in place.referrers
        if (document.artifact_type, _predicate(document)) in kinds
        and document.digest not in new_digests
        and artifact_types.VERSION in document.annotations
        and not (before and document.annotations.get(artifact_types.CREATED, "") > before)
    ]
    for document in old:
        for signature in tools.registry.referrers(place.reference.at(document.digest), artifact_types.SIGNATURE):
            tools.writer.delete_manifest(place.reference.at(signature.digest))
        tools.writer.delete_manifest(place.reference.at(document.digest))
        when = document.annotations.get(artifact_types.CREATED, "?")
        tools.progress.note(f"{place.reference}: {document.digest} of {when} deleted")
    return tuple(document.digest for document in old)


def _predicate(document: Descriptor) -> str:
    """Return which in-toto statement a referrer claims to be; empty for any other document."""
    is_statement = document.artifact_type == artifact_types.IN_TOTO
    return document.annotations.get(artifact_types.PREDICATE_TYPE, "") if is_statement else ""


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def statement_annotations(statement: Mapping[str, Any], version: str) -> dict[str, str]:
    """Return the annotations that describe a scan, from the report's statement; empty ones are omitted."""
    annotations = {
        artifact_types.VERSION: version,
        artifact_types.SCANNER: statement["scanner"],
        artifact_types.DATABASE: statement["database"],
        artifact_types.PLATFORM: statement["platform"],
        artifact_types.VERDICT: statement["verdict"],
        artifact_types.POLICY: statement["policy"]["digest"],
    }
    return {key: str(value) for key, value in annotations.items() if value}
