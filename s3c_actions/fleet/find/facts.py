"""The facts that a query needs of one signed document, and what is kept of it between queries.

They are a pure function of the document: nothing in them is of another source than the content that was signed.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from s3c_actions.core import artifact_types
from s3c_actions.evidence import documents, packages
from s3c_actions.evidence.completeness import Completeness
from s3c_actions.evidence.packages import Package
from s3c_actions.signing.envelopes import normalize_time

EXTRACTION = 3
"""To be raised whenever the same document gives other facts: what was kept is then read again."""

Kind = Literal["sbom", "report"]
SBOM: Kind = "sbom"
REPORT: Kind = "report"
KINDS: dict[str, Kind] = {
    artifact_types.SPDX: SBOM,
    artifact_types.CYCLONEDX: SBOM,
    artifact_types.SARIF: REPORT,
}
"""Artifact type → kind of the facts in such a document."""

Digest = Annotated[str, Meta(pattern=r"^sha(?:256|384|512):[0-9a-f]+$")]


class ReportedFinding(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A vulnerability, as a report states it; `reason` is why it does not count, empty when it does.

    `exploited_since` is the day on which CISA listed it as exploited, empty when the report does not state one;
    `aliases` are its other ids.
    """

    id: str
    severity: str
    package: str
    installed: str
    fixed: str
    reason: str = ""
    exploited_since: str = ""
    aliases: tuple[str, ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one document.

    Attributes:
        evidence: digest of its manifest, which names the document and the image.
        subject: digest of the image that the manifest refers to.
        kind: `sbom` or `report`.
        created: RFC 3339 time that the content states, in UTC; empty when it states none.
        packages: of a bill of materials.
        findings: of a report, those that do not count at the end.
        completeness: of a report, what it leaves open.
    """

    evidence: Digest
    subject: Digest
    kind: Kind
    created: str
    packages: tuple[Package, ...] = ()
    findings: tuple[ReportedFinding, ...] = ()
    completeness: Completeness = Completeness()


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """That a document was verified.

    Attributes:
        trust: hash of the trusted signers and of what is asked of their signatures.
        signature: digest of the manifest of the signature that was accepted.
        checked: RFC 3339 time of the verification.
        ends: times after `checked` at which the signature or its certificate ends, RFC 3339.
    """

    trust: str
    signature: Digest
    checked: str
    ends: tuple[str, ...] = ()


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of one document.

    Attributes:
        source: digest of the index that it came from; empty when this machine read the document itself.
    """

    facts: Facts
    verification: Verification
    source: str = ""


def extract(content: bytes, artifact_type: str, *, evidence: str, subject: str) -> Facts:
    """Return the facts of a document.

    Args:
        content: as it was signed.
        artifact_type: of its manifest, one of KINDS.
        evidence: digest of the manifest.
        subject: digest of the image that the manifest refers to.

    Raises:
        UnusableDocument: it is not of that type, or a report about another image.
    """
    if KINDS[artifact_type] == SBOM:
        bill = packages.read_bill(content)
        return Facts(
            evidence=evidence,
            subject=subject,
            kind=SBOM,
            created=normalize_time(bill.created),
            packages=bill.packages,
        )
    report = documents.read_sarif(content)
    if report.subject not in ("", subject):
        raise documents.UnusableDocument("it is about another image")
    findings = [
        ReportedFinding(
            id=finding.id,
            severity=finding.severity.name,
            package=finding.package,
            installed=finding.installed,
            fixed=finding.fixed,
            reason=(finding.reason or "suppressed") if suppressed else "",
            exploited_since=report.exploited.get(finding.id, ""),
            aliases=report.aliases.get(finding.id, ()),
        )
        for suppressed, listed in ((False, report.findings), (True, report.suppressed))
        for finding in listed
    ]
    return Facts(
        evidence=evidence,
        subject=subject,
        kind=REPORT,
        created=normalize_time(report.created),
        findings=tuple(dict.fromkeys(findings)),
        completeness=report.completeness,
    )
