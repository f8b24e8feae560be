"""Stories of digests, for the tests of what is rendered from them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from s3c_actions.core import artifact_types
from s3c_actions.core.gate_pause import GatePause
from s3c_actions.evidence import documents as attached
from s3c_actions.findings.model import Severity
from s3c_actions.trace.model import (
    AdmissionVerdict,
    Ancestor,
    AttachedDocument,
    AttachedFinding,
    DocumentKind,
    PatchChange,
    Relation,
    SignatureTrust,
    Subject,
    Trace,
    TracedGate,
    TracedSignature,
    TraceJudgement,
)

ORIGINAL = "sha256:" + "65a0dd9b" * 8
DIGEST = "sha256:" + "33955bb0" * 8
NAME = "localhost:5000/voting-app"


def attached_finding(number: int, severity: Severity = Severity.HIGH, **changes: Any) -> AttachedFinding:
    facts: dict[str, Any] = {
        "id": f"CVE-2026-{number:04d}",
        "severity": severity,
        "package": f"lib{'ssl' if number % 2 else 'curl'}{number % 3}",
        "installed": "3.0.9-1",
        "fixed": "3.0.11-1~deb12u2",
        "title": "denial of service in the parser",
        "url": f"https://avd.aquasec.com/nvd/cve-2026-{number:04d}",
    }
    return AttachedFinding(**facts | changes)


def signature(trust: SignatureTrust = SignatureTrust.TRUSTED, **changes: Any) -> TracedSignature:
    facts: dict[str, Any] = {
        "digest": "sha256:" + "0f1e2d3c" * 8,
        "trust": trust,
        "signature_format": "cose",
        "signer": "CN=release,O=Voting,ST=WA,C=US",
        "issuer": "CN=Voting Root,O=Voting,ST=WA,C=US",
        "thumbprint": "ab" * 32,
        "signed_at": "2026-11-23T07:10:00Z",
    }
    return TracedSignature(**facts | changes)


STRANGER = signature(
    SignatureTrust.REFUSED,
    digest="sha256:" + "aa" * 32,
    signer="CN=stranger,O=Else,ST=WA,C=US",
    issuer="CN=stranger,O=Else,ST=WA,C=US",
    thumbprint="cd" * 32,
    reason="It is signed by a certificate that the trust store does not lead to.",
)


def document(number: int, artifact_type: str, kind: DocumentKind, **changes: Any) -> AttachedDocument:
    facts: dict[str, Any] = {
        "digest": f"sha256:{number:064x}",
        "artifact_type": artifact_type,
        "kind": kind,
        "created": "2026-11-23T07:08:00Z",
        "content": "sha256:" + "e" * 64,
        "size": 1234,
        "signatures": (signature(),),
    }
    return AttachedDocument(**facts | changes)


def report(number: int, *findings: AttachedFinding, **changes: Any) -> AttachedDocument:
    facts: dict[str, Any] = {
        "findings": findings,
        "counts": attached.count_by_severity(findings),
        "fixable": len(findings),
        "scanner": "Trivy 0.74.0",
        "database": "2026-11-23T00:00:00Z",
    }
    return document(number, artifact_types.SARIF, DocumentKind.REPORT, **facts | changes)


def patched() -> Trace:
    """An image that was patched, signed twice (once by a stranger), with every kind of document."""
    fixed = tuple(attached_finding(number, Severity.HIGH if number < 8 else Severity.MEDIUM) for number in range(1, 23))
    left = (attached_finding(40, Severity.LOW, fixed="", reason="no fix yet", package="zlib1g"),)
    subject = Subject(
        reference=f"{NAME}@{DIGEST}",
        platform="linux/amd64",
        created="2026-11-22T10:00:00Z",
        patched="2026-11-23T07:05:00Z",
        layers=5,
        labels={
            "org.opencontainers.image.source": "https://github.com/acme/voting-app",
            "org.opencontainers.image.revision": "3b1f2c4d5e6f",
            "org.opencontainers.image.version": "1.4.0",
        },
        signatures=(signature(), STRANGER),
        documents=(
            report(1, *left, fixable=0),
            document(2, artifact_types.SPDX, DocumentKind.SBOM, description="183 packages"),
            document(3, artifact_types.OPENVEX, DocumentKind.VEX, description="22 statements, 22 fixed"),
            document(4, artifact_types.RESULT, DocumentKind.RESULT, description="s3c chain: passed"),
            report(
                5,
                *fixed[:3],
                created="2026-11-21T07:08:00Z",
                signatures=(STRANGER,),
                problem="it is about another image",
            ),
            document(
                6, "application/vnd.example.note", DocumentKind.OTHER, read=False, signatures=(), content="", size=0
            ),
        ),
        referrers=8,
        unread=1,
    )
    original = Subject(
        reference=f"{NAME}@{ORIGINAL}",
        platform="linux/amd64",
        created="2026-11-22T10:00:00Z",
        layers=4,
        documents=(report(7, *fixed, *left),),
        referrers=1,
    )
    return Trace(
        image=f"{NAME}:1.4.0-1",
        tag="1.4.0-1",
        created="2026-11-23T08:00:00Z",
        subject=subject,
        ancestors=(
            Ancestor(
                named=f"{NAME}:1.4.0@{ORIGINAL}",
                relation=Relation.PATCHED,
                said_by="the attached result.json",
                proven=True,
                subject=original,
            ),
            Ancestor(
                named="docker.io/library/debian:bookworm-slim",
                relation=Relation.BASE,
                said_by="the annotation org.opencontainers.image.base.name",
                problem="it lies in another registry",
            ),
        ),
        change=PatchChange(
            source="the attached result.json, signed by a trusted signer",
            trust=SignatureTrust.TRUSTED,
            before=attached.count_by_severity((*fixed, *left)),
            after=attached.count_by_severity(left),
            fixed=fixed,
            left=left,
        ),
        judgement=TraceJudgement(verdict=AdmissionVerdict.ADMITTED, by="its signature and the trust store alone"),
    )


PAUSE = GatePause(
    constraint="ratify-verification",
    since="2026-11-23T07:50:00Z",
    until="2026-11-23T08:20:00Z",
    reason="registry down, INC-1234",
)


def paused() -> Trace:
    """A denied image, and a cluster whose gate is paused."""
    gate = TracedGate(
        cluster="https://cluster.test",
        pauses=(PAUSE,),
        sentences=(PAUSE.describe(datetime(2026, 11, 23, 8, 0, tzinfo=UTC)),),
    )
    return replace(denied(), gate=gate)


def denied() -> Trace:
    """An index of two platforms that nobody signed, one of them unreadable."""
    image = replace(
        patched().subject,
        reference=f"{NAME}@sha256:{'7' * 64}",
        signatures=(),
        documents=(report(1, attached_finding(1)),),
        patched="",
    )
    return Trace(
        image=f"{NAME}@{DIGEST}",
        created="2026-11-23T08:00:00Z",
        subject=Subject(reference=f"{NAME}@{DIGEST}", problem="3 more platforms were not looked at"),
        platforms=(
            image,
            Subject(reference=f"{NAME}@sha256:{'8' * 64}", platform="linux/arm64", problem="it is missing"),
        ),
        judgement=TraceJudgement(
            verdict=AdmissionVerdict.DENIED,
            by="its signature and the trust store alone",
            reasons=("it has no signature",),
            remedy=f"s3c sign {NAME}@{DIGEST}",
        ),
    )


def hostile(text: str) -> Trace:
    """This text wherever somebody else chose one."""
    text = text or "x"
    finding = attached_finding(1, id=text, package=text, installed=text, fixed=text, title=text, url=text, reason=text)
    signed = signature(
        SignatureTrust.REFUSED,
        signer=text,
        issuer=text,
        thumbprint=text,
        signed_at=text,
        expires=text,
        signature_format=text,
        metadata={text: text},
        reason=text,
        timestamped=True,
    )
    broken = TracedSignature(digest=text, trust=SignatureTrust.BROKEN, reason=text)
    documents = (
        report(1, finding, created=text, scanner=text, database=text, signatures=(signed, broken)),
        document(2, text, DocumentKind.OTHER, created=text, description=text, problem=text, signatures=()),
        document(3, artifact_types.SPDX, DocumentKind.SBOM, description=text, signatures=(signed,)),
    )
    subject = Subject(
        reference=f"{NAME}@{DIGEST}",
        platform=text,
        created=text,
        patched=text,
        layers=1,
        labels={text: text, "org.opencontainers.image.source": text},
        signatures=(signed, broken),
        documents=documents,
        problem=text,
    )
    return Trace(
        image=text,
        tag=text,
        created="2026-11-23T08:00:00Z",
        subject=subject,
        platforms=(replace(subject, reference=f"{NAME}@{ORIGINAL}"),),
        ancestors=(
            Ancestor(named=text, relation=Relation.PATCHED, said_by=text, subject=subject, proven=False, problem=text),
            Ancestor(named=text, relation=Relation.BASE, said_by=text, problem=text),
        ),
        change=PatchChange(
            source=text,
            before={Severity.HIGH: 2},
            after={Severity.HIGH: 1},
            fixed=(finding,),
            left=(finding,),
            new=(finding,),
        ),
        judgement=TraceJudgement(
            verdict=AdmissionVerdict.DENIED, by=text, reasons=(text,), coming=(text,), remedy=text
        ),
        gate=TracedGate(
            cluster=text,
            pauses=(GatePause(constraint=text, since=text, until=text, reason=text),),
            sentences=(f"The gate is paused: {text}",),
        ),
    )
