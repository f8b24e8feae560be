"""Find what images hold, by the signed documents beside them in the registry.

Whatever is claimed of an image is taken from a document that the registry lists beside it at this moment, and whose
signature was accepted at most a day ago. What is kept between queries, here or in an index, only saves reading again.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.moments import CLOCK_SKEW, format_moment
from s3c_actions.core.reading import MAX_DOCUMENT_BYTES
from s3c_actions.core.reference import Reference
from s3c_actions.evidence import signatures as stored
from s3c_actions.evidence.documents import UnusableDocument
from s3c_actions.fleet.find import facts
from s3c_actions.fleet.find.answer import Answer, answer
from s3c_actions.fleet.find.facts import Facts, Kind, Record, Verification

if TYPE_CHECKING:
    from s3c_actions.core.progress import Progress
    from s3c_actions.fleet.find.query import Query
    from s3c_actions.fleet.find.records import RecordStore
    from s3c_actions.programs.notation.home import NotationHome
    from s3c_actions.registry import Descriptor, Manifest, Registry
    from s3c_actions.steps.protocols import Verifier

WORKERS = 8
MAX_CANDIDATES = 20
"""Documents of one kind beside one image that are tried, the newest first: anyone who may push can attach some."""
VERIFICATION_AGE = timedelta(days=1)
"""How long an accepted signature counts without being verified again: until then a revocation may go unnoticed."""
AUDITED = 10
"""Documents read again in each query of those that an index alone vouches for: a trusted signer may have erred."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is asked about.

    Attributes:
        image: as people know it, with its tag where it has one.
        reference: pinned.
        owner: who answers for it; empty when nobody is named.
        places: where it runs or is named: workloads, manifests.
    """

    image: str
    reference: Reference
    owner: str = ""
    places: tuple[str, ...] = ()


class FindTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of the step.

    Attributes:
        homes: notation's configurations; one that accepts a signature is enough.
        trust: hash of what they trust.
        store: what is kept between queries.
        maximum_age: a report that is older does not prove that a vulnerability is absent.
    """

    registry: Registry
    notation: Verifier
    homes: tuple[NotationHome, ...]
    trust: str
    store: RecordStore
    maximum_age: timedelta
    now: datetime
    progress: Progress


class ImageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one image.

    Attributes:
        answer: for the query.
        sbom, report: digests of the documents that it is from; empty without one.
        reported: RFC 3339 time of the report; empty without one.
        failure: why nothing could be read of it; then there is no answer.
    """

    subject: Subject
    answer: Answer
    sbom: str = ""
    report: str = ""
    reported: str = ""
    failure: S3CError | None = None


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """The answers for all images, in their order; `records` are of every document read for them."""

    images: tuple[ImageAnswer, ...]
    records: tuple[Record, ...] = ()


def run(query: Query, subjects: Sequence[Subject], tools: FindTools) -> Findings:
    """Answer a query for images; one that cannot be read has a `failure` and stops no other.

    Args:
        query: what is looked for.
        subjects: each digest once.
        tools: the collaborators.

    Raises:
        InputError: the trusted signers cannot be used: no image has an answer.
    """
    reader = _Reader(tools)
    images = _each(reader, query, subjects)
    if reader.audit():
        tools.progress.warning(
            "The index does not agree with the documents that it was made of: it is not used, and everything was read "
            "anew. Make it again with `publish-index`."
        )
        reader = _Reader(tools, alone=True)
        images = _each(reader, query, subjects)
    tools.store.prune()
    return Findings(images=images, records=tuple(reader.used.values()))


def collect(subjects: Sequence[Subject], tools: FindTools) -> Findings:
    """Read the documents of images and answer nothing, for an index of them; raises as `run` does."""
    reader = _Reader(tools, alone=True)

    def read(subject: Subject) -> ImageAnswer:
        try:
            documents = reader.documents(subject)
        except S3CError as error:
            return _failed(subject, error)
        return _describe(subject, documents, Answer(matches=(), open=documents.problems))

    with ThreadPoolExecutor(WORKERS) as pool:
        images = tuple(pool.map(read, subjects))
    return Findings(images=images, records=tuple(reader.used.values()))


def _each(reader: _Reader, query: Query, subjects: Sequence[Subject]) -> tuple[ImageAnswer, ...]:
    with ThreadPoolExecutor(WORKERS) as pool:
        return tuple(pool.map(lambda subject: _answer(reader, query, subject), subjects))


class _Documents(msgspec.Struct, frozen=True, kw_only=True):
    """The newest documents of an image that count, and clauses on why others do not."""

    sbom: Record | None
    report: Record | None
    problems: tuple[str, ...] = ()


def _answer(reader: _Reader, query: Query, subject: Subject) -> ImageAnswer:
    tools = reader.tools

    def decide(documents: _Documents) -> Answer:
        sbom, report = (record.facts if record else None for record in (documents.sbom, documents.report))
        return answer(query, sbom, report, now=tools.now, maximum_age=tools.maximum_age)

    try:
        documents = reader.documents(subject)
        decided = decide(documents)
        if decided.matches:
            # A claim needs its document and a signature that are there now; what an index says is none.
            documents = reader.confirm(subject, documents, query.kind.value == "advisory")
            decided = decide(documents)
    except S3CError as error:
        return _failed(subject, error)
    if not decided.matches and decided.open and documents.problems:
        decided = msgspec.structs.replace(decided, open=(*decided.open, *documents.problems))
    return _describe(subject, documents, decided)


def _failed(subject: Subject, error: S3CError) -> ImageAnswer:
    """Return the answer of an image that cannot be read; raise an error that is of no single image."""
    if isinstance(error, InputError) and error.field != "image":
        raise error
    return ImageAnswer(subject=subject, answer=Answer(matches=()), failure=error)


def _describe(subject: Subject, documents: _Documents, decided: Answer) -> ImageAnswer:
    sbom, report = documents.sbom, documents.report
    return ImageAnswer(
        subject=subject,
        answer=decided,
        sbom=sbom.facts.evidence if sbom else "",
        report=report.facts.evidence if report else "",
        reported=report.facts.created if report else "",
    )


class _Reader:
    """Reads the documents beside images, from what is kept of them where that is enough.

    Args:
        tools: the collaborators.
        alone: whether only this machine's own reading counts, and no index.
    """

    def __init__(self, tools: FindTools, *, alone: bool = False) -> None:
        self.tools = tools
        self.used: dict[str, Record] = {}
        self._alone = alone
        self._references: dict[str, Reference] = {}
        self._disagreed = False

    def documents(self, subject: Subject) -> _Documents:
        """Return the newest bill of materials and the newest report of an image that count."""
        listed = self.tools.registry.referrers_in_bulk(subject.reference)
        if not listed:
            self.tools.registry.resolve(subject.reference)  # nothing is known of an image that does not exist
        sbom, sbom_problems = self._newest(subject.reference, listed, facts.SBOM)
        report, report_problems = self._newest(subject.reference, listed, facts.REPORT)
        return _Documents(sbom=sbom, report=report, problems=(*sbom_problems, *report_problems))

    def confirm(self, subject: Subject, documents: _Documents, by_report: bool) -> _Documents:
        """Return the documents with the one that a claim is based on read anew, unless its signature is there still."""
        record = documents.report if by_report else documents.sbom
        if record is None or (not record.source and self._is_signed_still(subject.reference, record)):
            return documents
        read = self._read(subject.reference, record.facts.evidence, record.facts.kind)
        if record.source and not (isinstance(read, Record) and read.facts == record.facts):
            self._disagreed = True
        if isinstance(read, Record):
            self._use(subject.reference, read)
            return msgspec.structs.replace(documents, **{"report" if by_report else "sbom": read})
        return msgspec.structs.replace(
            documents, problems=(*documents.problems, read), **{"report" if by_report else "sbom": None}
        )

    def audit(self) -> bool:
        """Return whether an index said something of a document that is not so; some are read again to see that."""
        vouched = [record for record in self.used.values() if record.source]
        for record in random.SystemRandom().sample(vouched, min(AUDITED, len(vouched))):
            facts = record.facts
            try:
                self._disagreed |= self._extract(self._references[facts.evidence], facts.evidence, facts.kind) != facts
            except S3CError:
                continue  # the index is not to blame
        return self._disagreed

    def _newest(
        self, image: Reference, listed: Iterable[Descriptor], kind: Kind
    ) -> tuple[Record | None, tuple[str, ...]]:
        """Return the newest document that counts, and clauses on those that are newer and do not."""
        candidates = {
            descriptor.digest: descriptor for descriptor in listed if facts.KINDS.get(descriptor.artifact_type) == kind
        }
        # Without a time it could be the newest.
        ordered = sorted(candidates, key=lambda digest: (_listed_at(candidates[digest]), digest), reverse=True)
        problems: list[str] = []
        for digest in ordered[:MAX_CANDIDATES]:
            record = self._known(image, digest, kind) or self._read(image, digest, kind)
            if isinstance(record, Record):
                self._use(image, record)
                return record, tuple(problems)
            problems.append(record)
        if len(ordered) > MAX_CANDIDATES:
            problems.append(f"of {len(ordered)} documents the {MAX_CANDIDATES} newest were looked at")
        return None, tuple(dict.fromkeys(problems))

    def _use(self, image: Reference, record: Record) -> None:
        self.used[record.facts.evidence] = record
        self._references[record.facts.evidence] = image

    def _known(self, image: Reference, digest: str, kind: Kind) -> Record | None:
        """Return what is kept of a document, if it was verified lately."""
        record = self.tools.store.find(digest, self.tools.trust)
        if record is None or (self._alone and record.source):
            return None
        is_this = (record.facts.evidence, record.facts.subject, record.facts.kind) == (digest, image.digest, kind)
        return record if is_this and is_recent(record.verification, self.tools.trust, self.tools.now) else None

    def _is_signed_still(self, image: Reference, record: Record) -> bool:
        document = image.at(record.facts.evidence)
        listed = self.tools.registry.referrers_in_bulk(document, artifact_types.SIGNATURE)
        return any(signature.digest == record.verification.signature for signature in listed)

    def _read(self, image: Reference, digest: str, kind: Kind) -> Record | str:
        """Verify and read a document, and keep its facts; a clause when it does not count."""
        verification = verify(image.at(digest), self.tools)
        if isinstance(verification, str):
            return f"its {_NAMES[kind]} {digest[:19]} {verification}"
        read = self._extract(image, digest, kind)
        if isinstance(read, str):
            return read
        record = Record(facts=read, verification=verification)
        self.tools.store.keep(record)
        return record

    def _extract(self, image: Reference, digest: str, kind: Kind) -> Facts | str:
        """Read a document, whoever signed it; a clause when it cannot be read."""
        name = f"its {_NAMES[kind]} {digest[:19]}"
        try:
            manifest = self.tools.registry.manifest(image.at(digest))
            stored.require_subject(manifest, image.digest)
            artifact_type = manifest.descriptor.artifact_type
            if facts.KINDS.get(artifact_type) != kind:
                return f"{name} is none: it is {artifact_type[:100] or 'of no type'}"
            content = _content(manifest, image, self.tools.registry)
            return facts.extract(content, artifact_type, evidence=digest, subject=image.digest)
        except UnusableDocument as error:
            return f"{name} cannot be read: {error}"
        except ValueError as error:
            return f"{name} does not count: {error}"


_NAMES: Mapping[str, str] = {facts.SBOM: "bill of materials", facts.REPORT: "report"}


def _content(manifest: Manifest, image: Reference, registry: Registry) -> bytes:
    layer = stored.only_layer(manifest)
    size = layer.get("size")
    if type(size) is not int or not 0 <= size <= MAX_DOCUMENT_BYTES:
        raise ValueError(f"it is larger than {MAX_DOCUMENT_BYTES // 1024 // 1024} MiB")
    return b"".join(registry.layer(image, str(layer["digest"]), size))


def _listed_at(descriptor: Descriptor) -> str:
    """Return the time in the list of referrers, in which times without one come last."""
    created = descriptor.annotations.get(artifact_types.CREATED, "")
    try:
        moment = datetime.fromisoformat(created)
        return format_moment(moment) if moment.tzinfo is not None else "unknown"
    except (ValueError, OverflowError):
        return "unknown"


def verify(document: Reference, tools: FindTools) -> Verification | str:
    """Verify the signatures of a manifest.

    Args:
        document: pinned.
        tools: whom to trust.

    Returns:
        The verification; a clause when no signature is accepted.

    Raises:
        InputError: the trusted signers cannot be used.
        OutsideError: the registry failed.
    """
    listed = tools.registry.referrers_in_bulk(document, artifact_types.SIGNATURE)
    if not listed:
        return "is not signed"
    for home in tools.homes:
        try:
            accepted = tools.notation.verify(home, document.pinned, {})
        except Refused:
            continue
        ends = _ends(document, accepted.signature_digest, listed, tools.registry)
        return Verification(
            trust=tools.trust,
            signature=accepted.signature_digest,
            checked=format_moment(tools.now),
            # What has ended already did not matter: a time-stamp proves the signature older.
            ends=tuple(end for end in ends if end > format_moment(tools.now)),
        )
    return "is signed by nobody who is trusted"


def _ends(document: Reference, digest: str, listed: Iterable[Descriptor], registry: Registry) -> tuple[str, ...]:
    signature = next((descriptor for descriptor in listed if descriptor.digest == digest), None)
    if signature is None:
        return ()
    try:
        envelope = stored.read(registry, document, signature).envelope
    except ValueError:
        return ()
    return tuple(end for end in (envelope.expires, envelope.not_after) if end)


def is_recent(verification: Verification, trust: str, now: datetime) -> bool:
    """Return whether a verification counts still: by the same trust, of the last day, and nothing ended since."""
    try:
        checked = datetime.fromisoformat(verification.checked)
        ended = any(datetime.fromisoformat(end) <= now for end in verification.ends)
        return verification.trust == trust and not ended and checked - CLOCK_SKEW <= now < checked + VERIFICATION_AGE
    except (ValueError, TypeError, OverflowError):
        return False
