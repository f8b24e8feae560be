"""The sources images are copied from: a repository of a registry, or an archive (`archive.Archive`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.registry.content import (
    Descriptor,
    Manifest,
    config_digest,
    invalid_answer,
    parse_json_object,
    platform_name,
)
from s3c_actions.registry.reading import Registry


class ImageSource(ABC):
    """A place that an image is read from. Everything it returns matches the requested digest."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Return the part before `@digest` when an image in it is shown to people."""

    @abstractmethod
    def image(self) -> Manifest:
        """Return the manifest or index of the requested image.

        Raises:
            InputError: it does not exist.
            S3CError: it cannot be read, or is invalid; likewise for every method below.
        """

    @abstractmethod
    def manifest(self, digest: str) -> Manifest:
        """Return the manifest or index with a digest."""

    @abstractmethod
    def blob(self, digest: str) -> bytes:
        """Return content that a manifest names, at most `content.MAX_CONFIG`."""

    @abstractmethod
    def layer(self, digest: str, size: int) -> Iterator[bytes]:
        """Yield content of any size, in pieces; size and digest are checked before the last of them is yielded."""

    @abstractmethod
    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """Return the referrers of a digest."""

    @abstractmethod
    def refuse(self, why: str) -> S3CError:
        """Return the error of content that violates the specification."""

    def mounts_into(self, registry: Registry, target: Reference) -> str:
        """Return the repository that the target's registry can mount blobs from; empty when there is none."""
        return ""

    def platform(self, manifest: Manifest) -> str:
        """Return `os/architecture[/variant]` of an image, from its configuration."""
        document = parse_json_object(self.blob(config_digest(manifest, self.refuse)), self.refuse, "a configuration")
        return platform_name(document)


class RepositorySource(ImageSource):
    """A repository of a registry.

    Args:
        registry: the client to read with.
        reference: of the requested image, by tag or digest.
        field: the input it came from, for errors.
    """

    def __init__(self, registry: Registry, reference: Reference, *, field: str = "source") -> None:
        self._registry = registry
        self._reference = reference
        self._field = field

    @property
    def name(self) -> str:
        """Return registry and repository."""
        return self._reference.name

    def image(self) -> Manifest:
        """Return the image that the reference resolves to now; see `Source.image`."""
        return self._registry.manifest(self._reference, field=self._field)

    def manifest(self, digest: str) -> Manifest:
        """Return a manifest as `Source.manifest` does."""
        return self._registry.manifest(self._reference.at(digest), field=self._field)

    def blob(self, digest: str) -> bytes:
        """Return content as `Source.blob` does."""
        return self._registry.blob(self._reference, digest)

    def layer(self, digest: str, size: int) -> Iterator[bytes]:
        """Yield content as `Source.layer` does."""
        return self._registry.layer(self._reference, digest, size)

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """Return the referrers that the registry lists."""
        return self._registry.referrers(self._reference.at(digest))

    def refuse(self, why: str) -> S3CError:
        """Return the error that names the registry."""
        return invalid_answer(self._reference, why)

    def mounts_into(self, registry: Registry, target: Reference) -> str:
        """Return this repository, when one client reads and writes one registry."""
        same = registry is self._registry and target.registry == self._reference.registry
        return self._reference.repository if same else ""
