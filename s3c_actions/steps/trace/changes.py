"""What a patch changed: as an attached result.json states it, or by the reports attached to both images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from s3c_actions.evidence import documents as attached
from s3c_actions.trace.model import Ancestor, AttachedDocument, PatchChange, Relation, SignatureTrust, Subject


def stated_change(
    results: Mapping[str, attached.AttachedResult], subjects: Iterable[Subject]
) -> tuple[str, PatchChange | None]:
    """Return the original and the change that an attached result states: of a trusted one, else of the newest."""
    documents = [document for subject in subjects for document in subject.documents if document.digest in results]
    for document in sorted(documents, key=lambda candidate: candidate.trust is not SignatureTrust.TRUSTED):
        result = results[document.digest]
        if result.original and result.change is not None:
            trust = document.trust if document.signatures else None
            source = f"{result.change.source}, {_describe_trust(document)}"
            return result.original, replace(result.change, source=source, trust=trust)
    return "", None


def stated_tag(results: Mapping[str, attached.AttachedResult], subjects: Iterable[Subject]) -> str:
    """Return the tag that a signed result says the patched image got; empty when none says it."""
    documents = (document for subject in subjects for document in subject.documents)
    tags = (
        results[document.digest].tag
        for document in documents
        if document.digest in results
        and document.signatures
        and document.trust in {SignatureTrust.TRUSTED, SignatureTrust.UNCHECKED}
    )
    return next((tag for tag in tags if tag), "")


def compare_reports(subject: Subject, ancestors: tuple[Ancestor, ...]) -> PatchChange | None:
    """Return what the patch changed, by the newest reports of both images."""
    original = next((ancestor.subject for ancestor in ancestors if ancestor.relation is Relation.PATCHED), None)
    if original is None or not original.reports or not subject.reports:
        return None
    newest = (original.reports[0], subject.reports[0])
    before, after = (
        attached.SarifReport(findings=report.findings, fixable=report.fixable, counted=tuple(report.counts or ()))
        for report in newest
    )
    short = ", which do not list everything" if any(report.omitted for report in newest) else ""
    return attached.compare_attached(before, after, f"the newest reports attached to both images{short}")


def _describe_trust(document: AttachedDocument) -> str:
    if not document.signatures:
        return "which nobody signed"
    return {
        SignatureTrust.TRUSTED: "signed by a trusted signer",
        SignatureTrust.UNCHECKED: "with a signature that was not verified",
    }.get(document.trust, "whose signature does not count")
