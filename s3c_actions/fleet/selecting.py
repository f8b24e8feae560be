"""Expand the selections of `fleet.yaml` to references, each with the settings that apply to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import smoke_section, tags
from s3c_actions.fleet.model import FIELD, Fleet, Selection, Settings, TagSelection, catalog_prefix, target_of
from s3c_actions.fleet.parallel import run_bounded
from s3c_actions.fleet.plan import MAX_IMAGES, UnplannedImage
from s3c_actions.fleet.sources import Source

MAX_NAME = 900
"""Characters of a reference; with a digest it still fits into a plan."""
_LATEST = TagSelection(strategy="latest")


class SelectedImage(Struct, frozen=True, kw_only=True, order=True):
    """One reference of a fleet.

    Attributes:
        name: as selected, `registry/repository:tag`, or by digest.
        platforms, owner, policy, target: as of `plan.PlannedImage`.
        smoke: its section as text, by which images are compared.
    """

    name: str
    platforms: tuple[str, ...] = ()
    owner: str = ""
    policy: str = ""
    target: str = ""
    smoke: str = ""

    @property
    def reference(self) -> Reference:
        """Return the reference."""
        return Reference.parse(self.name)


class Expanded(Struct, frozen=True, kw_only=True):
    """The references of a fleet.

    Attributes:
        images: with the settings that apply to each.
        unplanned: the selections that could not be expanded.
        unused: the overrides that match no image, as written; none where there are images that are not known.
    """

    images: tuple[SelectedImage, ...]
    unplanned: tuple[UnplannedImage, ...]
    unused: tuple[str, ...] = ()


class Places(Struct, frozen=True, kw_only=True):
    """Where images are looked up besides registries; each raises S3CError.

    Attributes:
        running: returns the images that run in namespaces, all without any, and those without a digest.
        manifests: returns the images that manifests name, and texts in place of one that name none.
    """

    running: Callable[[tuple[str, ...]], tuple[Sequence[str], Sequence[str]]]
    manifests: Callable[[tuple[str, ...]], tuple[Sequence[str], Sequence[str]]]


class _Listing(Struct, frozen=True, kw_only=True):
    """A repository whose tags are looked up for a selection."""

    repository: Reference
    selection: Selection


def expand(fleet: Fleet, source: Source, places: Places) -> Expanded:
    """Expand every selection; what cannot be expanded stops no other.

    Args:
        fleet: as read.
        source: lists repositories and tags.
        places: of images that no registry lists.

    Raises:
        InputError: more images are selected than a plan may have.
    """
    references: list[tuple[Reference, Selection]] = []
    unplanned: list[UnplannedImage] = []
    listings: list[_Listing] = []
    for selection in fleet.images:
        try:
            if selection.image is not None:
                references.append((Reference.parse(selection.image, field=FIELD), selection))
            elif selection.repository is not None:
                repository = Reference.parse(selection.repository, field=FIELD)
                listings.append(_Listing(repository=repository, selection=selection))
            elif selection.catalog is not None:
                listings += _catalog(fleet, selection, source)
            else:
                elsewhere, without = _elsewhere(selection, places)
                references += [(reference, selection) for reference in elsewhere]
                unplanned += [_unknown(name, fleet, selection) for name in without]
        except S3CError as error:
            unplanned.append(unplanned_image(_describe(selection), error, _settings(fleet, selection, "").owner or ""))
    listed, failed = _list_all(fleet, listings, source)
    references += listed
    unplanned += failed
    if len(references) > MAX_IMAGES:
        raise InputError(
            FIELD,
            f"{len(references):,} images are selected, and a plan has at most {MAX_IMAGES:,}.",
            remedy="Select fewer tags, or make several fleets of it.",
        )
    selected: set[SelectedImage] = set()
    used: set[int] = set()
    for given, selection in references:
        reference = given if given.tag or given.digest else given.tagged("latest")
        if _matches(str(reference), (*fleet.exclude, *selection.exclude)):
            continue
        matching = _overrides(fleet, str(reference))
        used.update(matching)
        try:
            selected.add(_with_settings(reference, _joined(fleet, selection, matching)))
        except S3CError as error:
            unplanned.append(unplanned_image(str(reference), error))
    unused = [override.match for place, override in enumerate(fleet.overrides) if place not in used]
    return Expanded(
        images=tuple(sorted(selected)), unplanned=tuple(unplanned), unused=tuple(unused) if not unplanned else ()
    )


def _list_all(
    fleet: Fleet, listings: Sequence[_Listing], source: Source
) -> tuple[list[tuple[Reference, Selection]], list[UnplannedImage]]:
    """Look up the tags of repositories, several at a time."""
    references: list[tuple[Reference, Selection]] = []
    unplanned: list[UnplannedImage] = []
    pages = run_bounded(listings, lambda listing: listing.repository.registry, lambda listing: _list(listing, source))
    for listing, page in zip(listings, pages, strict=True):
        if isinstance(page, S3CError):
            owner = _settings(fleet, listing.selection, listing.repository.name).owner or ""
            unplanned.append(unplanned_image(_describe(listing.selection, listing.repository), page, owner))
        else:
            references += [(reference, listing.selection) for reference in page]
    return references, unplanned


def unplanned_image(image: str, error: S3CError, owner: str = "") -> UnplannedImage:
    """Return the entry of what could not be planned because of an error."""
    field = f"{error.field}: " if isinstance(error, InputError) else ""
    return UnplannedImage(
        image=image[:1000],
        owner=owner,
        what=" ".join(filter(None, (error.what.removeprefix(field), error.cause)))[:1000],
        remedy=error.remedy[:1000],
        exit_code=int(error.exit_code),
    )


def _catalog(fleet: Fleet, selection: Selection, source: Source) -> list[_Listing]:
    registry, prefix = catalog_prefix(selection.catalog or "")
    names = source.repositories(registry, prefix)
    repositories = [Reference(registry, name) for name in names]
    exclude = (*fleet.exclude, *selection.exclude)
    return [
        _Listing(repository=repository, selection=selection)
        for repository in repositories
        if not any(fnmatchcase(repository.name, pattern) for pattern in exclude)
    ]


def _list(listing: _Listing, source: Source) -> list[Reference]:
    selection = listing.selection.tags or _LATEST
    existing = () if selection.strategy == "list" else source.tags(listing.repository)
    chosen = tags.select(existing, selection)
    if not chosen and listing.selection.repository is not None:
        wanted = f"matches {selection.pattern}" if selection.pattern else "is a version"
        raise InputError(
            FIELD,
            f"no tag of {listing.repository.name} {wanted}.",
            cause=f"It has {len(existing):,} tags." if existing else "It has no tags.",
            remedy="Look at `tags` of the selection.",
            image=listing.repository.name,
        )
    return [listing.repository.tagged(tag) for tag in chosen]


def _elsewhere(selection: Selection, places: Places) -> tuple[list[Reference], Sequence[str]]:
    if selection.cluster is not None:
        names, without = places.running(selection.cluster.namespaces)
    else:
        names, without = places.manifests(selection.manifests or ())
    if not names and not without:
        raise InputError(
            FIELD,
            "nothing runs there." if selection.cluster is not None else "they name no image.",
            remedy="Look at the names of the namespaces, and at which cluster the kubeconfig is for."
            if selection.cluster is not None
            else "Look at the paths, or leave the selection out.",
        )
    return [Reference.parse(name, field=FIELD) for name in names], without


def _unknown(name: str, fleet: Fleet, selection: Selection) -> UnplannedImage:
    """Return the entry of something that runs or stands in a manifest, and of which it is not known what it means."""
    error: S3CError
    if selection.cluster is not None:
        error = OutsideError(
            "The cluster does not tell its digest.",
            remedy="Wait until it runs, or push it to a registry that the cluster pulls it from.",
        )
    else:
        error = InputError(
            FIELD,
            "it stands in a manifest in place of an image, and is no reference.",
            remedy="Give manifests in which images are filled in, such as what `helm template` printed.",
        )
    return unplanned_image(name, error, _settings(fleet, selection, name).owner or "")


def _settings(fleet: Fleet, selection: Selection, name: str) -> Settings:
    """Return what applies to an image: defaults, the selection, then each override that matches, in their order."""
    return _joined(fleet, selection, _overrides(fleet, name))


def _joined(fleet: Fleet, selection: Selection, matching: Iterable[int]) -> Settings:
    parts: list[Settings] = [fleet.defaults, selection, *(fleet.overrides[place] for place in matching)]
    values: dict[str, object] = {}
    for part in parts:
        for key in Settings.__struct_fields__:
            if (value := getattr(part, key)) is not None:
                values[key] = value
    return Settings(**values)  # type: ignore[arg-type]


def _overrides(fleet: Fleet, name: str) -> list[int]:
    """Return the places of the overrides that match an image."""
    return [place for place, override in enumerate(fleet.overrides) if _matches(name, (override.match,))]


def _with_settings(reference: Reference, settings: Settings) -> SelectedImage:
    if len(str(reference)) > MAX_NAME:
        raise InputError(FIELD, f"{str(reference)[:100]}… is longer than {MAX_NAME} characters.", remedy="Shorten it.")
    target = target_of(settings.target, reference) if settings.target is not None else ""
    return SelectedImage(
        name=str(reference),
        platforms=settings.platforms or (),
        owner=settings.owner or "",
        policy=settings.policy or "",
        target="" if target == reference.name else target,
        smoke=smoke_section.write(settings.smoke),
    )


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern matches a reference, its reference without the digest, or its repository."""
    tagged = name.partition("@")[0]
    head, colon, tail = tagged.rpartition(":")
    names = {name, tagged, head if colon and "/" not in tail else tagged}
    return any(fnmatchcase(candidate, pattern) for pattern in patterns for candidate in names)


def _describe(selection: Selection, repository: Reference | None = None) -> str:
    if repository is not None:
        return repository.name
    if selection.cluster is not None:
        return f"cluster ({', '.join(selection.cluster.namespaces) or 'all namespaces'})"
    if selection.manifests is not None:
        return f"manifests ({', '.join(selection.manifests)})"
    return selection.image or selection.repository or f"{selection.catalog}*"
