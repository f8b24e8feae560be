"""Trace a digest from the registry alone.

Everything that refers to the digest is listed, the newest of each kind is read, and what is broken is reported, not
fatal: a stranger who may push there must not be able to hide the rest. The number of referrers read is limited, so that
a thousand of them cost little more than ten.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec.structs import replace

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import InputError, Refused, S3CError
from s3c_actions.core.moments import format_moment
from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.evidence import documents as attached
from s3c_actions.evidence import intoto_reading
from s3c_actions.evidence import signatures as stored
from s3c_actions.registry.oci_layout import OciLayout
from s3c_actions.signing import envelopes
from s3c_actions.trace.model import (
    AdmissionVerdict,
    Ancestor,
    AttachedDocument,
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

if TYPE_CHECKING:
    from s3c_actions.programs.notation.home import NotationHome
    from s3c_actions.registry import Descriptor, ImageConfig, Manifest, Registry
    from s3c_actions.steps.protocols import Verifier

A = TypeVar("A")
B = TypeVar("B")

DOCUMENT_KINDS: Mapping[str, DocumentKind] = {
    artifact_types.SARIF: DocumentKind.REPORT,
    artifact_types.SPDX: DocumentKind.SBOM,
    artifact_types.CYCLONEDX: DocumentKind.SBOM,
    artifact_types.OPENVEX: DocumentKind.VEX,
    artifact_types.RESULT: DocumentKind.RESULT,
    artifact_types.IN_TOTO: DocumentKind.STATEMENT,
}
MAX_SIGNATURES = 20
MAX_DOCUMENTS = 5
MAX_OTHERS = 20
MAX_PLATFORMS = 20
MAX_ANCESTORS = 5
WORKERS = 8

_BASE_LABEL = "BaseImage"
_BASE_NAME = "org.opencontainers.image.base.name"
_BASE_DIGEST = "org.opencontainers.image.base.digest"
_PATCHED = "sh.copa.image.patched"
_EPOCHS = ("0001-01-01", "1970-01-01")


class SignatureChecker(msgspec.Struct, frozen=True, kw_only=True):
    """Verifies signatures with notation, one by one.

    Attributes:
        notation: the program.
        homes: each with a trust store and a trust policy; one that accepts a signature is enough.
        temp: for image layouts, removed after each use.
    """

    notation: Verifier
    homes: tuple[NotationHome, ...]
    temp: Path


class TraceTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of a trace.

    Attributes:
        checker: None when no trust was configured.
        judge: returns a policy's judgement of a pinned reference; when None, only the trust in its signatures counts.
        gate: of the cluster that was named; None when none was.
    """

    registry: Registry
    now: datetime
    checker: SignatureChecker | None = None
    judge: Callable[[Reference], TraceJudgement] | None = None
    gate: TracedGate | None = None


def run(image: str, tools: TraceTools) -> Trace:
    """Trace one image.

    Args:
        image: as people name it, by tag or digest.
        tools: as above.

    Raises:
        InputError: it is not a reference, or is not in the registry.
        OutsideError: the registry could not be reached for the image itself.
    """
    requested = Reference.parse(image)
    manifest = tools.registry.manifest(requested)
    reference = requested.at(manifest.descriptor.digest)
    with ThreadPoolExecutor(WORKERS) as pool:
        look = _Reader(tools, pool)
        described = look.subject(reference, manifest, "")
        listed = manifest.descriptor.images[:MAX_PLATFORMS]
        platforms = look.each(
            lambda descriptor: look.platform(reference.at(descriptor.digest), descriptor.platform), listed
        )
        subjects = [described, *platforms]
        original, change = look.patch(subjects)
        ancestors = look.ancestors(reference, subjects, original)
    subject = _with_problem(described, manifest.descriptor.images[MAX_PLATFORMS:])
    return Trace(
        image=image,
        tag=requested.tag or look.tag(subjects),
        created=format_moment(tools.now),
        subject=subject,
        platforms=tuple(platforms),
        ancestors=ancestors,
        change=change or _compare(subject, ancestors),
        judgement=_judge(reference, described, tools),
        gate=tools.gate,
    )


def _with_problem(subject: Subject, more: Sequence[Descriptor]) -> Subject:
    return replace(subject, problem=f"{len(more)} more platforms were not looked at") if more else subject


