"""What registries hold, and the reading of what they say of it.

https://github.com/opencontainers/image-spec/blob/v1.1.0/descriptor.md. Nothing is believed before it is looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.reference import Reference, is_digest

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

# Layers that their maker lets nobody pass on (Windows' base layers): they are pulled from where the manifest says.
_FOREIGN = ("foreign", "nondistributable")

Refuse = Callable[[str], S3CError]
"""Makes the error of content that is not what the specification says, of a clause that says why."""


class Descriptor(msgspec.Struct, frozen=True, kw_only=True):
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
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
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


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True):
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


def choose(index: Descriptor, platform: str, reference: Reference | str) -> Descriptor:
    """The image of one platform in an index; see `Registry.config` for what an empty platform means.

    Raises:
        InputError: it lists no such platform.
    """
    if not platform and len(index.images) == 1:
        return index.images[0]
    wanted = normal_platform(platform or "linux/amd64")
    for one in index.images:
        if normal_platform(one.platform) == wanted or one.platform.startswith(f"{wanted}/"):
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


def normal_platform(platform: str) -> str:
    """A platform without the variant that goes without saying: `linux/arm64` of `linux/arm64/v8`.

    As containerd has it: https://github.com/containerd/platforms/blob/v1.0.0/database.go.
    """
    for plain, variant in (("arm64", "v8"), ("amd64", "v1")):
        if platform.endswith(f"/{plain}/{variant}"):
            return platform.removesuffix(f"/{variant}")
    return platform


def texts(value: object) -> dict[str, str]:
    """Annotations or labels; whatever is none of them is left out."""
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}


def manifest_of(content: bytes, refuse: Refuse, *, digest: str, media_type: str = "") -> Manifest:
    """Read a manifest or index whose digest has been checked.

    Args:
        content: to the byte.
        refuse: makes the error.
        digest: of the content.
        media_type: what it is said to be; what it says itself counts.

    Raises:
        S3CError: what `refuse` makes: it is none, or lists what has no digest or size.
    """
    document = json_object(content, refuse, "a manifest")
    kind = str(document.get("mediaType") or media_type)
    if kind not in INDEXES | MANIFESTS:
        raise refuse(f"{kind[:100]!r} is not the type of an image's manifest or index")
    descriptor = Descriptor(
        digest=digest,
        media_type=kind,
        size=len(content),
        artifact_type=str(document.get("artifactType") or ""),
        annotations=texts(document.get("annotations")),
        manifests=descriptors(document, refuse) if kind in INDEXES else (),
    )
    return Manifest(descriptor=descriptor, document=document, content=content)


def descriptors(document: Mapping[str, Any], refuse: Refuse) -> tuple[Descriptor, ...]:
    """What an index lists.

    Raises:
        S3CError: what `refuse` makes: it is no index, or an entry has no digest or size.
    """
    listed = document.get("manifests")
    if not isinstance(listed, list):
        raise refuse("its index lists no manifests")
    found = []
    for one in listed:
        if not isinstance(one, dict) or not is_digest(str(one.get("digest"))) or not isinstance(one.get("size"), int):
            raise refuse("an entry of its index has no digest or size")
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


def contents(document: Mapping[str, Any], refuse: Refuse) -> dict[str, int]:
    """Digest → size in bytes of each blob that a manifest names and that may be passed on.

    Raises:
        S3CError: what `refuse` makes: it names one without a digest or size.
    """
    named: dict[str, int] = {}
    layers = document.get("layers")
    for one in [document.get("config"), *(layers if isinstance(layers, list) else [])]:
        if one is None:
            continue
        if not isinstance(one, dict) or not is_digest(str(one.get("digest"))) or not isinstance(one.get("size"), int):
            raise refuse("its manifest names content without a digest or size")
        if not any(word in str(one.get("mediaType")) for word in _FOREIGN):
            named[one["digest"]] = one["size"]
    return named


def config_digest(manifest: Manifest, refuse: Refuse) -> str:
    """The digest of the configuration that a manifest names.

    Raises:
        S3CError: what `refuse` makes: it names none.
    """
    about = manifest.document.get("config")
    digest = str(about.get("digest", "")) if isinstance(about, dict) else ""
    if not is_digest(digest):
        raise refuse("its manifest names no configuration")
    return digest


def checked(pieces: Iterable[bytes], digest: str, size: int, refuse: Refuse) -> Iterator[bytes]:
    """Hand pieces of content on; its size and digest are checked before the last one is out.

    Args:
        pieces: the content.
        digest: that it must have.
        size: in bytes, that it must have.
        refuse: makes the error.

    Raises:
        S3CError: what `refuse` makes: it is other content.
    """
    hashed, came, held = hashlib.new(digest.partition(":")[0]), 0, b""
    for piece in pieces:
        hashed.update(piece)
        came += len(piece)
        if came > size:
            raise refuse(f"what it has for {digest} is larger than the {size} bytes it should be")
        if held:
            yield held
        held = piece
    if hashed.hexdigest() != digest.partition(":")[2] or came != size:
        raise refuse(f"what it has for {digest} is other content")
    if held:
        yield held


def json_object(body: bytes, refuse: Refuse, what: str = "an answer") -> dict[str, Any]:
    """A JSON object.

    Args:
        body: to read.
        refuse: makes the error.
        what: the body is, for the error.

    Raises:
        S3CError: what `refuse` makes: it is none, or has a key twice, which readers understand differently.
    """
    try:
        document = reading.json_value(body, object_pairs_hook=_unique)
    except _Twice as error:
        raise refuse(f"{what} has the key {str(error)[:100]!r} twice") from None
    except ValueError:
        raise refuse(f"{what} is not JSON") from None
    if not isinstance(document, dict):
        raise refuse(f"{what} is not a JSON object")
    return document


class _Twice(ValueError):
    """A key that an object has twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Twice(name)
        found[name] = value
    return found


def unbelievable(reference: Reference, why: str) -> OutsideError:
    """The error of an answer that is not what the specification says."""
    return OutsideError(
        f"{reference.registry} gave an answer for {reference.repository} that cannot be believed: {why}.",
        cause="The registry, or a proxy in between, is broken or has been tampered with.",
        remedy="Push the image again, or look at the registry.",
        image=str(reference),
    )
