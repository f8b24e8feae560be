"""Where a plan learns what tags mean: the registries, or a snapshot of an earlier look at them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet.plan import Digest, Text
from s3c_actions.registry.catalog import list_repositories
from s3c_actions.registry.content import blob_sizes, choose, invalid_answer

if TYPE_CHECKING:
    from s3c_actions.registry import Manifest, Registry

MAX_SNAPSHOT = 256 * reading.MIB


class ImageFacts(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True, omit_defaults=True):
    """What is known of a digest before any work.

    Attributes:
        platforms: how many images it has; 1 for a single one.
        base: digest of its lowest layer; empty when not known.
        size: of its layers as they are transferred, in bytes, of one platform; 0 when not known.
    """

    platforms: Annotated[int, Meta(ge=1, le=1000)] = 1
    base: Annotated[str, Meta(max_length=200)] = ""
    size: Annotated[int, Meta(ge=0)] = 0


class Source(Protocol):
    """What answers the questions of a plan; called by several threads at once."""

    def repositories(self, registry: str, prefix: str) -> tuple[str, ...]:
        """Return the repositories of a registry that begin with a prefix."""

    def tags(self, repository: Reference) -> tuple[str, ...]:
        """Return the tags of a repository."""

    def digest(self, reference: Reference) -> str:
        """Return the digest of a reference."""

    def facts(self, reference: Reference) -> ImageFacts:
        """Return what is known of a pinned reference."""


class RegistrySource(Struct, frozen=True):
    """The registries themselves."""

    registry: Registry
    field: str

    def repositories(self, registry: str, prefix: str) -> tuple[str, ...]:
        """Return the repositories; raises as `catalog.list_repositories` does."""
        return list_repositories(self.registry, registry, prefix, field=self.field)

    def tags(self, repository: Reference) -> tuple[str, ...]:
        """Return the tags; raises as `Registry.tags` does."""
        return self.registry.tags(repository, field=self.field)

    def digest(self, reference: Reference) -> str:
        """Return the digest; raises as `Registry.digest` does."""
        return self.registry.digest(reference, field=self.field)

    def facts(self, reference: Reference) -> ImageFacts:
        """Return layers and platforms by one or two manifests.

        Raises:
            InputError: it is there no more.
            OutsideError: the registry could not be reached, or gave an invalid answer.
        """
        manifest = self.registry.manifest(reference, field=self.field)
        index = manifest.descriptor
        if not index.is_index:
            return _layer_facts(manifest, reference, 1)
        images = index.images or index.manifests
        if not images:
            return ImageFacts()
        try:
            chosen = choose(index, "", reference)
        except InputError:
            chosen = images[0]
        return _layer_facts(self.registry.manifest(reference.at(chosen.digest)), reference, len(images))


def _layer_facts(manifest: Manifest, reference: Reference, platforms: int) -> ImageFacts:
    sizes = blob_sizes(manifest.document, lambda why: invalid_answer(reference, why))
    layers = manifest.document.get("layers")
    digests = [layer["digest"] for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    lowest = str(digests[0]) if digests else ""
    return ImageFacts(platforms=min(platforms, 1000), base=lowest[:200], size=max(sum(sizes.values()), 0))


class SnapshotImage(ImageFacts, frozen=True, kw_only=True):
    """A reference of a snapshot: its digest, and what is known of that."""

    digest: Digest


class Snapshot(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What references meant at an earlier time; a plan made of it asks no registry.

    Attributes:
        images: reference by tag → what it meant.
    """

    version: Annotated[int, Meta(ge=1, le=1)] = 1
    images: dict[Text, SnapshotImage]


class SnapshotSource:
    """A snapshot in place of the registries.

    Args:
        snapshot: as read.
        field: the input it came from, for errors.
    """

    def __init__(self, snapshot: Snapshot, field: str) -> None:
        self._field = field
        self._images: dict[str, SnapshotImage] = {}
        self._pinned: dict[str, SnapshotImage] = {}
        self._tags: dict[str, list[str]] = {}
        for name, image in snapshot.images.items():
            reference = Reference.parse(name, field=field)
            self._images[str(reference)] = image
            self._pinned[reference.at(image.digest).pinned] = image
            if reference.tag:
                self._tags.setdefault(reference.name, []).append(reference.tag)

    def repositories(self, registry: str, prefix: str) -> tuple[str, ...]:
        """Return the repositories of the snapshot that begin so."""
        whole = f"{registry}/{prefix}"
        return tuple(sorted(name.partition("/")[2] for name in self._tags if name.startswith(whole)))

    def tags(self, repository: Reference) -> tuple[str, ...]:
        """Return the tags of the snapshot."""
        return tuple(self._tags.get(repository.name, ()))

    def digest(self, reference: Reference) -> str:
        """Return the digest. Raises InputError for a reference that is not in the snapshot."""
        if reference.digest:
            return reference.digest
        image = self._images.get(str(reference))
        if image is None:
            raise InputError(
                self._field,
                f"{reference} is not in the snapshot.",
                remedy="Take a new one with `save-snapshot`, or plan without it.",
                image=str(reference),
            )
        return image.digest

    def facts(self, reference: Reference) -> ImageFacts:
        """Return what the snapshot has; nothing known for a digest that is not in it."""
        return self._pinned.get(reference.pinned, ImageFacts())


def read_snapshot(path: Path, *, field: str) -> Snapshot:
    """Read a snapshot.

    Args:
        path: of the file.
        field: the input it came from, for errors.

    Raises:
        InputError: it cannot be read, or is no snapshot.
    """
    with reading.reject_unreadable(path, field):
        content = reading.read_json_file(path, MAX_SNAPSHOT)
    try:
        return msgspec.json.decode(content, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            field, f"{path} is no snapshot: {error}.", remedy="Take one with `s3c fleet plan --save-snapshot`."
        ) from None


def render_snapshot(images: dict[str, SnapshotImage]) -> bytes:
    """Return the document of a snapshot, sorted, one image a line."""
    ordered = Snapshot(images=dict(sorted(images.items())))
    return msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n"
