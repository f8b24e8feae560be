"""List what a key has signed in repositories: images, their platforms, and the evidence beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions.core import artifact_types
from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import is_digest
from s3c_actions.evidence import signatures
from s3c_actions.signing import certificates

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from s3c_actions.core.progress import Progress
    from s3c_actions.core.reference import Reference
    from s3c_actions.registry import Descriptor, Manifest, Registry

_IMAGE = "image"
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema
_REFERRERS_TAG = re.compile(r"(sha(?:256|384|512))-([0-9a-f]+)")


class SignedArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the key has signed.

    Attributes:
        reference: `registry/repository@digest`.
        kind: `image`, or the artifact type of a document.
        image: reference of the image that a document lies beside; empty for an image.
        tags: that mean it now.
        signature: digest of the signature's manifest.
        signed_at: RFC 3339, as the signature claims; whoever has the key may claim any time.
        timestamped: whether it contains a time-stamp; not verified.
        others: subjects of the certificates that signed it besides; not verified.
    """

    reference: str
    kind: str
    image: str = ""
    tags: tuple[str, ...] = ()
    signature: str
    signed_at: str = ""
    timestamped: bool = False
    others: tuple[str, ...] = ()


class SignedListing(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a search.

    Attributes:
        signed: in the order in which it was met.
        unreadable: signatures that could not be read, each as a sentence: whose they are is unknown.
        searched: number of digests whose signatures were looked at.
    """

    signed: tuple[SignedArtifact, ...]
    unreadable: tuple[str, ...] = ()
    searched: int = 0


def run(
    references: Sequence[Reference], leaves: Iterable[Certificate], registry: Registry, progress: Progress
) -> SignedListing:
    """List what the keys of certificates have signed.

    Args:
        references: an image each, or a repository: without tag and digest, everything in it that a tag leads to, or
            that has referrers under a tag of the referrers tag schema.
        leaves: signing certificates; another certificate of the same key counts too.
        registry: of the references.
        progress: receives what cannot be read.

    Raises:
        InputError: a reference or a repository is not in the registry.
        OutsideError: the registry could not be reached, or gave an invalid answer: the list would not be complete.
    """
    search = _Search(registry, {certificates.key_thumbprint(leaf) for leaf in leaves})
    for reference in references:
        with progress.step("search") as step:
            before = len(search.signed)
            try:
                search.look_through(reference)
            except S3CError as error:
                error.image = error.image or str(reference)
                raise
            step.done(f"{reference}: {len(search.signed) - before} signed")
    for sentence in search.unreadable:
        progress.warning(sentence)
    return SignedListing(signed=tuple(search.signed), unreadable=tuple(search.unreadable), searched=len(search.seen))


class _Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A digest to look at; `kind` and `image` as a SignedArtifact has them."""

    digest: str
    kind: str = _IMAGE
    image: str = ""


def _describe(current: _Waiting, manifest: Manifest, reference: Reference) -> _Waiting:
    """Return what a manifest says it is: a document that a tag led to names its image itself."""
    subject = manifest.document.get("subject")
    digest = subject.get("digest") if isinstance(subject, dict) else None
    if not manifest.descriptor.artifact_type or not isinstance(digest, str) or not is_digest(digest):
        return current
    return replace(current, kind=manifest.descriptor.artifact_type, image=reference.at(digest).pinned)


class _Search:
    def __init__(self, registry: Registry, keys: set[str]) -> None:
        self.registry, self.keys = registry, keys
        self.signed: list[SignedArtifact] = []
        self.unreadable: list[str] = []
        self.seen: set[str] = set()

    def look_through(self, reference: Reference) -> None:
        """Look at an image, or at everything in a repository."""
        if reference.tag or reference.digest:
            descriptor = self.registry.resolve(reference)
            tags = {descriptor.digest: (reference.tag,)} if reference.tag else {}
            self._images(reference, [descriptor.digest], tags)
            return
        tags_of: dict[str, list[str]] = {}
        untagged = []
        for tag in self.registry.tags(reference):
            match = _REFERRERS_TAG.fullmatch(tag)
            digest = f"{match[1]}:{match[2]}" if match else ""
            if is_digest(digest):
                untagged.append(digest)
                continue
            manifest = self.registry.find(reference.tagged(tag))
            if manifest is not None:  # it was there a moment ago
                tags_of.setdefault(manifest.descriptor.digest, []).append(tag)
        self._images(reference, [*tags_of, *untagged], {digest: tuple(tags) for digest, tags in tags_of.items()})

    def _images(self, reference: Reference, digests: Iterable[str], tags: Mapping[str, tuple[str, ...]]) -> None:
        """Look at images and everything in them and beside them; what is listed and gone is left out."""
        waiting = [_Waiting(digest=digest) for digest in digests][::-1]
        while waiting:
            current = waiting.pop()
            here = reference.at(current.digest)
            if here.pinned in self.seen:
                continue
            self.seen.add(here.pinned)
            if current.kind == _IMAGE:
                manifest = self.registry.find(here)
                if manifest is None or manifest.descriptor.artifact_type == artifact_types.SIGNATURE:
                    continue
                current = _describe(current, manifest, here)
                waiting += [_Waiting(digest=entry.digest) for entry in manifest.descriptor.manifests][::-1]
            documents = self._digest(here, current, tags.get(current.digest, ()))
            image = current.image or here.pinned
            waiting += [
                _Waiting(digest=document.digest, kind=document.artifact_type, image=image)
                for document in reversed(documents)
            ]

    def _digest(self, reference: Reference, current: _Waiting, tags: tuple[str, ...]) -> list[Descriptor]:
        """Look at the signatures of a digest; return the documents beside it."""
        referrers = self.registry.referrers(reference)
        read = [
            (listed, signature)
            for listed in referrers
            if listed.artifact_type == artifact_types.SIGNATURE
            and (signature := self._signature(reference, listed)) is not None
        ]
        others = {signature.envelope.signer for _, signature in read if signature.envelope.key not in self.keys}
        self.signed += [
            SignedArtifact(
                reference=reference.pinned,
                kind=current.kind,
                image=current.image,
                tags=tags,
                signature=listed.digest,
                signed_at=signature.envelope.signed_at,
                timestamped=signature.envelope.timestamped,
                others=tuple(sorted(others)),
            )
            for listed, signature in read
            if signature.envelope.key in self.keys
        ]
        return [listed for listed in referrers if listed.artifact_type != artifact_types.SIGNATURE]

    def _signature(self, reference: Reference, listed: Descriptor) -> signatures.StoredSignature | None:
        try:
            return signatures.read(self.registry, reference, listed)
        except ValueError as error:
            self.unreadable.append(f"{reference.pinned}: the signature {listed.digest} cannot be read: {error}.")
        except S3CError as error:
            self.unreadable.append(f"{reference.pinned}: the signature {listed.digest} cannot be read: {error.what}")
        return None
