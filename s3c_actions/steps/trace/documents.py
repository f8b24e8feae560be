"""The documents attached to a digest: which of them are read, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.evidence import documents as attached
from s3c_actions.evidence import intoto_reading
from s3c_actions.evidence import signatures as stored
from s3c_actions.signing import envelopes
from s3c_actions.steps.trace.referrers import clause, list_referrers, listed_at
from s3c_actions.trace.model import AttachedDocument, DocumentKind

if TYPE_CHECKING:
    from s3c_actions.registry import Descriptor, Registry
    from s3c_actions.steps.trace.signatures import SignatureReader

DOCUMENT_KINDS: Mapping[str, DocumentKind] = {
    artifact_types.SARIF: DocumentKind.REPORT,
    artifact_types.SPDX: DocumentKind.SBOM,
    artifact_types.CYCLONEDX: DocumentKind.SBOM,
    artifact_types.OPENVEX: DocumentKind.VEX,
    artifact_types.RESULT: DocumentKind.RESULT,
    artifact_types.IN_TOTO: DocumentKind.STATEMENT,
}
MAX_DOCUMENTS = 5
MAX_OTHERS = 20


class DocumentReader:
    """Reads documents, each with its own signatures.

    Attributes:
        results: digest → what the attached result.json says, of those that were read.
    """

    def __init__(self, registry: Registry, signatures: SignatureReader) -> None:
        self._registry, self._signatures = registry, signatures
        self.results: dict[str, attached.AttachedResult] = {}

    def read(self, reference: Reference, listed: Descriptor) -> AttachedDocument:
        """Read one document, and its signatures when it is evidence."""
        document = replace(unread(listed), read=True)
        try:
            manifest = self._registry.manifest(reference.at(listed.digest))
            annotations = {**listed.annotations, **manifest.descriptor.annotations}
            document = replace(
                document,
                created=envelopes.normalize_time(annotations.get(artifact_types.CREATED)),
                scanner=annotations.get(artifact_types.SCANNER, ""),
                database=annotations.get(artifact_types.DATABASE, ""),
            )
            stored.require_subject(manifest, reference.digest)
            if document.kind is DocumentKind.OTHER:
                return document
            layer = stored.only_layer(manifest)
            content = self._registry.blob(reference, layer["digest"])
        except (S3CError, ValueError) as error:
            return replace(document, problem=clause(error))
        document = replace(document, content=layer["digest"], size=len(content))
        signed = list_referrers(self._registry, reference.at(listed.digest))
        signatures = (
            [
                self._signatures.read(reference.at(listed.digest), manifest, descriptor)
                for descriptor in signed
                if descriptor.artifact_type == artifact_types.SIGNATURE
            ][:MAX_DOCUMENTS]
            if not isinstance(signed, str)
            else []
        )
        document = replace(document, signatures=tuple(signatures))
        try:
            return self._parse_content(document, content, reference.digest)
        except attached.UnusableDocument as error:
            return replace(document, problem=str(error))

    def _parse_content(self, document: AttachedDocument, content: bytes, subject: str) -> AttachedDocument:
        if document.kind is DocumentKind.REPORT:
            report = attached.read_sarif(content)
            other_subject = report.subject and report.subject != subject
            return replace(
                document,
                created=envelopes.normalize_time(report.created) or document.created,
                scanner=report.scanner or document.scanner,
                database=report.database or document.database,
                findings=report.findings,
                counts=attached.count_by_severity(report.findings, report.counted),
                fixable=report.fixable,
                omitted=report.omitted,
                problem=f"it is about another image, {report.subject[:19]}" if other_subject else "",
            )
        if document.kind is DocumentKind.RESULT:
            self.results[document.digest] = attached.read_attached_result(content, subject)
            return replace(document, description=self.results[document.digest].description)
        if document.kind is DocumentKind.STATEMENT:
            statement = intoto_reading.describe_statement(content, subject)
            return replace(document, predicate_type=statement.predicate_type, description=statement.description)
        describe = {
            artifact_types.SPDX: attached.describe_spdx,
            artifact_types.CYCLONEDX: attached.describe_cyclonedx,
            artifact_types.OPENVEX: attached.describe_openvex,
        }[document.artifact_type]
        return replace(document, description=describe(content))


def choose_documents(documents: Sequence[Descriptor]) -> set[str]:
    """Return the digests of the newest of each type; of all unknown types together, the newest."""
    counts: dict[str, int] = {}
    chosen = set()
    for document in documents:
        is_known_type = document.artifact_type in DOCUMENT_KINDS
        key = document.artifact_type if is_known_type else ""
        counts[key] = counts.get(key, 0) + 1
        # Every in-toto statement has one type, whatever it states.
        many = not is_known_type or key == artifact_types.IN_TOTO
        if counts[key] <= (MAX_OTHERS if many else MAX_DOCUMENTS):
            chosen.add(document.digest)
    return chosen


def unread(listed: Descriptor) -> AttachedDocument:
    """Return what the listing alone says of a document."""
    annotations = listed.annotations
    return AttachedDocument(
        digest=listed.digest,
        artifact_type=listed.artifact_type,
        kind=DOCUMENT_KINDS.get(listed.artifact_type, DocumentKind.OTHER),
        predicate_type=annotations.get(artifact_types.PREDICATE_TYPE, ""),
        created=listed_at(listed),
        scanner=annotations.get(artifact_types.SCANNER, ""),
        database=annotations.get(artifact_types.DATABASE, ""),
        read=False,
    )
