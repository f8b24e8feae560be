"""The story of a digest, as the registry tells it: its origin, what was found, who signed what, what counts today.

Every text in it comes from whoever may push to the repository and is untrusted: renderers escape it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from s3c_actions.findings.model import Severity

Count = Annotated[int, Meta(ge=0)]
Counts = Annotated[
    Mapping[Severity, Count],
    Meta(extra_json_schema={"propertyNames": {"enum": [severity.name.lower() for severity in Severity]}}),
]
"""Findings by severity; written by the severities' names in lower case."""


class Trust(StrEnum):
    """What notation says of one signature, by the trust store given.

    BROKEN: it cannot be read, or is a signature of something else. UNCHECKED: notation was not asked.
    """

    TRUSTED = "trusted"
    REFUSED = "refused"
    BROKEN = "broken"
    UNCHECKED = "unchecked"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature.

    Attributes:
        digest: of its manifest.
        listed: when its annotation says it was made; nobody signs that. `signed_at` is the signed time.
        signature_format: `cose` or `jws`.
        signer, issuer: names of the certificate, RFC 4514; `thumbprint` its SHA-256 in hexadecimal.
        reason: why it does not count, or was not looked at.
    """

    digest: str
    trust: Trust
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


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of an attached report, as far as its form tells."""

    id: str
    severity: Severity
    package: str = ""
    installed: str = ""
    fixed: str = ""
    title: str = ""
    url: str = ""
    reason: str = ""


class Kind(StrEnum):
    """What a document beside an image is."""

    REPORT = "report"
    SBOM = "SBOM"
    VEX = "VEX"
    RESULT = "result"
    OTHER = "other"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One document attached to the image.

    Attributes:
        digest: of its manifest; `content` of the document itself, empty when it was not read.
        artifact_type: as the registry lists it.
        created: RFC 3339; of a report, when the scan was made (from its content where that tells it).
        size: of the document in bytes, 0 when it was not read.
        scanner, database: from its annotations or content.
        findings: of a report, the most severe first; `counts` of all of them, None when it is no report; `omitted` how
            many more it says there are.
        told: what a document that is no report holds, in a clause.
        read: whether it was looked into; of many of one kind, only the newest are.
        problem: why it cannot be used, in a clause; empty when it can.
    """

    digest: str
    artifact_type: str
    kind: Kind
    created: str = ""
    content: str = ""
    size: Count = 0
    scanner: str = ""
    database: str = ""
    findings: tuple[Found, ...] = ()
    counts: Counts | None = None
    fixable: Count = 0
    omitted: Count = 0
    told: str = ""
    signatures: tuple[Signature, ...] = ()
    read: bool = True
    problem: str = ""

    @property
    def trust(self) -> Trust:
        """The best of its signatures; UNCHECKED when it has none."""
        return best(self.signatures)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One manifest or index and everything that refers to it.

    Attributes:
        reference: pinned.
        platform: of an image, `os/architecture[/variant]`; empty for an index.
        created: when it was built, as its configuration says, RFC 3339.
        patched: when Copa patched it, empty when it did not.
        labels: of the image, with the annotations of its manifest.
        signatures, documents: the newest first.
        referrers: how many the registry lists; `unread` how many of them were not looked into.
        problem: why it could not be looked at, in a clause.
    """

    reference: str
    platform: str = ""
    created: str = ""
    patched: str = ""
    layers: Count = 0
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    signatures: tuple[Signature, ...] = ()
    documents: tuple[Document, ...] = ()
    referrers: Count = 0
    unread: Count = 0
    problem: str = ""

    @property
    def digest(self) -> str:
        """Its digest."""
        return self.reference.rpartition("@")[2]

    @property
    def trust(self) -> Trust:
        """The best of its signatures."""
        return best(self.signatures)

    @property
    def reports(self) -> tuple[Document, ...]:
        """The reports that can be read, the newest first."""
        return tuple(one for one in self.documents if one.counts is not None)


class Relation(StrEnum):
    """What an image is to the one that came of it."""

    PATCHED = "patched"
    BASE = "base"


class Ancestor(msgspec.Struct, frozen=True, kw_only=True):
    """An image that this one says it came from.

    Attributes:
        named: the reference as it is written there.
        said_by: where: a label, an annotation, the attached result.
        proven: whether this image begins with its layers; None when it could not be compared.
        subject: what the registry tells of it; None when it was not looked up or is not there.
        problem: why it is not there, in a clause.
    """

    named: str
    relation: Relation
    said_by: str
    proven: bool | None = None
    subject: Subject | None = None
    problem: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What the patch changed.

    Attributes:
        source: where it is known from, in a clause.
        before, after: findings by severity.
    """

    source: str
    before: Counts
    after: Counts
    fixed: tuple[Found, ...] = ()
    left: tuple[Found, ...] = ()
    new: tuple[Found, ...] = ()


class Verdict(StrEnum):
    """Whether the image would be let in today."""

    ADMITTED = "admitted"
    DENIED = "denied"
    UNKNOWN = "unknown"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict, by what it was judged, each reason a clause, and what to do next."""

    verdict: Verdict
    by: str
    reasons: tuple[str, ...] = ()
    remedy: str = ""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the registry tells of one digest.

    Attributes:
        image: as it was asked for.
        told: the time of the look, RFC 3339.
        subject: the digest itself; `platforms` the images of an index.
        ancestors: the nearest first.
    """

    image: str
    told: str
    subject: Subject
    platforms: tuple[Subject, ...] = ()
    ancestors: tuple[Ancestor, ...] = ()
    change: Change | None = None
    judgement: Judgement

    @property
    def reference(self) -> str:
        """The digest that was traced, pinned."""
        return self.subject.reference

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The index and its images, or the image."""
        return (self.subject, *self.platforms)

    @property
    def report(self) -> Document | None:
        """The newest report that can be read: of the digest itself, else of its first platform that has one."""
        return next((report for one in self.subjects for report in one.reports), None)


def best(signatures: tuple[Signature, ...]) -> Trust:
    """The best that is said of several signatures."""
    order = (Trust.TRUSTED, Trust.UNCHECKED, Trust.REFUSED, Trust.BROKEN)
    said = {one.trust for one in signatures}
    return next((one for one in order if one in said), Trust.UNCHECKED)
