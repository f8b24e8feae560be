"""Tell the story of a digest from the registry alone.

Everything that refers to the digest is listed, the newest of each kind is read, and what is broken is told, not fatal:
a stranger who may push there must not be able to hide the rest. How many are read is bounded, so that a thousand
referrers cost little more than ten.
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
from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.evidence import documents as attached
from s3c_actions.registry.oci_layout import Layout
from s3c_actions.signing import certificates, envelopes
from s3c_actions.trace.model import (
    Ancestor,
    Change,
    Document,
    Judgement,
    Kind,
    Relation,
    Signature,
    Story,
    Subject,
    Trust,
    Verdict,
)

if TYPE_CHECKING:
    from s3c_actions.programs.notation.home import Home
    from s3c_actions.registry import Descriptor, ImageConfig, Manifest, Registry
    from s3c_actions.steps.protocols import Verifier

A = TypeVar("A")
B = TypeVar("B")

KINDS: Mapping[str, Kind] = {
    artifact_types.SARIF: Kind.REPORT,
    artifact_types.SPDX: Kind.SBOM,
    artifact_types.CYCLONEDX: Kind.SBOM,
    artifact_types.OPENVEX: Kind.VEX,
    artifact_types.RESULT: Kind.RESULT,
}
READ_SIGNATURES = 20
READ_DOCUMENTS = 5
READ_OTHERS = 20
MOST_PLATFORMS = 20
MOST_ANCESTORS = 5
WORKERS = 8

_BASE_LABEL = "BaseImage"
_BASE_NAME = "org.opencontainers.image.base.name"
_BASE_DIGEST = "org.opencontainers.image.base.digest"
_PATCHED = "sh.copa.image.patched"
_EPOCHS = ("0001-01-01", "1970-01-01")


class Checker(msgspec.Struct, frozen=True, kw_only=True):
    """Asks notation about signatures, one by one.

    Attributes:
        notation: the program.
        homes: each with a trust store and a trust policy; one that accepts a signature is enough.
        temp: where image layouts are laid out, removed after each use.
    """

    notation: Verifier
    homes: tuple[Home, ...]
    temp: Path


class TraceTools(msgspec.Struct, frozen=True, kw_only=True):
    """What a trace works with.

    Attributes:
        checker: None when nobody said whom to trust.
        judge: what a policy says of a pinned reference; by the trust in the image's signatures alone when None.
    """

    registry: Registry
    now: datetime
    checker: Checker | None = None
    judge: Callable[[Reference], Judgement] | None = None


def run(image: str, tools: TraceTools) -> Story:
    """Tell the story of one image.

    Args:
        image: as people name it, by tag or digest.
        tools: as above.

    Raises:
        InputError: it is no reference, or is not in the registry.
        OutsideError: the registry could not be asked about the image itself.
    """
    asked = Reference.parse(image)
    manifest = tools.registry.manifest(asked)
    reference = asked.at(manifest.descriptor.digest)
    with ThreadPoolExecutor(WORKERS) as pool:
        look = _Look(tools, pool)
        described = look.subject(reference, manifest, "")
        listed = manifest.descriptor.images[:MOST_PLATFORMS]
        platforms = look.each(lambda one: look.platform(reference.at(one.digest), one.platform), listed)
        subjects = [described, *platforms]
        original, change = look.patch(subjects)
        ancestors = look.ancestors(reference, subjects, original)
    subject = _with_problem(described, manifest.descriptor.images[MOST_PLATFORMS:])
    return Story(
        image=image,
        told=certificates.timestamp(tools.now),
        subject=subject,
        platforms=tuple(platforms),
        ancestors=ancestors,
        change=change or _compared(subject, ancestors),
        judgement=_judged(reference, described, tools),
    )


def _with_problem(subject: Subject, more: Sequence[Descriptor]) -> Subject:
    return replace(subject, problem=f"{len(more)} more platforms were not looked at") if more else subject


class _Look:
    """One trace's look at the registry."""

    def __init__(self, tools: TraceTools, pool: ThreadPoolExecutor) -> None:
        self._tools, self._pool = tools, pool
        self._configs: dict[str, ImageConfig] = {}
        self._results: dict[str, attached.Result] = {}

    def each(self, do: Callable[[A], B], over: Iterable[A]) -> list[B]:
        """Do it for each, several at a time, in their order; never from inside of one."""
        return list(self._pool.map(do, over))

    def platform(self, reference: Reference, platform: str) -> Subject:
        """One image of an index; an unreadable one is told as that."""
        try:
            return self._described(reference, self._tools.registry.manifest(reference), platform)
        except S3CError as error:
            return Subject(reference=reference.pinned, platform=platform, problem=_clause(error))

    def subject(self, reference: Reference, manifest: Manifest, platform: str) -> Subject:
        """An image or index, with everything that refers to it."""
        return self._described(reference, manifest, platform, self.each)

    def _described(
        self,
        reference: Reference,
        manifest: Manifest,
        platform: str,
        each: Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]] | None = None,
    ) -> Subject:
        each = each or (lambda do, over: [do(one) for one in over])
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
        listed = self._listed(reference)
        if isinstance(listed, str):
            problem, listed = problem or listed, []
        signed = [one for one in listed if one.artifact_type == artifact_types.SIGNATURE]
        attached_to = [one for one in listed if one.artifact_type != artifact_types.SIGNATURE]
        reading = _to_read(attached_to)
        read = each(lambda one: self._document(reference, one), [one for one in attached_to if one.digest in reading])
        by_digest = {document.digest: document for document in read}
        documents = [by_digest.get(one.digest) or _unread(one) for one in attached_to]
        signatures = each(lambda one: self._signature(reference, manifest, one), signed[:READ_SIGNATURES])
        documents.sort(key=lambda one: one.created, reverse=True)
        patched = envelopes.utc(labels.pop(_PATCHED, ""))
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
            unread=max(0, len(signed) - READ_SIGNATURES) + sum(1 for one in documents if not one.read),
            problem=problem,
        )

    def _listed(self, reference: Reference) -> list[Descriptor] | str:
        """What refers to a digest, the newest first as far as is known; a clause when it is not to be had."""
        try:
            found = {one.digest: one for one in self._tools.registry.referrers(reference)}
        except S3CError as error:
            return f"what refers to it could not be listed: {_clause(error)}"
        # A registry without the referrers API keeps the order in which they came.
        return sorted(found.values(), key=_listed_at)[::-1]

    def _signature(self, reference: Reference, subject: Manifest, listed: Descriptor) -> Signature:
        """One signature, read and, when somebody said whom to trust, held against that."""
        at = _listed_at(listed)
        try:
            manifest = self._tools.registry.manifest(reference.at(listed.digest))
            _refers_to(manifest, reference.digest)
            layer = _only_layer(manifest)
            content = self._tools.registry.blob(reference, layer["digest"])
            envelope = envelopes.read(content, str(layer.get("mediaType")))
        except (S3CError, ValueError) as error:
            return Signature(digest=listed.digest, listed=at, trust=Trust.BROKEN, reason=_clause(error))
        read = Signature(
            digest=listed.digest,
            trust=Trust.UNCHECKED,
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
            return replace(read, trust=Trust.BROKEN, reason="it was made for another digest and moved here")
        if self._tools.checker is None:
            return read
        trust, reason = self._verified(self._tools.checker, reference, subject, manifest, content)
        return replace(read, trust=trust, reason=reason)

    def _verified(
        self, checker: Checker, reference: Reference, subject: Manifest, signature: Manifest, envelope: bytes
    ) -> tuple[Trust, str]:
        folder = Path(tempfile.mkdtemp(prefix="trace-", dir=checker.temp))
        try:
            layout = Layout(folder / "image")
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
                    return Trust.TRUSTED, ""
        except InputError:
            raise  # the trust store or the policy cannot be used: no verdict on any signature
        except (S3CError, KeyError, TypeError) as error:
            return Trust.BROKEN, _clause(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Trust.REFUSED, " ".join(dict.fromkeys(refusals))

    def _document(self, reference: Reference, listed: Descriptor) -> Document:
        """One document, and its signatures when it is evidence."""
        read = replace(_unread(listed), read=True)
        try:
            manifest = self._tools.registry.manifest(reference.at(listed.digest))
            said = {**listed.annotations, **manifest.descriptor.annotations}
            read = replace(
                read,
                created=envelopes.utc(said.get(artifact_types.CREATED)),
                scanner=said.get(artifact_types.SCANNER, ""),
                database=said.get(artifact_types.DATABASE, ""),
            )
            _refers_to(manifest, reference.digest)
            if read.kind is Kind.OTHER:
                return read
            layer = _only_layer(manifest)
            content = self._tools.registry.blob(reference, layer["digest"])
        except (S3CError, ValueError) as error:
            return replace(read, problem=_clause(error))
        read = replace(read, content=layer["digest"], size=len(content))
        signed = self._listed(reference.at(listed.digest))
        signatures = (
            [
                self._signature(reference.at(listed.digest), manifest, one)
                for one in signed
                if one.artifact_type == artifact_types.SIGNATURE
            ][:READ_DOCUMENTS]
            if not isinstance(signed, str)
            else []
        )
        read = replace(read, signatures=tuple(signatures))
        try:
            return self._understood(read, content, reference.digest)
        except attached.Unusable as error:
            return replace(read, problem=str(error))

    def _understood(self, read: Document, content: bytes, subject: str) -> Document:
        if read.kind is Kind.REPORT:
            report = attached.sarif(content)
            wrong = report.subject and report.subject != subject
            return replace(
                read,
                created=envelopes.utc(report.created) or read.created,
                scanner=report.scanner or read.scanner,
                database=report.database or read.database,
                findings=report.findings,
                counts=attached.count(report.findings),
                fixable=report.fixable,
                omitted=report.omitted,
                problem=f"it is about another image, {report.subject[:19]}" if wrong else "",
            )
        if read.kind is Kind.RESULT:
            self._results[read.digest] = attached.result(content, subject)
            return replace(read, told=self._results[read.digest].told)
        tell = {
            artifact_types.SPDX: attached.spdx,
            artifact_types.CYCLONEDX: attached.cyclonedx,
            artifact_types.OPENVEX: attached.openvex,
        }[read.artifact_type]
        return replace(read, told=tell(content))

    def patch(self, subjects: Iterable[Subject]) -> tuple[str, Change | None]:
        """The original and the change that an attached result tells of: one that is trusted before the newest."""
        documents = [one for subject in subjects for one in subject.documents if one.digest in self._results]
        for one in sorted(documents, key=lambda document: document.trust is not Trust.TRUSTED):
            result = self._results[one.digest]
            if result.original and result.change is not None:
                return result.original, replace(result.change, source=f"{result.change.source}, {_standing(one)}")
        return "", None

    def ancestors(self, reference: Reference, subjects: list[Subject], original: str) -> tuple[Ancestor, ...]:
        """The images that these say they came from, the nearest first."""
        found: list[Ancestor] = []
        seen = {one.digest for one in subjects}
        for subject in subjects:
            self._follow(reference, subject, original, seen, found)
        return tuple(found)

    def _follow(
        self, reference: Reference, subject: Subject, original: str, seen: set[str], found: list[Ancestor]
    ) -> None:
        while len(found) < MOST_ANCESTORS:
            named, relation, said_by = _parent(subject, original)
            original = ""
            if not named or any(one.named == named for one in found):
                return
            ancestor = self._ancestor(reference, subject, named, relation, said_by)
            if ancestor.subject is not None and ancestor.subject.digest in seen:
                return
            found.append(ancestor)
            if ancestor.subject is None:
                return
            seen.add(ancestor.subject.digest)
            subject = ancestor.subject

    def _ancestor(self, reference: Reference, child: Subject, named: str, relation: Relation, said_by: str) -> Ancestor:
        bare = Ancestor(named=named, relation=relation, said_by=said_by)
        try:
            parent = Reference.parse(named)
            if parent.registry != reference.registry:
                # A label may name any address: only the registry that was asked about is spoken to.
                return replace(bare, problem="it lies in another registry")
            manifest = self._tools.registry.manifest(parent)
            pinned = parent.at(manifest.descriptor.digest)
            subject = self._described(pinned, manifest, "", self.each)
        except S3CError as error:
            return replace(bare, problem=_clause(error))
        own, theirs = self._configs.get(child.digest), self._configs.get(pinned.digest)
        proven = None
        if own is not None and theirs is not None:
            proven = own.diff_ids[: len(theirs.diff_ids)] == theirs.diff_ids
        return replace(bare, subject=subject, proven=proven)


def _parent(subject: Subject, original: str) -> tuple[str, Relation, str]:
    """What an image says it came from, what that is to it, and where it says so."""
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


def _compared(subject: Subject, ancestors: tuple[Ancestor, ...]) -> Change | None:
    """What the patch changed by the newest reports of both images."""
    original = next((one.subject for one in ancestors if one.relation is Relation.PATCHED), None)
    if original is None or not original.reports or not subject.reports:
        return None
    newest = (original.reports[0], subject.reports[0])
    before, after = (attached.Report(findings=one.findings, fixable=one.fixable) for one in newest)
    short = ", which do not list everything" if any(one.omitted for one in newest) else ""
    return attached.compare(before, after, f"the newest reports attached to both images{short}")


def _standing(document: Document) -> str:
    if not document.signatures:
        return "which nobody signed"
    return {
        Trust.TRUSTED: "signed by a trusted signer",
        Trust.UNCHECKED: "signed by someone",
    }.get(document.trust, "whose signature does not count")


def _judged(asked: Reference, subject: Subject, tools: TraceTools) -> Judgement:
    if tools.judge is not None:
        return tools.judge(asked)
    reference, trust = subject.reference, subject.trust
    if tools.checker is None:
        return Judgement(
            verdict=Verdict.UNKNOWN,
            by="nothing: nobody said whom to trust",
            remedy=f"s3c trace {reference} --trust-store CERTIFICATE",
        )
    if trust is Trust.TRUSTED:
        return Judgement(verdict=Verdict.ADMITTED, by="its signature and the trust store alone")
    reasons = [one.reason for one in subject.signatures if one.reason] or ["it has no signature"]
    return Judgement(
        verdict=Verdict.DENIED,
        by="its signature and the trust store alone",
        reasons=tuple(dict.fromkeys(reasons)),
        remedy=f"s3c sign {reference}",
    )


def _to_read(documents: Sequence[Descriptor]) -> set[str]:
    """Digests of the newest of each type; of the types nobody knows, the newest of all."""
    taken: dict[str, int] = {}
    chosen = set()
    for one in documents:
        known = one.artifact_type in KINDS
        key = one.artifact_type if known else ""
        taken[key] = taken.get(key, 0) + 1
        if taken[key] <= (READ_DOCUMENTS if known else READ_OTHERS):
            chosen.add(one.digest)
    return chosen


def _unread(listed: Descriptor) -> Document:
    said = listed.annotations
    return Document(
        digest=listed.digest,
        artifact_type=listed.artifact_type,
        kind=KINDS.get(listed.artifact_type, Kind.OTHER),
        created=_listed_at(listed),
        scanner=said.get(artifact_types.SCANNER, ""),
        database=said.get(artifact_types.DATABASE, ""),
        read=False,
    )


def _listed_at(one: Descriptor) -> str:
    return envelopes.utc(one.annotations.get(artifact_types.CREATED))


def _refers_to(manifest: Manifest, digest: str) -> None:
    subject = manifest.document.get("subject")
    if not isinstance(subject, dict) or subject.get("digest") != digest:
        raise ValueError("its manifest refers to another digest")


def _only_layer(manifest: Manifest) -> Mapping[str, Any]:
    layers = manifest.document.get("layers")
    if not isinstance(layers, list) or len(layers) != 1 or not isinstance(layers[0], dict):
        raise ValueError("its manifest does not hold one document")
    layer: Mapping[str, Any] = layers[0]
    if not is_digest(str(layer.get("digest"))):
        raise ValueError("its manifest does not hold one document")
    return layer


def _labels(config: ImageConfig) -> dict[str, str]:
    """Labels, also those that Copa writes in small letters, where nobody looks."""
    own = config.document.get("config")
    small = own.get("labels") if isinstance(own, dict) else None
    return {**config.labels, **({str(k): str(v) for k, v in small.items()} if isinstance(small, dict) else {})}


def _created(config: ImageConfig) -> str:
    said = envelopes.utc(config.document.get("created"))
    return "" if said.startswith(_EPOCHS) else said


def _clause(error: Exception) -> str:
    """An error's sentence as a clause, without what names the registry again."""
    text = error.what if isinstance(error, S3CError) else str(error)
    return text.rpartition("cannot be believed: ")[2].rstrip(".")
