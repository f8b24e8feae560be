"""Whose word counts for what a patch changed."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.core import artifact_types
from s3c_actions.evidence.documents import AttachedResult
from s3c_actions.steps.trace.changes import compare_reports, stated_change, stated_tag
from s3c_actions.trace.model import (
    Ancestor,
    AttachedDocument,
    DocumentKind,
    PatchChange,
    Relation,
    SignatureTrust,
    Subject,
)
from tests.support import stories

CHANGE = PatchChange(source="the attached result.json", before=stories.patched().subject.reports[0].counts, after={})  # type: ignore[arg-type]


def result(number: int, trust: SignatureTrust | None) -> AttachedDocument:
    signatures = () if trust is None else (stories.signature(trust),)
    return stories.document(number, artifact_types.RESULT, DocumentKind.RESULT, signatures=signatures)


def stated(*documents: AttachedDocument) -> tuple[dict[str, AttachedResult], list[Subject]]:
    """Results, each of which names its own number as original and tag, of one image."""
    results = {
        document.digest: AttachedResult(
            description="",
            original=f"original-{int(document.digest[7:], 16)}",
            tag=str(int(document.digest[7:], 16)),
            change=CHANGE,
        )
        for document in documents
    }
    return results, [Subject(reference=f"{stories.NAME}@{stories.DIGEST}", documents=documents)]


def test_a_trusted_result_counts_before_a_newer_one_that_is_not():
    results, subjects = stated(result(1, None), result(2, SignatureTrust.REFUSED), result(3, SignatureTrust.TRUSTED))
    original, change = stated_change(results, subjects)
    assert original == "original-3"
    assert change is not None
    assert (change.trust, change.source) == (
        SignatureTrust.TRUSTED,
        "the attached result.json, signed by a trusted signer",
    )
    assert stated_tag(results, subjects) == "3"


def test_without_a_trusted_one_the_newest_is_named_with_what_it_is_worth():
    for trust, source, stands, tag in (
        (None, "which nobody signed", False, ""),
        (SignatureTrust.REFUSED, "whose signature does not count", False, ""),
        (SignatureTrust.UNCHECKED, "with a signature that was not verified", True, "1"),
    ):
        results, subjects = stated(result(1, trust), result(2, trust))
        original, change = stated_change(results, subjects)
        assert original == "original-1"
        assert change is not None
        assert (change.source, change.stated) == (f"the attached result.json, {source}", stands)
        assert stated_tag(results, subjects) == tag
    assert stated_change({}, subjects) == ("", None)
    assert stated_tag({}, subjects) == ""


def test_reports_of_both_images_are_compared_and_one_alone_is_not():
    left, fixed = stories.attached_finding(1), stories.attached_finding(2)
    before = Subject(reference=f"{stories.NAME}@{stories.ORIGINAL}", documents=(stories.report(1, left, fixed),))
    after = Subject(reference=f"{stories.NAME}@{stories.DIGEST}", documents=(stories.report(2, left),))
    original = Ancestor(named="original", relation=Relation.PATCHED, said_by="a label", subject=before)
    change = compare_reports(after, (original,))
    assert change is not None
    assert (change.fixed, change.left) == ((fixed,), (left,))
    assert change.source == "the newest reports attached to both images"
    short = replace(after, documents=(stories.report(2, left, omitted=3),))
    change = compare_reports(short, (original,))
    assert change is not None
    assert change.source.endswith("which do not list everything")
    assert compare_reports(replace(after, documents=()), (original,)) is None
    assert compare_reports(after, (replace(original, relation=Relation.BASE),)) is None
    assert compare_reports(after, ()) is None
