"""OCI image references, by the reference grammar of the distribution project.

https://github.com/distribution/reference: `[registry/]repository[:tag][@digest]`. A name without a registry means
Docker Hub, one without a slash its `library/`.
"""

from __future__ import annotations

import re

import msgspec
from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.core.pasted_content import quote_value
from s3c_actions.core.patterns import late_pattern

DEFAULT_REGISTRY = "docker.io"

_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])"
_REGISTRY = late_pattern(rf"{_HOST}(?::[0-9]{{1,5}})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = late_pattern(rf"{_PART}(?:/{_PART})*")
_TAG = late_pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = late_pattern(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_IMAGE_ID = late_pattern(r"(?:sha256:)?[0-9a-f]{64}")
_SCHEME = late_pattern(r"(?:https?|docker|oci|docker-daemon|containers-storage)://", re.IGNORECASE)
_PATH = late_pattern(r"\.{0,2}/|~|\.{1,2}\Z")
_VARIABLE = late_pattern(r"\$[{(A-Za-z_]|\{\{|%[A-Za-z_]+%|<[a-z]")
_DIGEST_AS_TAG = late_pattern(r"([^@]+):((?:sha256|sha384|sha512):[0-9a-f]*)")


class Reference(msgspec.Struct, frozen=True):
    """An image in a registry. `tag` and `digest` are empty strings when the reference has none."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str, *, field: str = "image") -> Reference:
        """Parse a reference as people type it.

        Args:
            text: such as `nginx`, `localhost:5000/app:1.2`, `acr.example/app@sha256:…`.
            field: the input's name, for the error.

        Raises:
            InputError: the text is not a reference; the message says which part is wrong.
        """
        if not text or text != text.strip() or len(text) > 4096:
            raise _malformed(field, text, "it is empty or has blanks around it")
        if is_image_id(text):
            raise InputError(
                field,
                f"{quote_value(text)} is the id of an image, and no reference.",
                cause="An id is known to the container engine of one machine alone; no registry finds an image by it.",
                remedy="Give a name that the image has in a registry, as registry/repository:tag.",
            )
        if scheme := _SCHEME.match(text):
            raise _malformed(field, text, f"it begins with {scheme[0].lower()}, and a reference has no scheme")
        if _DIGEST_AS_TAG.fullmatch(text):
            raise _malformed(field, text, "a digest follows an @, and no colon")
        rest, at, digest = text.partition("@")
        if at and not _DIGEST.fullmatch(digest):
            raise _malformed(field, text, _digest_problem(digest))
        first, slash, remainder = rest.partition("/")
        if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
            registry, path = first, remainder
        else:
            registry, path = DEFAULT_REGISTRY, rest
        name, colon, tag = path.partition(":")
        if registry in {"index.docker.io", "registry-1.docker.io"}:
            registry = DEFAULT_REGISTRY
        if registry == DEFAULT_REGISTRY and "/" not in name:
            name = f"library/{name}"
        if not _REGISTRY.fullmatch(registry):
            raise _malformed(field, text, f"{quote_value(registry)} is not a registry's host name")
        if not _REPOSITORY.fullmatch(name) or len(name) > 255:
            shown = quote_value(path.partition(":")[0])  # as it was given, without `library/`
            raise _malformed(field, text, f"{shown} is not a repository name (lower case, digits, . _ - /)")
        if colon and not _TAG.fullmatch(tag):
            raise _malformed(field, text, f"{quote_value(tag)} is not a tag" if tag else "no tag follows the colon")
        return cls(registry, name, tag, digest)

    @property
    def name(self) -> str:
        """Return registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def short(self) -> str:
        """Return the last part of the repository, a short name for people."""
        return self.repository.rpartition("/")[2]

    @property
    def pinned(self) -> str:
        """Return `registry/repository@digest`; only for a reference that has a digest."""
        if not self.digest:
            raise ValueError(f"{self} has no digest")
        return f"{self.name}@{self.digest}"

    def at(self, digest: str) -> Reference:
        """Return the same repository by digest alone, so that no later step can fall back on the tag."""
        return replace(self, tag="", digest=digest)

    def tagged(self, tag: str) -> Reference:
        """Return the same repository by tag alone."""
        return replace(self, tag=tag, digest="")

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def is_tag(text: str) -> bool:
    """Return whether the text is a tag (OCI distribution spec, pulling manifests)."""
    return bool(_TAG.fullmatch(text))


def is_digest(text: str) -> bool:
    """Return whether the text is a digest of a registered algorithm (OCI image spec, descriptor.md)."""
    return bool(_DIGEST.fullmatch(text))


def is_image_id(text: str) -> bool:
    """Return whether the text is an image id as `docker build -q` prints it, whole: with or without `sha256:`.

    distribution/reference refuses the second form as a name; the first it reads as the repository `sha256`.
    """
    return bool(_IMAGE_ID.fullmatch(text))


def _digest_problem(digest: str) -> str:
    shown = quote_value(digest)
    algorithm, colon, digits = digest.partition(":")
    if not colon and _IMAGE_ID.fullmatch(digest):
        return f"{shown} lacks its algorithm, sha256:"
    if algorithm == "sha256" and re.fullmatch(r"[0-9a-fA-F]+", digits):
        if digits != digits.lower():
            return f"{shown} is not a digest, whose letters are small"
        return f"{shown} is not a digest: it has {len(digits)} hexadecimal digits, and sha256 has 64"
    return f"{shown} is not a digest such as sha256: and 64 hexadecimal digits"


def _malformed(field: str, text: str, cause: str) -> InputError:
    return InputError(
        field,
        f"{quote_value(text)} is not an image reference: {cause}.",
        remedy=_correction(text)
        or ("Give the image's name, and no path of a file or a folder." if _PATH.match(text) else "")
        or ("A variable in it was not filled in, or has another name." if _VARIABLE.search(text) else "")
        or "Write it as registry/repository:tag or registry/repository@sha256:….",
    )


def _correction(text: str) -> str:
    """Return what was probably meant, as a sentence; empty when that is not clear."""
    bare = text.strip()
    if scheme := _SCHEME.match(bare):
        bare = bare[scheme.end() :]
    if digest := _DIGEST_AS_TAG.fullmatch(bare):
        bare = f"{digest[1]}@{digest[2]}"
    name, at, after = bare.partition("@")
    name, colon, tag = _split_tag(name)
    if at and _IMAGE_ID.fullmatch(after) and not after.startswith("sha256:"):
        after = f"sha256:{after}"
    if "/" in tag and re.fullmatch(r"[\w./-]+", tag):
        tag = tag.replace("/", "-")
    meant = f"{name.lower()}{colon if tag else ''}{tag}{at}{after.lower()}"
    if meant == text or not meant:
        return ""
    try:
        Reference.parse(meant)
    except InputError:
        return ""
    return f"Did you mean {quote_value(meant)}?"


def _split_tag(name: str) -> tuple[str, str, str]:
    """Split a name and what stands behind its last colon; a colon in a registry's name is its port."""
    first, slash, rest = name.partition("/")
    if not slash:
        return name.partition(":")
    if ":" in first and not re.fullmatch(r"[^:]*:[0-9]+|\[.*\](?::[0-9]+)?", first):
        return name.partition(":")
    path, colon, tag = rest.partition(":")
    return f"{first}/{path}", colon, tag
