"""Trace a digest from the registry alone.

Everything that refers to the digest is listed, the newest of each kind is read, and what is broken is reported, not
fatal: a stranger who may push there must not be able to hide the rest. The number of referrers read is limited, so that
a thousand of them cost little more than ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.moments import format_moment
from s3c_actions.core.reference import Reference
from s3c_actions.steps.trace.ancestors import AncestorReader
from s3c_actions.steps.trace.changes import compare_reports, stated_change, stated_tag
from s3c_actions.steps.trace.documents import DocumentReader
from s3c_actions.steps.trace.signatures import SignatureReader
from s3c_actions.steps.trace.subjects import SubjectReader
from s3c_actions.trace.model import AdmissionVerdict, SignatureTrust, Subject, Trace, TraceJudgement

if TYPE_CHECKING:
    from s3c_actions.registry import Descriptor
    from s3c_actions.steps.trace.tools import TraceTools

MAX_PLATFORMS = 20
WORKERS = 8


def run(image: str, tools: TraceTools) -> Trace:
    """Trace one image.

    Args:
        image: as people name it, by tag or digest.
        tools: the collaborators.

    Raises:
        InputError: it is not a reference, or is not in the registry.
        OutsideError: the registry could not be reached for the image itself.
    """
    requested = Reference.parse(image)
    manifest = tools.registry.manifest(requested)
    reference = requested.at(manifest.descriptor.digest)
    with ThreadPoolExecutor(WORKERS) as pool:
        signatures = SignatureReader(tools)
        documents = DocumentReader(tools.registry, signatures)
        look = SubjectReader(tools, documents, signatures, pool)
        described = look.subject(reference, manifest, "")
        listed = manifest.descriptor.images[:MAX_PLATFORMS]
        platforms = look.each(
            lambda descriptor: look.platform(reference.at(descriptor.digest), descriptor.platform), listed
        )
        subjects = [described, *platforms]
        original, change = stated_change(documents.results, subjects)
        ancestors = AncestorReader(look, tools.registry, reference).read(subjects, original)
    subject = _with_problem(described, manifest.descriptor.images[MAX_PLATFORMS:])
    return Trace(
        image=image,
        tag=requested.tag or stated_tag(documents.results, subjects),
        created=format_moment(tools.now),
        subject=subject,
        platforms=tuple(platforms),
        ancestors=ancestors,
        change=change or compare_reports(subject, ancestors),
        judgement=_judge(reference, described, tools),
        gate=tools.gate,
    )


def _with_problem(subject: Subject, more: Sequence[Descriptor]) -> Subject:
    return replace(subject, problem=f"{len(more)} more platforms were not looked at") if more else subject


def _judge(pinned: Reference, subject: Subject, tools: TraceTools) -> TraceJudgement:
    if tools.judge is not None:
        return tools.judge(pinned)
    reference, trust = subject.reference, subject.trust
    if tools.checker is None:
        return TraceJudgement(
            verdict=AdmissionVerdict.UNKNOWN,
            by="",
            reasons=("no trust store or policy is given, so nobody is trusted yet",),
            remedy=f"s3c trace {reference} --trust-store CERTIFICATE",
        )
    if trust is SignatureTrust.TRUSTED:
        return TraceJudgement(verdict=AdmissionVerdict.ADMITTED, by="its signature and the trust store alone")
    reasons = [signature.reason for signature in subject.signatures if signature.reason] or ["it has no signature"]
    return TraceJudgement(
        verdict=AdmissionVerdict.DENIED,
        by="its signature and the trust store alone",
        reasons=tuple(dict.fromkeys(reasons)),
        remedy=f"s3c sign {reference}",
    )
