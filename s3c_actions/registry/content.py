"""The content of registries, and the parsing of their descriptions of it.

https://github.com/opencontainers/image-spec/blob/v1.1.0/descriptor.md. Nothing is trusted before it has been checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.reference import Reference, is_digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
ACCEPTED_TYPES = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST))

# The specification asks registries to take manifests of at least 4 MiB; a config holds the history of all layers.
MAX_MANIFEST = 4 * 1024 * 1024
MAX_CONFIG = 8 * 1024 * 1024

# Layers that may not be redistributed (Windows' base layers): they are pulled from the address in the manifest.
_FOREIGN = ("foreign", "nondistributable")

ErrorFactory = Callable[[str], S3CError]
"""Creates the error of content that violates the specification, from a clause that says why."""


class Descriptor(msgspec.Struct, frozen=True, kw_only=True):
    """A registry's description of one piece of content (OCI image spec, descriptor.md).

    Attributes:
        digest, media_type, size: of the content; size in bytes.
        artifact_type: of a referrer or an artifact's manifest.
        platform: `os/architecture[/variant]` of an index's entry, empty when it states none.
        manifests: the entries of an index, empty for a single manifest.
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
        """Return whether this is a multi-platform image."""
        return self.media_type in INDEX_TYPES

    @property
    def images(self) -> tuple[Descriptor, ...]:
        """Return the images an index lists, without attestations (their platform is `unknown/unknown`)."""
        return tuple(
            manifest
            for manifest in self.manifests
            if manifest.platform and not manifest.platform.startswith("unknown/")
        )

    @property
    def platforms(self) -> tuple[str, ...]:
        """Return the platforms of an index; empty for a single manifest, whose configuration has its platform."""
        return tuple(image.platform for image in self.images)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest or index whose digest has been checked; `document` is the JSON of `content`."""

    descriptor: Descriptor
    document: Mapping[str, Any]
    content: bytes = b""


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An image's configuration (OCI image spec, config.md). Labels are untrusted.

    Attributes:
        manifest: digest of its manifest (of the platform chosen, for an index).
        platform: `os/architecture[/variant]`.
        diff_ids: digests of the uncompressed layers, the lowest first.
    """

    manifest: str
    platform: str
    diff_ids: tuple[str, ...]
    labels: Mapping[str, str]
    document: Mapping[str, Any]


def choose(index: Descriptor, platform: str, reference: Reference | str) -> Descriptor:
    """Return the image of one platform in an index; see `Registry.config` for the meaning of an empty platform.

    Raises:
        InputError: it lists no such platform.
    """
    if not platform and len(index.images) == 1:
        return index.images[0]
    wanted = normalize_platform(platform or "linux/amd64")
    for image in index.images:
        if normalize_platform(image.platform) == wanted or image.platform.startswith(f"{wanted}/"):
            return image
    raise InputError(
        "platform",
        f"{reference} has no image for {wanted}.",
        cause=f"It has {', '.join(index.platforms) or 'none at all'}.",
        remedy="Give one of those.",
        image=str(reference),
    )


def compute_digest(content: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of content, by default with the algorithm that every registry supports."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def platform_name(document: Mapping[str, Any]) -> str:
    """Return `os/architecture[/variant]` of a configuration or a platform object."""
    parts = [document.get(key) for key in ("os", "architecture", "variant")]
    return "/".join(str(part) for part in parts if part)


def normalize_platform(platform: str) -> str:
    """Return a platform without its default variant: `linux/arm64` for `linux/arm64/v8`.

    As containerd does: https://github.com/containerd/platforms/blob/v1.0.0/database.go.
    """
    for plain, variant in (("arm64", "v8"), ("amd64", "v1")):
        if platform.endswith(f"/{plain}/{variant}"):
            return platform.removesuffix(f"/{variant}")
    return platform


def text_values(value: object) -> dict[str, str]:
    """Return annotations or labels as texts; an empty mapping for a value of another type."""
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}


def artifact_type(document: Mapping[str, Any]) -> str:
    """Return the artifact type of a manifest or index: its own, else that of its configuration; empty for none."""
    config = document.get("config")
    return str(document.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else "") or "")


def parse_manifest(content: bytes, refuse: ErrorFactory, *, digest: str, media_type: str = "") -> Manifest:
    """Parse a manifest or index whose digest has been checked.

    Args:
        content: the exact bytes.
        refuse: creates the error.
        digest: of the content.
        media_type: as announced; the type in the content takes precedence.

    Raises:
        S3CError: created by `refuse`: it is neither, or lists an entry without a digest or size.
    """
    document = parse_json_object(content, refuse, "a manifest")
    kind = str(document.get("mediaType") or media_type)
    if kind not in INDEX_TYPES | MANIFEST_TYPES:
        raise refuse(f"{kind[:100]!r} is not the type of an image's manifest or index")
    if document.get("manifests") and (document.get("config") or document.get("layers")):
        raise refuse("a manifest may be read as an index and as an image")
    descriptor = Descriptor(
        digest=digest,
        media_type=kind,
        size=len(content),
        artifact_type=str(document.get("artifactType") or ""),
        annotations=text_values(document.get("annotations")),
        manifests=parse_descriptors(document, refuse) if kind in INDEX_TYPES else (),
    )
    return Manifest(descriptor=descriptor, document=document, content=content)


