"""Where images are copied from: a repository of a registry, or an archive (`archive.Archive`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.registry.content import (
    Descriptor,
    Manifest,
    config_digest,
    json_object,
    platform_of,
    unbelievable,
)
from s3c_actions.registry.reading import Registry


class Source(ABC):
    """One place that an image is read from. Nothing it hands out has another digest than was asked for."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What stands before `@digest` when people are told of an image in it."""

    @abstractmethod
    def image(self) -> Manifest:
        """The manifest or index of the image that was asked for.

        Raises:
            InputError: it is not there.
            S3CError: it cannot be read, or not be believed; as of everything below.
        """

    @abstractmethod
    def manifest(self, digest: str) -> Manifest:
        """The manifest or index with a digest."""

    @abstractmethod
    def blob(self, digest: str) -> bytes:
        """Content that a manifest names, at most `content.MAX_CONFIG`."""

    @abstractmethod
    def layer(self, digest: str, size: int) -> Iterator[bytes]:
        """Content of any size, in pieces; size and digest are checked before the last of them is handed out."""

    @abstractmethod
    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """What refers to a digest."""

    @abstractmethod
    def refuse(self, why: str) -> S3CError:
        """The error of content that is not what the specification says."""

    def mounts_into(self, registry: Registry, target: Reference) -> str:
        """The repository that the target's registry can take blobs over from; empty when there is none."""
        return ""

    def platform(self, manifest: Manifest) -> str:
        """`os/architecture[/variant]` of an image, as its configuration has it."""
        document = json_object(self.blob(config_digest(manifest, self.refuse)), self.refuse, "a configuration")
        return platform_of(document)


class RepositorySource(Source):
    """A repository of a registry.

    Args:
        registry: that reads it.
        reference: of the image asked for, by tag or digest.
        field: the input it came from, for errors.
    """

    def __init__(self, registry: Registry, reference: Reference, *, field: str = "source") -> None:
        self._registry = registry
        self._reference = reference
        self._field = field

    @property
    def name(self) -> str:
        """Registry and repository."""
        return self._reference.name

    def image(self) -> Manifest:
        """What the reference stands for now; see `Source.image`."""
        return self._registry.manifest(self._reference, field=self._field)

    def manifest(self, digest: str) -> Manifest:
        """As `Source.manifest`."""
        return self._registry.manifest(self._reference.at(digest), field=self._field)

    def blob(self, digest: str) -> bytes:
        """As `Source.blob`."""
        return self._registry.blob(self._reference, digest)

    def layer(self, digest: str, size: int) -> Iterator[bytes]:
        """As `Source.layer`."""
        return self._registry.layer(self._reference, digest, size)

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """What the registry lists."""
        return self._registry.referrers(self._reference.at(digest))

    def refuse(self, why: str) -> S3CError:
        """Blames the registry."""
        return unbelievable(self._reference, why)

    def mounts_into(self, registry: Registry, target: Reference) -> str:
        """The repository itself, when one client reads and writes one registry."""
        same = registry is self._registry and target.registry == self._reference.registry
        return self._reference.repository if same else ""
