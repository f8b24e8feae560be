"""The images that an image claims to come from: patched from, built on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference, is_digest
from s3c_actions.steps.trace.referrers import clause
from s3c_actions.trace.model import Ancestor, Relation, Subject

if TYPE_CHECKING:
    from s3c_actions.registry import Registry
    from s3c_actions.steps.trace.subjects import SubjectReader

MAX_ANCESTORS = 5
_BASE_LABEL = "BaseImage"
_BASE_NAME = "org.opencontainers.image.base.name"
_BASE_DIGEST = "org.opencontainers.image.base.digest"


class AncestorReader:
    """Follows what images claim of their origin, in the registry of the traced image alone.

    Args:
        reference: of the traced image.
    """

    def __init__(self, subjects: SubjectReader, registry: Registry, reference: Reference) -> None:
        self._subjects, self._registry, self._reference = subjects, registry, reference

    def read(self, subjects: list[Subject], original: str) -> tuple[Ancestor, ...]:
        """Return the images that these claim to come from, the nearest first."""
        ancestors: list[Ancestor] = []
        visited = {subject.digest for subject in subjects}
        for subject in subjects:
            self._follow(subject, original, visited, ancestors)
        return tuple(ancestors)

    def _follow(self, subject: Subject, original: str, visited: set[str], ancestors: list[Ancestor]) -> None:
        while len(ancestors) < MAX_ANCESTORS:
            name, relation, source = _parent(subject, original)
            original = ""
            if not name or any(known_ancestor.named == name for known_ancestor in ancestors):
                return
            ancestor = self._ancestor(subject, name, relation, source)
            if ancestor.subject is not None and ancestor.subject.digest in visited:
                return
            ancestors.append(ancestor)
            if ancestor.subject is None:
                return
            visited.add(ancestor.subject.digest)
            subject = ancestor.subject

    def _ancestor(self, child: Subject, named: str, relation: Relation, said_by: str) -> Ancestor:
        bare = Ancestor(named=named, relation=relation, said_by=said_by)
        try:
            parent = Reference.parse(named)
            if parent.registry != self._reference.registry:
                # A label may name any address: only the registry of the traced image is contacted.
                return replace(bare, problem="it lies in another registry")
            manifest = self._registry.manifest(parent)
            pinned = parent.at(manifest.descriptor.digest)
            subject = self._subjects.subject(pinned, manifest, "")
        except S3CError as error:
            return replace(bare, problem=clause(error))
        configs = self._subjects.configs
        child_config, parent_config = configs.get(child.digest), configs.get(pinned.digest)
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