def parse_descriptors(document: Mapping[str, Any], refuse: ErrorFactory) -> tuple[Descriptor, ...]:
    """Return the entries of an index.

    Raises:
        S3CError: created by `refuse`: it is not an index, or an entry has no digest or size.
    """
    listed = document.get("manifests", 0)
    if listed is None:
        listed = []  # an empty list, as Go writes it
    if not isinstance(listed, list):
        raise refuse("its index lists no manifests")
    entries = []
    for entry in listed:
        if (
            not isinstance(entry, dict)
            or not is_digest(str(entry.get("digest")))
            or not isinstance(entry.get("size"), int)
        ):
            raise refuse("an entry of its index has no digest or size")
        platform = entry.get("platform")
        entries.append(
            Descriptor(
                digest=entry["digest"],
                media_type=str(entry.get("mediaType") or ""),
                size=entry["size"],
                artifact_type=str(entry.get("artifactType") or ""),
                platform=platform_name(platform) if isinstance(platform, dict) else "",
                annotations=text_values(entry.get("annotations")),
            )
        )
    return tuple(entries)


def blob_sizes(document: Mapping[str, Any], refuse: ErrorFactory) -> dict[str, int]:
    """Return digest → size in bytes of each blob that a manifest names and that may be redistributed.

    Raises:
        S3CError: created by `refuse`: it names one without a digest or size.
    """
    sizes: dict[str, int] = {}
    layers = document.get("layers")
    for blob in [document.get("config"), *(layers if isinstance(layers, list) else [])]:
        if blob is None:
            continue
        if (
            not isinstance(blob, dict)
            or not is_digest(str(blob.get("digest")))
            or not isinstance(blob.get("size"), int)
        ):
            raise refuse("its manifest names content without a digest or size")
        if not any(word in str(blob.get("mediaType")) for word in _FOREIGN):
            sizes[blob["digest"]] = blob["size"]
    return sizes


def config_digest(manifest: Manifest, refuse: ErrorFactory) -> str:
    """Return the digest of the configuration that a manifest names.

    Raises:
        S3CError: created by `refuse`: it names none.
    """
    config = manifest.document.get("config")
    digest = str(config.get("digest", "")) if isinstance(config, dict) else ""
    if not is_digest(digest):
        raise refuse("its manifest names no configuration")
    return digest


def verify_chunks(pieces: Iterable[bytes], digest: str, size: int, refuse: ErrorFactory) -> Iterator[bytes]:
    """Yield the pieces of content; check size and digest before yielding the last one.

    Args:
        pieces: the content.
        digest: the expected digest.
        size: the expected size in bytes.
        refuse: creates the error.

    Raises:
        S3CError: created by `refuse`: size or digest differ.
    """
    hashed, received, pending = hashlib.new(digest.partition(":")[0]), 0, b""
    for piece in pieces:
        hashed.update(piece)
        received += len(piece)
        if received > size:
            raise refuse(f"what it has for {digest} is larger than the {size} bytes it should be")
        if pending:
            yield pending
        pending = piece
    if hashed.hexdigest() != digest.partition(":")[2] or received != size:
        raise refuse(f"what it has for {digest} is other content")
    if pending:
        yield pending


def parse_json_object(body: bytes, refuse: ErrorFactory, what: str = "an answer") -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        body: the text.
        refuse: creates the error.
        what: name of the body, for the error.

    Raises:
        S3CError: created by `refuse`: it is not one, or has a duplicate key, which readers understand differently.
    """
    try:
        document = reading.parse_json(body, object_pairs_hook=_unique_members)
    except _DuplicateKey as error:
        raise refuse(f"{what} has the key {str(error)[:100]!r} twice, as some readers see it") from None
    except ValueError:
        raise refuse(f"{what} is not JSON") from None
    if not isinstance(document, dict):
        raise refuse(f"{what} is not a JSON object")
    return document


class _DuplicateKey(ValueError):
    """A key that occurs twice in an object."""


# What runs images is written in Go, which takes `Manifests` for `manifests`, and of both the last. Labels and
# annotations are compared by their exact names, so only names that it looks for count. Copa writes `labels` beside
# `Labels`.
_READ = frozenset(
    {
        "schemaversion",
        "mediatype",
        "artifacttype",
        "config",
        "layers",
        "manifests",
        "subject",
        "annotations",
        "digest",
        "size",
        "platform",
        "urls",
        "data",
        "architecture",
        "os",
        "variant",
        "os.version",
        "os.features",
        "created",
        "history",
        "rootfs",
        "type",
        "diff_ids",
        "user",
        "exposedports",
        "env",
        "entrypoint",
        "cmd",
        "volumes",
        "workingdir",
        "stopsignal",
        "argsescaped",
        "healthcheck",
        "onbuild",
        "shell",
    }
)


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    read: set[str] = set()
    for name, value in pairs:
        folded = name.casefold()
        if name in members or folded in read:
            raise _DuplicateKey(name)
        members[name] = value
        if folded in _READ:
            read.add(folded)
    return members


def invalid_answer(reference: Reference, why: str) -> OutsideError:
    """Return the error of an answer that violates the specification."""
    return OutsideError(
        f"{reference.registry} gave an answer for {reference.repository} that cannot be believed: {why}.",
        cause="The registry, or a proxy in between, is broken or has been tampered with.",
        remedy="Push the image again, or look at the registry.",
        image=str(reference),
    )
