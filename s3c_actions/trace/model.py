"""The trace of a digest, as recorded in the registry: origin, findings, signers, and what counts today.

Every text in it comes from anyone who may push to the repository and is untrusted: renderers escape it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from s3c_actions.core.gate_pause import GatePause
from s3c_actions.findings.model import Severity

Count = Annotated[int, Meta(ge=0)]
Counts = Annotated[
    Mapping[Severity, Count],
    Meta(extra_json_schema={"propertyNames": {"enum": [severity.name.lower() for severity in Severity]}}),
]
"""Findings by severity, without severities that are not known; written by the severities' names in lower case."""


class SignatureTrust(StrEnum):
    """Notation's verdict on one signature, by the given trust store.

    BROKEN: it cannot be read, or is a signature of something else. UNCHECKED: notation was not asked.
    """

    TRUSTED = "trusted"
    REFUSED = "refused"
    BROKEN = "broken"
    UNCHECKED = "unchecked"


class TracedSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A signature.

    Attributes:
        digest: of its manifest.
        listed: the time of its annotation, which is unsigned. `signed_at` is the signed time.
        signature_format: `cose` or `jws`.
        signer, issuer: names of the certificate, RFC 4514; `thumbprint` its SHA-256 in hexadecimal.
        reason: why it does not count, or was not checked.
    """

    digest: str
    trust: SignatureTrust
    listed: str = ""
    signature_format: str = ""
    signer: str = ""
    issuer: str = ""
    thumbprint: str = ""
    signed_at: str = ""
    expires: str = ""
    timestamped: bool = False
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    reason: str = ""


class AttachedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of an attached report, as far as its format states it.

    Attributes:
        exploited_since: the day on which CISA listed it as exploited; empty where the report states none.
        exploited_due: the day by which CISA wants it fixed.
        ransomware: whether CISA knows of its use for ransomware.
        epss: FIRST's estimate, from 0 to 1, that it is exploited within 30 days; None where the report states none.
    """

    id: str
    severity: Severity
    package: str = ""
    installed: str = ""
    fixed: str = ""
    title: str = ""
    url: str = ""
    reason: str = ""
    exploited_since: str = ""
    exploited_due: str = ""
    ransomware: bool = False
    epss: float | None = None


class DocumentKind(StrEnum):
    """The kind of a document beside an image."""

    REPORT = "report"
    SBOM = "SBOM"
    VEX = "VEX"
    RESULT = "result"
    STATEMENT = "in-toto statement"
    OTHER = "other"


class AttachedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document attached to the image.

    Attributes:
        digest: of its manifest; `content` of the document itself, empty when it was not read.
        artifact_type: as the registry lists it; `predicate_type` what an in-toto statement states.
        created: RFC 3339; of a report, the time of the scan (from its content where it states it).
        size: of the document in bytes, 0 when it was not read.
        scanner, database: from its annotations or content.
        findings: of a report, the most severe first; `counts` of all of them, None when it is not a report; `omitted`
            the number of further findings it states.
        description: the content of a document that is not a report, in a clause.
        read: whether its content was read; of many of one kind, only the newest are.
        problem: why it cannot be used, in a clause; empty when it can.
    """

    digest: str
    artifact_type: str
    kind: DocumentKind
    predicate_type: str = ""
    created: str = ""
    content: str = ""
    size: Count = 0
    scanner: str = ""
    database: str = ""
    findings: tuple[AttachedFinding, ...] = ()
    counts: Counts | None = None
    fixable: Count = 0
    omitted: Count = 0
    description: str = msgspec.field(default="", name="told")
    signatures: tuple[TracedSignature, ...] = ()
    read: bool = True
    problem: str = ""

    @property
    def trust(self) -> SignatureTrust:
        """Return the best verdict on its signatures; UNCHECKED when it has none."""
        return best_trust(self.signatures)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest or index and everything that refers to it.

    Attributes:
        reference: pinned.
        platform: of an image, `os/architecture[/variant]`; empty for an index.
        created: when it was built, from its configuration, RFC 3339.
        patched: when Copa patched it, empty when it did not.
        labels: of the image, with the annotations of its manifest.
        signatures, documents: the newest first.
        referrers: the number that the registry lists; `unread` the number of them that were not read.
        problem: why it could not be read, in a clause.
    """

    reference: str
    platform: str = ""
    created: str = ""
    patched: str = ""
    layers: Count = 0
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    signatures: tuple[TracedSignature, ...] = ()
    documents: tuple[AttachedDocument, ...] = ()
    referrers: Count = 0
    unread: Count = 0
    problem: str = ""

    @property
    def digest(self) -> str:
        """Return its digest."""
        return self.reference.rpartition("@")[2]

    @property
    def trust(self) -> SignatureTrust:
        """Return the best verdict on its signatures."""
        return best_trust(self.signatures)

    @property
    def reports(self) -> tuple[AttachedDocument, ...]:
        """Return the readable reports, the newest first."""
        return tuple(document for document in self.documents if document.counts is not None)


