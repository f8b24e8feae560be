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

DEFAULT_REGISTRY = "docker.io"

_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])"
_REGISTRY = re.compile(rf"{_HOST}(?::[0-9]{{1,5}})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")


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
        rest, at, digest = text.partition("@")
        if at and not _DIGEST.fullmatch(digest):
            raise _malformed(
                field, text, f"{quote_value(digest)} is not a digest such as sha256: and 64 hexadecimal digits"
            )
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
            raise _malformed(field, text, f"{quote_value(name)} is not a repository name (lower case, digits, . _ - /)")
        if colon and not _TAG.fullmatch(tag):
            raise _malformed(field, text, f"{quote_value(tag)} is not a tag")
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


def _malformed(field: str, text: str, cause: str) -> InputError:
    return InputError(
        field,
        f"{quote_value(text)} is not an image reference: {cause}.",
        remedy="Write it as registry/repository:tag or registry/repository@sha256:….",
    )
