"""Images and indexes, with everything that refers to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.signing import envelopes
from s3c_actions.steps.trace.documents import choose_documents, unread
from s3c_actions.steps.trace.referrers import clause, list_referrers
from s3c_actions.trace.model import Subject

if TYPE_CHECKING:
    from s3c_actions.registry import ImageConfig, Manifest
    from s3c_actions.steps.trace.documents import DocumentReader
    from s3c_actions.steps.trace.signatures import SignatureReader
    from s3c_actions.steps.trace.tools import TraceTools

A = TypeVar("A")
B = TypeVar("B")

MAX_SIGNATURES = 20
_PATCHED = "sh.copa.image.patched"
_EPOCHS = ("0001-01-01", "1970-01-01")


class SubjectReader:
    """Reads images and indexes for one trace.

    Attributes:
        configs: digest → configuration, of the images that were read.
    """

    def __init__(
        self, tools: TraceTools, documents: DocumentReader, signatures: SignatureReader, pool: ThreadPoolExecutor
    ) -> None:
        self._registry, self._pool = tools.registry, pool
        self._documents, self._signatures = documents, signatures
        self.configs: dict[str, ImageConfig] = {}

    def each(self, do: Callable[[A], B], over: Iterable[A]) -> list[B]:
        """Call `do` for each item, several at a time; return the results in order. Never call it within `do`."""
        return list(self._pool.map(do, over))

    def platform(self, reference: Reference, platform: str) -> Subject:
        """Return one image of an index; an unreadable one has a `problem`."""
        try:
            return self._describe(reference, self._registry.manifest(reference), platform)
        except S3CError as error:
            return Subject(reference=reference.pinned, platform=platform, problem=clause(error))

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
        """Return an image or index, its referrers read by `each`: by default one after the other."""
        each = each or (lambda do, over: [do(item) for item in over])
        labels, problem = dict(manifest.descriptor.annotations), ""
        created, layers = "", 0
        if not manifest.descriptor.is_index:
            try:
                config = self._registry.config(reference)
                self.configs[reference.digest] = config
                labels = _labels(config) | labels
                created, layers, platform = _created(config), len(config.diff_ids), config.platform or platform
            except S3CError as error:
                problem = clause(error)
        listed = list_referrers(self._registry, reference)
        if isinstance(listed, str):
            problem, listed = problem or listed, []
        signed = [descriptor for descriptor in listed if descriptor.artifact_type == artifact_types.SIGNATURE]
        attached_to = [descriptor for descriptor in listed if descriptor.artifact_type != artifact_types.SIGNATURE]
        reading = choose_documents(attached_to)
        read = each(
            lambda descriptor: self._documents.read(reference, descriptor),
            [descriptor for descriptor in attached_to if descriptor.digest in reading],
        )
        by_digest = {document.digest: document for document in read}
        documents = [by_digest.get(descriptor.digest) or unread(descriptor) for descriptor in attached_to]
        signatures = each(
            lambda descriptor: self._signatures.read(reference, manifest, descriptor), signed[:MAX_SIGNATURES]
        )
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
