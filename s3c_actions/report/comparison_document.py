"""The types of a comparison of two images in `result.json`; text in it is untrusted data, as in `report.document`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]


class ComparisonPart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every part of a comparison has in common: a key that is not known is an error."""


class PackageChangeEntry(ComparisonPart, frozen=True, kw_only=True):
    """A package that differs."""

    action: Literal["added", "removed", "upgraded", "downgraded", "changed", "relicensed"]
    ecosystem: str
    name: str
    architecture: str
    place: Annotated[str, Meta(description="Folder of a language's package; empty of a distribution's.")]
    before: Annotated[str, Meta(description="Its version; empty where it is not installed.")]
    after: str
    licence_before: Annotated[str, Meta(description="Where the licences differ; else both are empty.")]
    licence_after: str


class ConfigurationChangeEntry(ComparisonPart, frozen=True, kw_only=True):
    """A field of the configuration that differs."""

    field: Annotated[str, Meta(description="Such as `user`, `env PATH` or `port 80/tcp`.")]
    before: str | None
    after: str | None


class FileChangeEntry(ComparisonPart, frozen=True, kw_only=True):
    """A change of a file that no package that changed accounts for."""

    path: str
    action: Literal["added", "removed", "changed"]
    reason: str
    package: Annotated[str, Meta(description="That the file belongs to; empty when none owns it.")]


class PrivilegeChangeEntry(ComparisonPart, frozen=True, kw_only=True):
    """A file that runs with other rights than before."""

    path: str
    before: str
    after: str


class PlatformComparisonEntry(ComparisonPart, frozen=True, kw_only=True):
    """How two images of one platform differ."""

    platform: str
    before: Annotated[str, Meta(description="Digest of the image's manifest.")]
    after: str
    sentence: Annotated[str, Meta(description="What is proved of the difference.")]
    proved: Annotated[bool, Meta(description="Whether every change is known.")]
    unread: Annotated[tuple[str, ...], Meta(description="Why not every change is known.")]
    packages: tuple[PackageChangeEntry, ...]
    configuration: tuple[ConfigurationChangeEntry, ...]
    privileges: tuple[PrivilegeChangeEntry, ...]
    files: Annotated[
        tuple[FileChangeEntry, ...], Meta(description="Changes that no package that changed accounts for.")
    ]
    omitted: Annotated[Count, Meta(description="Number of further changes that are left out of the lists.")]
    of_packages: Annotated[Count, Meta(description="Paths that packages that changed account for.")]
    of_managers: Annotated[Count, Meta(description="Paths that package managers account for.")]
    times: Annotated[Count, Meta(description="Paths that were written again with the same content.")]
    shared_layers: Count
    removed_layers: Count
    added_layers: Count
    size_before: Annotated[Count, Meta(description="Bytes of all layers, as they are stored.")]
    size_after: Count


class ComparisonEntry(ComparisonPart, frozen=True, kw_only=True):
    """How two images differ, platform by platform."""

    before: str
    after: str
    same: Annotated[bool, Meta(description="Whether nothing differs that a container could see.")]
    proved: Annotated[bool, Meta(description="Whether every change is known.")]
    unexpected: Annotated[
        tuple[str, ...], Meta(description="Changes that a patch is not expected to make; the first of them.")
    ]
    unexpected_total: Count
    removed: Annotated[tuple[str, ...], Meta(description="Platforms that only the earlier image has.")]
    added: Annotated[tuple[str, ...], Meta(description="Platforms that only the later image has.")]
    unread: Annotated[tuple[str, ...], Meta(description="Why nothing is known of the difference.")]
    platforms: tuple[PlatformComparisonEntry, ...]
