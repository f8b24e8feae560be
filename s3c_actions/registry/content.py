"""What registries hold, and the reading of what they say of it.

https://github.com/opencontainers/image-spec/blob/v1.1.0/descriptor.md. Nothing is believed before it is looked at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from s3c_actions.errors import InputError, OutsideError
from s3c_actions.image import Reference, is_digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST))

# The specification asks registries to take manifests of at least 4 MiB; a config holds the history of all layers.
MAX_MANIFEST = 4 * 1024 * 1024
MAX_CONFIG = 8 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What a registry says of one piece of content (OCI image spec, descriptor.md).

    Attributes:
        digest, media_type, size: of the content; size in bytes.
        artifact_type: of a referrer or an artifact's manifest.
        platform: `os/architecture[/variant]` of an index's entry, empty when it says none.
        manifests: what an index lists, empty for a single manifest.
    """

    digest: str
    media_type: str
    size: int
    artifact_type: str = ""
    platform: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    manifests: tuple[Descriptor, ...] = ()

    @property
    def is_index(self) -> bool:
        """Whether this is a multi-platform image."""
        return self.media_type in INDEXES

    @property
    def images(self) -> tuple[Descriptor, ...]:
        """The images an index lists, without attestations (their platform is `unknown/unknown`)."""
        return tuple(m for m in self.manifests if m.platform and not m.platform.startswith("unknown/"))

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms of an index; empty for a single manifest, whose config knows its own."""
        return tuple(m.platform for m in self.images)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest or index whose digest has been checked; `document` is the JSON of `content`."""

    descriptor: Descriptor
    document: Mapping[str, Any]
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """An image's configuration (OCI image spec, config.md). Labels are untrusted.

    Attributes:
        manifest: digest of the manifest it belongs to (of the platform chosen, for an index).
        platform: `os/architecture[/variant]`.
        diff_ids: digests of the uncompressed layers, the lowest first.
    """

    manifest: str
    platform: str
    diff_ids: tuple[str, ...]
    labels: Mapping[str, str]
    document: Mapping[str, Any]


def choose(index: Descriptor, platform: str, reference: Reference) -> Descriptor:
    """The image of one platform in an index; see `Registry.config` for what an empty platform means.

    Raises:
        InputError: it lists no such platform.
    """
    if not platform and len(index.images) == 1:
        return index.images[0]
    wanted = platform or "linux/amd64"
    for one in index.images:
        if one.platform == wanted or one.platform.startswith(f"{wanted}/"):
            return one
    raise InputError(
        "platform",
        f"{reference} has no image for {wanted}.",
        cause=f"It has {', '.join(index.platforms) or 'none at all'}.",
        remedy="Give one of those.",
        image=str(reference),
    )


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """The digest of content, by the algorithm that every registry knows unless another is given."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def platform_of(document: Mapping[str, Any]) -> str:
    """`os/architecture[/variant]` of a configuration or a platform object."""
    parts = [document.get(key) for key in ("os", "architecture", "variant")]
    return "/".join(str(part) for part in parts if part)


def texts(value: object) -> dict[str, str]:
    """Annotations or labels; whatever is none of them is left out."""
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}


def descriptors(document: Mapping[str, Any], reference: Reference) -> tuple[Descriptor, ...]:
    """What an index lists.

    Raises:
        OutsideError: it is no index, or an entry has no digest or size.
    """
    listed = document.get("manifests")
    if not isinstance(listed, list):
        raise unbelievable(reference, "its index lists no manifests")
    found = []
    for one in listed:
        if not isinstance(one, dict) or not is_digest(str(one.get("digest"))) or not isinstance(one.get("size"), int):
            raise unbelievable(reference, "an entry of its index has no digest or size")
        platform = one.get("platform")
        found.append(
            Descriptor(
                digest=one["digest"],
                media_type=str(one.get("mediaType") or ""),
                size=one["size"],
                artifact_type=str(one.get("artifactType") or ""),
                platform=platform_of(platform) if isinstance(platform, dict) else "",
                annotations=texts(one.get("annotations")),
            )
        )
    return tuple(found)


def json_object(body: bytes, reference: Reference) -> dict[str, Any]:
    """A JSON object that the reference's registry sent.

    Raises:
        OutsideError: it is none.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise unbelievable(reference, "an answer is not JSON") from None
    if not isinstance(document, dict):
        raise unbelievable(reference, "an answer is not a JSON object")
    return document


def unbelievable(reference: Reference, why: str) -> OutsideError:
    """The error of an answer that is not what the specification says."""
    return OutsideError(
        f"{reference.registry} gave an answer for {reference.repository} that cannot be believed: {why}.",
        cause="The registry, or a proxy in between, is broken or has been tampered with.",
        remedy="Push the image again, or look at the registry.",
        image=str(reference),
    )