class Relation(StrEnum):
    """The relation of an image to the one derived from it."""

    PATCHED = "patched"
    BASE = "base"


class Ancestor(msgspec.Struct, frozen=True, kw_only=True):
    """An image that this one claims to come from.

    Attributes:
        named: the reference as written there.
        said_by: the place of the claim: a label, an annotation, the attached result.
        proven: whether this image begins with its layers; None when it could not be compared.
        subject: its trace; None when it was not looked up or does not exist.
        problem: why there is no `subject`, in a clause.
    """

    named: str
    relation: Relation
    said_by: str
    proven: bool | None = None
    subject: Subject | None = None
    problem: str = ""


class PatchChange(msgspec.Struct, frozen=True, kw_only=True):
    """The changes by the patch.

    Attributes:
        source: where they are stated, in a clause.
        before, after: findings by severity.
        trust: the verdict on the signature of the attached result that states them; None when they are not from one, or
            nobody signed it.
    """

    source: str
    before: Counts
    after: Counts
    fixed: tuple[AttachedFinding, ...] = ()
    left: tuple[AttachedFinding, ...] = ()
    new: tuple[AttachedFinding, ...] = ()
    trust: SignatureTrust | None = None

    @property
    def stated(self) -> bool:
        """Return whether its counts may stand for a missing report: signed, and not by somebody who is not trusted."""
        return self.trust in {SignatureTrust.TRUSTED, SignatureTrust.UNCHECKED}


class AdmissionVerdict(StrEnum):
    """Whether the image would be admitted today."""

    ADMITTED = "admitted"
    DENIED = "denied"
    UNKNOWN = "unknown"


class TraceJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict and its basis; each reason, what will be refused from when on, and each exception as a clause."""

    verdict: AdmissionVerdict
    by: str
    reasons: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()
    remedy: str = ""
    exceptions: tuple[str, ...] = ()


class TracedGate(msgspec.Struct, frozen=True, kw_only=True):
    """The pauses of a cluster's gate, if a cluster was named: while it is paused, no verdict counts there.

    Attributes:
        cluster: address of its API server.
        pauses: as they stand in its constraints.
        sentences: the same for people, at the time of the trace.
    """

    cluster: str
    pauses: tuple[GatePause, ...]
    sentences: tuple[str, ...]


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the registry records about one digest.

    Attributes:
        image: as requested.
        tag: as requested, else as the attached result names it; empty when neither does.
        created: the time of the trace, RFC 3339.
        subject: the digest itself; `platforms` the images of an index.
        ancestors: the nearest first.
        gate: of the cluster that was named; None when none was.
    """

    image: str
    tag: str = ""
    created: str = msgspec.field(name="told")
    subject: Subject
    platforms: tuple[Subject, ...] = ()
    ancestors: tuple[Ancestor, ...] = ()
    change: PatchChange | None = None
    judgement: TraceJudgement
    gate: TracedGate | None = None

    @property
    def reference(self) -> str:
        """Return the traced digest, pinned."""
        return self.subject.reference

    @property
    def original_counts(self) -> Counts | None:
        """Return the counts of the original by the signed result; None when no signed result states them."""
        return self.change.before if self.change is not None and self.change.stated else None

    @property
    def counts(self) -> Counts | None:
        """Return the counts of this image by the signed result; None when no signed result states them."""
        return self.change.after if self.change is not None and self.change.stated else None

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Return the index and its images, or the image."""
        return (self.subject, *self.platforms)

    @property
    def report(self) -> AttachedDocument | None:
        """Return the newest readable report: of the digest itself, else of its first platform that has one."""
        return next((report for subject in self.subjects for report in subject.reports), None)


def best_trust(signatures: tuple[TracedSignature, ...]) -> SignatureTrust:
    """Return the best verdict on several signatures."""
    order = (SignatureTrust.TRUSTED, SignatureTrust.UNCHECKED, SignatureTrust.REFUSED, SignatureTrust.BROKEN)
    verdicts = {signature.trust for signature in signatures}
    return next((trust for trust in order if trust in verdicts), SignatureTrust.UNCHECKED)
