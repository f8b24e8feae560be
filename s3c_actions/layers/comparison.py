"""Compare two images, platform by platform: packages, files, configuration, layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from s3c_actions.core.errors import S3CError
from s3c_actions.core.text import counted
from s3c_actions.layers.configuration import ConfigurationChange, compare_configurations
from s3c_actions.layers.decompression import UnreadableLayer
from s3c_actions.layers.difference import (
    FileChange,
    FilesDifference,
    PackageAction,
    PackageChange,
    PrivilegeChange,
    compare_files,
)
from s3c_actions.layers.kept_layers import KeptLayer, LayerStore
from s3c_actions.layers.packages import MAX_KEPT, Keeper, list_packages
from s3c_actions.layers.reading import LayerBlob, allowance, apply_layer
from s3c_actions.layers.tar_reader import TOO_LARGE, Member
from s3c_actions.layers.tree import FileSystem
from s3c_actions.registry.content import (
    Descriptor,
    Manifest,
    config_digest,
    normalize_platform,
    parse_json_object,
    platform_name,
)
from s3c_actions.registry.source import ImageSource

PATCH_LABELS = frozenset({"label BaseImage"})
"""The fields of a configuration that Copa writes."""


class PlatformComparison(msgspec.Struct, frozen=True, kw_only=True):
    """How two images of one platform differ.

    Attributes:
        platform: `os/architecture[/variant]`.
        before, after: digests of the images' manifests.
        configuration: the fields that differ.
        packages: the packages that differ.
        files: the changes that no package that changed accounts for.
        privileges: the files whose rights changed.
        of_packages, of_managers: number of paths that changed packages, and their managers, account for.
        times: number of paths that were written again with the same content.
        shared_layers, removed_layers, added_layers: number of layers from the lowest one that both have, and others.
        size_before, size_after: bytes of all layers, as they are stored.
        unread: why not every change is known, in clauses; empty when `files` is proved to be complete.
    """

    platform: str
    before: str
    after: str
    configuration: tuple[ConfigurationChange, ...] = ()
    packages: tuple[PackageChange, ...] = ()
    files: tuple[FileChange, ...] = ()
    privileges: tuple[PrivilegeChange, ...] = ()
    of_packages: int = 0
    of_managers: int = 0
    times: int = 0
    shared_layers: int = 0
    removed_layers: int = 0
    added_layers: int = 0
    size_before: int = 0
    size_after: int = 0
    unread: tuple[str, ...] = ()

    @property
    def proved(self) -> bool:
        """Return whether every change is known."""
        return not self.unread

    @property
    def same(self) -> bool:
        """Return whether nothing differs that a container could see."""
        differs = self.configuration or self.packages or self.files or self.privileges
        return self.proved and not differs and not self.of_packages and not self.of_managers

    @property
    def upgrades(self) -> tuple[PackageChange, ...]:
        """Return the packages that a patch is expected to change: those it upgraded or added."""
        expected = {PackageAction.UPGRADED, PackageAction.ADDED, PackageAction.RELICENSED}
        return tuple(change for change in self.packages if change.action in expected)

    @property
    def unexpected(self) -> tuple[str, ...]:
        """Return the changes that a patch is not expected to make, in clauses; untrusted."""
        clauses = [f"not every change is known: {why}" for why in self.unread]
        clauses += [
            f"{change.ecosystem}:{change.name} was {change.action.value}"
            + (f" from {change.before} to {change.after}" if change.before and change.after else "")
            for change in self.packages
            if change not in self.upgrades
        ]
        clauses += [
            f"the configuration's {change.field} was "
            f"{'added' if change.before is None else 'removed' if change.after is None else 'changed'}"
            for change in self.configuration
            if change.field not in PATCH_LABELS
        ]
        clauses += [f"/{change.path} was {change.action}: {change.reason}" for change in self.files]
        named = {change.path for change in self.files}
        clauses += [
            f"/{change.path} has {change.after} now"
            for change in self.privileges
            if change.after and change.path not in named
        ]
        return tuple(clauses)

    @property
    def sentence(self) -> str:
        """Return what is proved of the difference, in a sentence."""
        if self.unread:
            return f"It is not known whether anything else changed: {'; '.join(self.unread)}."
        others = len(self.unexpected)
        if self.same:
            return "Nothing changed."
        if not self.packages:
            return f"No package changed, and {counted(others, 'other change')}." if others else "No package changed."
        noun = counted(len(self.packages), "package")
        if not others:
            return "Only this package changed." if len(self.packages) == 1 else f"Only these {noun} changed."
        return f"{noun} changed, and {counted(others, 'change')} not accounted for by an upgrade."


class ImageComparison(msgspec.Struct, frozen=True, kw_only=True):
    """How two images differ.

    Attributes:
        before, after: what was compared, by digest.
        platforms: of the platforms that both have.
        removed, added: platforms that only one of them has.
        unread: why nothing is known of the difference, in clauses; empty when the images could be read.
    """

    before: str
    after: str
    platforms: tuple[PlatformComparison, ...]
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def proved(self) -> bool:
        """Return whether every change is known."""
        return not self.unread and all(platform.proved for platform in self.platforms)

    @property
    def same(self) -> bool:
        """Return whether nothing differs that a container could see."""
        paired = not self.removed and not self.added and not self.unread
        return paired and all(platform.same for platform in self.platforms)

    @property
    def unexpected(self) -> tuple[str, ...]:
        """Return the changes that a patch is not expected to make, in clauses; untrusted."""
        several = len(self.platforms) > 1
        clauses = [f"not every change is known: {why}" for why in self.unread]
        clauses += [f"the platform {name} was removed" for name in self.removed]
        clauses += [f"the platform {name} was added" for name in self.added]
        return (
            *clauses,
            *(
                f"{platform.platform}: {clause}" if several else clause
                for platform in self.platforms
                for clause in platform.unexpected
            ),
        )

    @property
    def sentence(self) -> str:
        """Return what is proved of the difference, in a sentence for each platform whose own is another."""
        if self.unread:
            return f"It is not known what changed: {'; '.join(self.unread)}."
        sentences: dict[str, list[str]] = {}
        for platform in self.platforms:
            sentences.setdefault(platform.sentence, []).append(platform.platform)
        if len(sentences) == 1:
            return next(iter(sentences))
        return " ".join(f"{', '.join(names)}: {sentence}" for sentence, names in sentences.items())


class _Side(msgspec.Struct, frozen=True, kw_only=True):
    """One image of one platform."""

    source: ImageSource
    digest: str
    platform: str
    config: Mapping[str, Any]
    layers: tuple[LayerBlob, ...]


def compare_images(before: ImageSource, after: ImageSource, store: LayerStore | None = None) -> ImageComparison:
    """Compare two images, each of one platform or of several.

    Args:
        before: the one.
        after: the other one.
        store: where layers are kept that were read.

    Raises:
        InputError: one of them does not exist.
        S3CError: one of them cannot be read, or is invalid. A layer that cannot be read as runtimes do is no error: it
            is in `unread`.
    """
    (old_top, old), (new_top, new) = _sides(before), _sides(after)
    old_by, new_by = ({normalize_platform(side.platform): side for side in sides} for sides in (old, new))
    unread = [
        f"{source.name}@{top.descriptor.digest[:19]} {why}"
        for source, top, sides in ((before, old_top, old), (after, new_top, new))
        if (why := _ambiguity(top.descriptor, sides))
    ]
    return ImageComparison(
        before=f"{before.name}@{old_top.descriptor.digest}",
        after=f"{after.name}@{new_top.descriptor.digest}",
        platforms=tuple(_compare(side, new_by[name], store) for name, side in old_by.items() if name in new_by),
        removed=tuple(side.platform for name, side in old_by.items() if name not in new_by),
        added=tuple(side.platform for name, side in new_by.items() if name not in old_by),
        unread=tuple(unread),
    )


def _ambiguity(top: Descriptor, sides: list[_Side]) -> str:
    """Return why a runtime may take an image of an index that is not compared, in a clause; empty when it cannot."""
    if any(not entry.platform for entry in top.manifests):
        return "lists something without a platform"
    names = [normalize_platform(side.platform) for side in sides]
    twice = next((name for name in names if names.count(name) > 1), "")
    return f"lists several images of {twice}" if twice else ""


def _sides(source: ImageSource) -> tuple[Manifest, list[_Side]]:
    """Return the manifest of an image, and each of its platforms; an error names the image."""
    try:
        return _read_sides(source)
    except S3CError as error:
        error.image = error.image or source.name
        raise


def _read_sides(source: ImageSource) -> tuple[Manifest, list[_Side]]:
    top = source.image()
    if not top.descriptor.is_index:
        return top, [_side(source, top)]
    images = top.descriptor.images
    if not images:
        raise source.refuse("its index lists no image with a platform")
    return top, [_listed_side(source, image) for image in images]


def _listed_side(source: ImageSource, listed: Descriptor) -> _Side:
    manifest = source.manifest(listed.digest)
    if manifest.descriptor.is_index:
        raise source.refuse("its index lists another index")
    return msgspec.structs.replace(_side(source, manifest), platform=listed.platform)


def _side(source: ImageSource, manifest: Manifest) -> _Side:
    config = parse_json_object(source.blob(config_digest(manifest, source.refuse)), source.refuse, "a configuration")
    rootfs = config.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    listed = manifest.document.get("layers")
    if not isinstance(listed, list) or not isinstance(diff_ids, list) or len(listed) != len(diff_ids):
        raise source.refuse("its manifest and its configuration list different layers")
    layers = []
    for layer, diff_id in zip(listed, diff_ids, strict=True):
        digest, size = (layer.get("digest"), layer.get("size")) if isinstance(layer, dict) else (None, None)
        if not isinstance(digest, str) or type(size) is not int or not isinstance(diff_id, str):
            raise source.refuse("a layer of it has no digest or size")
        layers.append(LayerBlob(digest=digest, size=size, diff_id=diff_id))
    return _Side(
        source=source,
        digest=manifest.descriptor.digest,
        platform=platform_name(config) or "unknown",
        config=config,
        layers=tuple(layers),
    )


def _compare(old: _Side, new: _Side, store: LayerStore | None) -> PlatformComparison:
    shared = 0
    for mine, theirs in zip(old.layers, new.layers, strict=False):
        if mine != theirs:
            break
        shared += 1
    result = PlatformComparison(
        platform=new.platform,
        before=old.digest,
        after=new.digest,
        configuration=compare_configurations(old.config, new.config),
        shared_layers=shared,
        removed_layers=len(old.layers) - shared,
        added_layers=len(new.layers) - shared,
        size_before=sum(layer.size for layer in old.layers),
        size_after=sum(layer.size for layer in new.layers),
    )
    if shared == len(old.layers) == len(new.layers):
        return result
    try:
        difference = _compare_layers(old, new, shared, store)
    except UnreadableLayer as error:
        return msgspec.structs.replace(result, unread=(str(error),))
    return msgspec.structs.replace(
        result,
        **{name: getattr(difference, name) for name in FilesDifference.__struct_fields__},
    )


def _compare_layers(old: _Side, new: _Side, shared: int, store: LayerStore | None) -> FilesDifference:
    base, keeper = FileSystem(), Keeper()
    reader = _LayerReader(keeper, store)
    expanded = reader.apply(base, old, old.layers[:shared], 0)
    before, after = base, base.copy()
    reader.apply(before, old, old.layers[shared:], expanded, checksums=True)
    reader.apply(after, new, new.layers[shared:], expanded, checksums=True)
    if keeper.exceeded:
        raise UnreadableLayer(f"the databases of packages are larger than {MAX_KEPT // 1024**2} MiB")
    return compare_files(before, after, list_packages(before), list_packages(after))


class _LayerReader:
    def __init__(self, keeper: Keeper, store: LayerStore | None) -> None:
        self._keeper, self._store = keeper, store

    def apply(
        self, files: FileSystem, side: _Side, layers: Iterable[LayerBlob], expanded: int, *, checksums: bool = False
    ) -> int:
        """Apply layers to a file system of layers that expanded to a number of bytes; return the number with these."""
        for layer in layers:
            try:
                expanded += self._apply(files, side.source, layer, expanded, checksums=checksums)
            except UnreadableLayer as error:
                raise UnreadableLayer(f"layer {layer.digest[:19]} of {side.digest[:19]}: {error}") from None
        return expanded

    def _apply(
        self, files: FileSystem, source: ImageSource, layer: LayerBlob, expanded: int, *, checksums: bool
    ) -> int:
        """Apply a layer, as it is kept or else from its registry; return the number of bytes that it expands to."""
        kept = self._store.find(layer, checksums=checksums) if self._store is not None else None
        if kept is not None:
            self._apply_kept(files, layer, kept, expanded)
            return kept.size
        members: list[Member] = []
        pieces = source.layer(layer.digest, layer.size)
        total = apply_layer(files, layer, pieces, self._keeper, expanded=expanded, checksums=checksums, record=members)
        if self._store is not None and not self._keeper.exceeded:
            self._store.keep(layer, members, total - expanded, checksums=checksums)
        return total - expanded

    def _apply_kept(self, files: FileSystem, layer: LayerBlob, kept: KeptLayer, expanded: int) -> None:
        if kept.size > allowance(layer, expanded):
            raise UnreadableLayer(TOO_LARGE)
        for member in kept.members:
            if member.entry is not None and member.entry.content is not None:
                self._keeper(member.path, member.entry.size)
        files.apply(kept.members)