class _Reader:
    """Reads the registry for one trace."""

    def __init__(self, tools: TraceTools, pool: ThreadPoolExecutor) -> None:
        self._tools, self._pool = tools, pool
        self._configs: dict[str, ImageConfig] = {}
        self._results: dict[str, attached.AttachedResult] = {}

    def each(self, do: Callable[[A], B], over: Iterable[A]) -> list[B]:
        """Call `do` for each item, several at a time; return the results in order. Never call it within `do`."""
        return list(self._pool.map(do, over))

    def platform(self, reference: Reference, platform: str) -> Subject:
        """Return one image of an index; an unreadable one has a `problem`."""
        try:
            return self._describe(reference, self._tools.registry.manifest(reference), platform)
        except S3CError as error:
            return Subject(reference=reference.pinned, platform=platform, problem=_clause(error))

    def subject(self, reference: Reference, manifest: Manifest, platform: str) -> Subject:
        """Return an image or index, with everything that refers to it."""
        return self._describe(reference, manifest, platform, self.each)

    def _describe(
        self,
        reference: Reference,
        manifest: Manifest,
        platform: str,
        each: Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]] | None = None,
    ) -> Subject:
        each = each or (lambda do, over: [do(item) for item in over])
        labels, problem = dict(manifest.descriptor.annotations), ""
        created, layers = "", 0
        if not manifest.descriptor.is_index:
            try:
                config = self._tools.registry.config(reference)
                self._configs[reference.digest] = config
                labels = _labels(config) | labels
                created, layers, platform = _created(config), len(config.diff_ids), config.platform or platform
            except S3CError as error:
                problem = _clause(error)
        listed = self._list_referrers(reference)
        if isinstance(listed, str):
            problem, listed = problem or listed, []
        signed = [descriptor for descriptor in listed if descriptor.artifact_type == artifact_types.SIGNATURE]
        attached_to = [descriptor for descriptor in listed if descriptor.artifact_type != artifact_types.SIGNATURE]
        reading = _to_read(attached_to)
        read = each(
            lambda descriptor: self._document(reference, descriptor),
            [descriptor for descriptor in attached_to if descriptor.digest in reading],
        )
        by_digest = {document.digest: document for document in read}
        documents = [by_digest.get(descriptor.digest) or _unread(descriptor) for descriptor in attached_to]
        signatures = each(lambda descriptor: self._signature(reference, manifest, descriptor), signed[:MAX_SIGNATURES])
        documents.sort(key=lambda document: document.created, reverse=True)
        patched = envelopes.normalize_time(labels.pop(_PATCHED, ""))
        labels.pop(artifact_types.CREATED, "")
        return Subject(
            reference=reference.pinned,
            platform=platform,
            created=created,
            patched=patched,
            layers=layers,
            labels=labels,
            signatures=tuple(signatures),
            documents=tuple(documents),
            referrers=len(listed),
            unread=max(0, len(signed) - MAX_SIGNATURES) + sum(1 for document in documents if not document.read),
            problem=problem,
        )

    def _list_referrers(self, reference: Reference) -> list[Descriptor] | str:
        """Return the referrers of a digest, the newest first if known; a clause when they cannot be listed."""
        try:
            by_digest = {referrer.digest: referrer for referrer in self._tools.registry.referrers(reference)}
        except S3CError as error:
            return f"what refers to it could not be listed: {_clause(error)}"
        # A registry without the referrers API keeps the order in which they were pushed.
        return sorted(by_digest.values(), key=_listed_at)[::-1]

    def _signature(self, reference: Reference, subject: Manifest, listed: Descriptor) -> TracedSignature:
        """Read one signature, and verify it when trust was configured."""
        at = _listed_at(listed)
        try:
            signature = stored.read(self._tools.registry, reference, listed)
        except (S3CError, ValueError) as error:
            return TracedSignature(digest=listed.digest, listed=at, trust=SignatureTrust.BROKEN, reason=_clause(error))
        envelope = signature.envelope
        read = TracedSignature(
            digest=listed.digest,
            trust=SignatureTrust.UNCHECKED,
            listed=at,
            signature_format=envelope.signature_format,
            signer=envelope.signer,
            issuer=envelope.issuer,
            thumbprint=envelope.thumbprint,
            signed_at=envelope.signed_at,
            expires=envelope.expires,
            timestamped=envelope.timestamped,
            metadata=envelope.metadata,
        )
        if envelope.target != reference.digest:
            return replace(read, trust=SignatureTrust.BROKEN, reason="it was made for another digest and moved here")
        if self._tools.checker is None:
            return read
        trust, reason = self._verify(self._tools.checker, reference, subject, signature.manifest, signature.content)
        return replace(read, trust=trust, reason=reason)

    def _verify(
        self, checker: SignatureChecker, reference: Reference, subject: Manifest, signature: Manifest, envelope: bytes
    ) -> tuple[SignatureTrust, str]:
        folder = Path(tempfile.mkdtemp(prefix="trace-", dir=checker.temp))
        try:
            layout = OciLayout(folder / "image")
            digest = layout.add_manifest(subject.content, subject.descriptor.media_type)
            layout.add(envelope)
            layout.add(self._tools.registry.blob(reference, str(signature.document["config"]["digest"])))
            layout.add_manifest(signature.content)
            refusals = []
            for home in checker.homes:
                try:
                    checker.notation.verify_layout(home, layout.folder, digest, reference.name)
                except Refused as refused:
                    refusals.append(refused.what)
                else:
                    return SignatureTrust.TRUSTED, ""
        except InputError:
            raise  # the trust store or the policy cannot be used: no verdict on any signature
        except (S3CError, KeyError, TypeError) as error:
            return SignatureTrust.BROKEN, _clause(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return SignatureTrust.REFUSED, " ".join(dict.fromkeys(refusals))

    def _document(self, reference: Reference, listed: Descriptor) -> AttachedDocument:
        """Read one document, and its signatures when it is evidence."""
        document = replace(_unread(listed), read=True)
        try:
            manifest = self._tools.registry.manifest(reference.at(listed.digest))
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
            content = self._tools.registry.blob(reference, layer["digest"])
        except (S3CError, ValueError) as error:
            return replace(document, problem=_clause(error))
        document = replace(document, content=layer["digest"], size=len(content))
        signed = self._list_referrers(reference.at(listed.digest))
        signatures = (
            [
                self._signature(reference.at(listed.digest), manifest, descriptor)
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
            self._results[document.digest] = attached.read_attached_result(content, subject)
            return replace(document, description=self._results[document.digest].description)
        if document.kind is DocumentKind.STATEMENT:
            statement = intoto_reading.describe_statement(content, subject)
            return replace(document, predicate_type=statement.predicate_type, description=statement.description)
        describe = {
            artifact_types.SPDX: attached.describe_spdx,
            artifact_types.CYCLONEDX: attached.describe_cyclonedx,
            artifact_types.OPENVEX: attached.describe_openvex,
        }[document.artifact_type]
        return replace(document, description=describe(content))

    def patch(self, subjects: Iterable[Subject]) -> tuple[str, PatchChange | None]:
        """Return the original and the change that an attached result states: of a trusted one, else of the newest."""
        documents = [
            document for subject in subjects for document in subject.documents if document.digest in self._results
        ]
        for document in sorted(documents, key=lambda candidate: candidate.trust is not SignatureTrust.TRUSTED):
            result = self._results[document.digest]
            if result.original and result.change is not None:
                trust = document.trust if document.signatures else None
                source = f"{result.change.source}, {_describe_trust(document)}"
                return result.original, replace(result.change, source=source, trust=trust)
        return "", None

    def tag(self, subjects: Iterable[Subject]) -> str:
        """Return the tag that a signed result says the patched image got; empty when none says it."""
        documents = (document for subject in subjects for document in subject.documents)
        tags = (
            self._results[document.digest].tag
            for document in documents
            if document.digest in self._results
            and document.signatures
            and document.trust in {SignatureTrust.TRUSTED, SignatureTrust.UNCHECKED}
        )
        return next((tag for tag in tags if tag), "")

    def ancestors(self, reference: Reference, subjects: list[Subject], original: str) -> tuple[Ancestor, ...]:
        """Return the images that these claim to come from, the nearest first."""
        ancestors_: list[Ancestor] = []
        visited = {subject.digest for subject in subjects}
        for subject in subjects:
            self._follow(reference, subject, original, visited, ancestors_)
        return tuple(ancestors_)

    def _follow(
        self, reference: Reference, subject: Subject, original: str, visited: set[str], ancestors: list[Ancestor]
    ) -> None:
        while len(ancestors) < MAX_ANCESTORS:
            name, relation, source = _parent(subject, original)
            original = ""
            if not name or any(known_ancestor.named == name for known_ancestor in ancestors):
                return
            ancestor = self._ancestor(reference, subject, name, relation, source)
            if ancestor.subject is not None and ancestor.subject.digest in visited:
                return
            ancestors.append(ancestor)
            if ancestor.subject is None:
                return
            visited.add(ancestor.subject.digest)
            subject = ancestor.subject

    def _ancestor(self, reference: Reference, child: Subject, named: str, relation: Relation, said_by: str) -> Ancestor:
        bare = Ancestor(named=named, relation=relation, said_by=said_by)
        try:
            parent = Reference.parse(named)
            if parent.registry != reference.registry:
                # A label may name any address: only the registry of the traced image is contacted.
                return replace(bare, problem="it lies in another registry")
            manifest = self._tools.registry.manifest(parent)
            pinned = parent.at(manifest.descriptor.digest)
            subject = self._describe(pinned, manifest, "", self.each)
        except S3CError as error:
            return replace(bare, problem=_clause(error))
        child_config, parent_config = self._configs.get(child.digest), self._configs.get(pinned.digest)
        proven = None
        if child_config is not None and parent_config is not None:
            proven = child_config.diff_ids[: len(parent_config.diff_ids)] == parent_config.diff_ids
        return replace(bare, subject=subject, proven=proven)


def _parent(subject: Subject, original: str) -> tuple[str, Relation, str]:
    """Return the image that this one claims to come from, their relation, and where it is claimed."""
    if original and original.rpartition("@")[2] != subject.digest:
        return original, Relation.PATCHED, "the attached result.json"
    label = subject.labels.get(_BASE_LABEL, "")
    if label and subject.patched:
        return label, Relation.PATCHED, f"the label {_BASE_LABEL}"
    name, digest = subject.labels.get(_BASE_NAME, ""), subject.labels.get(_BASE_DIGEST, "")
    if not name:
        return "", Relation.BASE, ""
    pinned = f"{name.partition('@')[0]}@{digest}" if is_digest(digest) else name
    return pinned, Relation.BASE, f"the annotation {_BASE_NAME}"


def _compare(subject: Subject, ancestors: tuple[Ancestor, ...]) -> PatchChange | None:
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


def _to_read(documents: Sequence[Descriptor]) -> set[str]:
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


def _unread(listed: Descriptor) -> AttachedDocument:
    annotations = listed.annotations
    return AttachedDocument(
        digest=listed.digest,
        artifact_type=listed.artifact_type,
        kind=DOCUMENT_KINDS.get(listed.artifact_type, DocumentKind.OTHER),
        predicate_type=annotations.get(artifact_types.PREDICATE_TYPE, ""),
        created=_listed_at(listed),
        scanner=annotations.get(artifact_types.SCANNER, ""),
        database=annotations.get(artifact_types.DATABASE, ""),
        read=False,
    )


def _listed_at(descriptor: Descriptor) -> str:
    return envelopes.normalize_time(descriptor.annotations.get(artifact_types.CREATED))


def _labels(config: ImageConfig) -> dict[str, str]:
    """Return labels, including those that Copa writes under a lower-case key, which other tools ignore."""
    section = config.document.get("config")
    lower_case = section.get("labels") if isinstance(section, dict) else None
    return {
        **config.labels,
        **({str(key): str(value) for key, value in lower_case.items()} if isinstance(lower_case, dict) else {}),
    }


def _created(config: ImageConfig) -> str:
    created = envelopes.normalize_time(config.document.get("created"))
    return "" if created.startswith(_EPOCHS) else created


def _clause(error: Exception) -> str:
    """Return an error's sentence as a clause, without the part that repeats the registry."""
    text = error.what if isinstance(error, S3CError) else str(error)
    return text.rpartition("cannot be believed: ")[2].rstrip(".")
