"""`fleet.yaml`: which images are kept patched and signed, read strictly; published as schemas/fleet-1.json.

It selects images and says whose they are. It decides no gate: a policy named in it is read when an image is judged.
The words for tags are those of Copa's PatchConfig.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from s3c_actions.core import reading
from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import smoke_section
from s3c_actions.fleet.patterns import compile_pattern
from s3c_actions.fleet.smoke_section import SmokeSection
from s3c_actions.options.fleet import DEFAULT_FLEET
from s3c_actions.options.parse import duration
from s3c_actions.policy import faults
from s3c_actions.policy.parts import Duration, Line

SCHEMA = "fleet-1.json"
MAX_SIZE = 4 * reading.MIB
FIELD = "fleet"
_MANUAL = f"{doc_link('fleet.md')} has every key with an example."

PlatformName = Annotated[
    str, Meta(pattern=r"^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$", examples=["linux/amd64"], max_length=100)
]
Platforms = Annotated[tuple[PlatformName, ...], Meta(max_length=50)]
TagName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
Name = Annotated[str, Meta(min_length=1, max_length=1000)]
Paths = Annotated[tuple[Line, ...], Meta(min_length=1, max_length=1000)]
NamePattern = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=300,
        pattern=r"^[^\s]+$",
        description="`registry/repository` or `registry/repository:tag`, with `*` for any characters.",
        examples=["registry.example/team-a/*"],
    ),
]
Target = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._:/{}-]{1,300}$",
        description="Repository that patches are pushed to, as `registry/repository`; its own without it. `{name}` "
        "stands for the last part of the image's repository, `{repository}` for all of it.",
        examples=["registry.example/patched/{name}"],
    ),
]
PolicyPath = Annotated[
    Line,
    Meta(
        description="Path of the policy that judges the images, from the folder that s3c runs in.",
        examples=["s3c-policy.yaml"],
    ),
]
Owner = Annotated[Line, Meta(description="Who is asked about the images: a team, a person, an address.")]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", kw_only=True):
    """What every part of the file has in common: a misspelt key is an error, never ignored."""


class Settings(_Part, frozen=True, kw_only=True):
    """What is done with images, and who owns them. What is left out is taken from `defaults`."""

    platforms: Annotated[Platforms | None, Meta(description="Platforms to patch; all without it.")] = None
    owner: Owner | None = None
    policy: PolicyPath | None = None
    target: Target | None = None
    smoke: SmokeSection | None = None


class TagSelection(_Part, frozen=True, kw_only=True):
    """Which tags of a repository are selected."""

    strategy: Annotated[
        Literal["list", "pattern", "latest"],
        Meta(
            description="`list`: those of `list`. `pattern`: all that match `pattern`. `latest`: the highest version; "
            "with `pattern` the highest of those that match."
        ),
    ]
    list: Annotated[tuple[TagName, ...], Meta(max_length=1000, description="Tags, with `strategy: list`.")] = ()
    pattern: Annotated[
        str,
        Meta(
            max_length=300,
            description="A regular expression in RE2's syntax, as Copa takes it: it matches anywhere in a tag unless "
            "`^` and `$` hold it.",
            examples=[r"^1\.2[0-9]\.[0-9]+$"],
        ),
    ] = ""
    max_tags: Annotated[
        int, Meta(ge=0, le=10_000, description="With `strategy: pattern`, the highest so many; 0 for all.")
    ] = 0
    exclude: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...],
        Meta(max_length=1000, description="Tags that are not selected, with `*` for any characters."),
    ] = ()


class ClusterSelection(_Part, frozen=True, kw_only=True):
    """What runs on the cluster that the kubeconfig names."""

    namespaces: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")], ...],
        Meta(max_length=1000, description="Only these; without any, all but Kubernetes' own."),
    ] = ()


class Selection(Settings, frozen=True, kw_only=True):
    """Some images. It has one of `image`, `repository`, `catalog`, `cluster` and `manifests`."""

    image: Annotated[
        Name | None,
        Meta(
            description="One image, `registry/repository:tag` or by digest.",
            examples=["registry.example/app:1.2"],
        ),
    ] = None
    repository: Annotated[
        Name | None,
        Meta(description="The tags of a repository that `tags` selects.", examples=["docker.io/nginx"]),
    ] = None
    catalog: Annotated[
        Name | None,
        Meta(
            description="Every repository whose name begins so, as the registry's catalog lists them; of each the tags "
            "that `tags` selects, the latest without it.",
            examples=["registry.example/team-a/"],
        ),
    ] = None
    cluster: ClusterSelection | None = None
    manifests: Annotated[
        Paths | None,
        Meta(
            description="Images that manifests name: files, folders or globs of plain manifests, or what `kustomize "
            "build` or `helm template` printed, from the folder that s3c runs in.",
        ),
    ] = None
    tags: Annotated[TagSelection | None, Meta(description="With `repository` and `catalog`.")] = None
    exclude: Annotated[tuple[NamePattern, ...], Meta(max_length=1000, description="Names to leave out.")] = ()

    @property
    def kind(self) -> str:
        """Return which of `KINDS` it selects by."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)


KINDS = ("image", "repository", "catalog", "cluster", "manifests")


class Override(Settings, frozen=True, kw_only=True):
    """Settings of the images whose names match; they replace those of the selection, later ones those of earlier."""

    match: NamePattern


class Fleet(_Part, frozen=True, kw_only=True):
    """The images that are kept patched and signed."""

    version: Annotated[Literal[1], Meta(description="Of this file's format.")]
    images: Annotated[tuple[Selection, ...], Meta(min_length=1, max_length=20_000, description="What is selected.")]
    defaults: Annotated[Settings, Meta(description="Of every selection that does not say otherwise.")] = field(
        default_factory=Settings
    )
    rescan_after: Annotated[
        Duration,
        Meta(description="An image whose signed report is younger, with nothing to fix, needs nothing."),
    ] = "24h"
    match_sboms: Annotated[
        bool,
        Meta(
            description="An image whose report is older needs nothing either when its signed SBOM, matched against "
            "the vulnerability database of the day, shows nothing new that its policy asks about."
        ),
    ] = True
    exclude: Annotated[
        tuple[NamePattern, ...], Meta(max_length=1000, description="Names that are left out of every selection.")
    ] = ()
    overrides: Annotated[tuple[Override, ...], Meta(max_length=10_000, description="Settings by image.")] = ()

    @property
    def rescan_seconds(self) -> float:
        """Return `rescan-after` in seconds."""
        return duration(self.rescan_after)

    @property
    def policies(self) -> tuple[str, ...]:
        """Return the paths of every policy that it names, sorted."""
        parts: tuple[Settings, ...] = (self.defaults, *self.images, *self.overrides)
        return tuple(sorted({part.policy for part in parts if part.policy is not None}))


class FleetFile(Struct, frozen=True, kw_only=True):
    """A fleet, and the SHA-256 of its file's content in hexadecimal."""

    fleet: Fleet
    sha256: str


def read(path: Path, *, name: str = "", field: str = FIELD) -> FleetFile:
    """Read `fleet.yaml`.

    Args:
        path: of the file.
        name: in errors; the path without it.
        field: the input it came from, for errors.

    Raises:
        InputError: it cannot be read, is not YAML, or has an invalid value; the message names the place.
    """
    name = name or str(path)
    try:
        text = reading.read_text_file(path, MAX_SIZE)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            field,
            f"{name} cannot be read: {reading.describe(error)}.",
            remedy=f"Look at the path; {doc_link('fleet.md')} shows a first one.",
        ) from error
    return FleetFile(fleet=parse(text, name=name, field=field), sha256=hashlib.sha256(text.encode()).hexdigest())


@lru_cache(maxsize=2)
def parse(text: str, *, name: str = DEFAULT_FLEET, field: str = FIELD) -> Fleet:
    """Parse the text of `fleet.yaml`; arguments and error as of `read`."""
    fleet = faults.decode(text, Fleet, schema, name=name, field=field, manual=_MANUAL)
    for place, problem in _problems(fleet):
        raise InputError(field, f"{name}: at {place}: {problem}", remedy=_MANUAL)
    return fleet


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the file."""
    generated = msgspec.json.schema(Fleet)
    generated["$defs"]["Selection"]["oneOf"] = [{"required": [kind]} for kind in KINDS]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fleet.yaml of s3c, version 1",
        **generated,
    }


def _problems(fleet: Fleet) -> Iterator[tuple[str, str]]:
    """Yield place and problem, a sentence, of what the types do not rule out."""
    if duration(fleet.rescan_after) <= 0:
        yield "rescan-after", f"{fleet.rescan_after} is no time at all."
    parts: list[tuple[str, Settings]] = [("defaults", fleet.defaults)]
    parts += [(f"overrides[{number}]", override) for number, override in enumerate(fleet.overrides)]
    for number, selection in enumerate(fleet.images):
        place = f"images[{number}]"
        parts.append((place, selection))
        for problem in _selection_problems(selection):
            yield place, problem
    for place, part in parts:
        if part.policy is not None and not _is_inside(part.policy):
            yield f"{place}.policy", f"{part.policy} leads out of the folder that s3c runs in."
        if part.target is not None and (problem := _target_problem(part.target)):
            yield f"{place}.target", problem
        if part.smoke is not None and (problem := smoke_section.problem(part.smoke)):
            yield f"{place}.smoke", problem


def _selection_problems(selection: Selection) -> Iterator[str]:
    kinds = [kind for kind in KINDS if getattr(selection, kind) is not None]
    if len(kinds) != 1:
        given = f"{' and '.join(kinds)} are given" if kinds else "nothing is selected"
        yield f"{given}, and it takes one of {', '.join(KINDS)}."
        return
    kind = kinds[0]
    if kind not in ("repository", "catalog") and selection.tags is not None:
        yield f"`tags` belongs to a repository or a catalog, and this selects by {kind}."
    if kind == "repository" and selection.tags is None:
        yield "`tags` is missing: say which, as `tags: {strategy: latest}`."
    for path in selection.manifests or ():
        if not _is_inside(path):
            yield f"{path} leads out of the folder that s3c runs in."
    yield from _name_problems(selection, kind)
    if selection.tags is not None:
        yield from _tags_problems(selection.tags)


def _is_inside(path: str) -> bool:
    """Return whether a path begins in the working folder and stays there; links are not followed."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith(("/", "~")) and ".." not in parts


def _name_problems(selection: Selection, kind: str) -> Iterator[str]:
    try:
        if selection.image is not None:
            Reference.parse(selection.image, field=kind)
        elif selection.repository is not None:
            reference = Reference.parse(selection.repository, field=kind)
            if reference.tag or reference.digest:
                yield f"{selection.repository} is more than a repository: name the tag under `tags`, or as `image`."
        elif selection.catalog is not None:
            catalog_prefix(selection.catalog)
    except InputError as error:
        yield error.what
    except ValueError as error:
        yield f"{error}."


def _tags_problems(tags: TagSelection) -> Iterator[str]:
    if (tags.strategy == "list") != bool(tags.list):
        yield "strategy and list belong together: `strategy: list` with the tags under `list`."
    if tags.strategy == "pattern" and not tags.pattern:
        yield "`pattern` is missing beside `strategy: pattern`."
    if tags.strategy == "list" and tags.pattern:
        yield "`pattern` is given beside `strategy: list`."
    if tags.strategy != "pattern" and tags.max_tags:
        yield f"`max-tags` belongs to `strategy: pattern`, and this is {tags.strategy}."
    if tags.pattern:
        try:
            compile_pattern(tags.pattern)
        except ValueError as error:
            yield f"`pattern` is no regular expression of RE2: {error}."


def catalog_prefix(text: str) -> tuple[str, str]:
    """Return registry and beginning of the repositories' names, of `registry.example/team-a/`.

    Raises:
        ValueError: it names no registry; a clause.
    """
    registry, _, prefix = text.partition("/")
    if "." not in registry and ":" not in registry and registry != "localhost":
        raise ValueError(f"{text} begins with no registry's host, as registry.example/team-a/ does")
    try:
        Reference.parse(f"{registry}/{prefix.rstrip('/._-') or 'any'}")
    except InputError as error:
        raise ValueError(f"{text} is no beginning of repositories: {error.what.removesuffix('.')}") from None
    return registry, prefix


def target_of(template: str, image: Reference) -> str:
    """Return the repository that an image's patch is pushed to.

    Args:
        template: a `target` of the file.
        image: the one that is patched.

    Raises:
        InputError: what the template gives is no repository.
    """
    filled = template.replace("{name}", image.short).replace("{repository}", image.repository)
    return Reference.parse(filled, field=FIELD).name


def _target_problem(template: str) -> str:
    bare = template.replace("{name}", "").replace("{repository}", "")
    if "{" in bare or "}" in bare:
        return f"{template} has another field than {{name}} and {{repository}}."
    try:
        filled = template.replace("{name}", "app").replace("{repository}", "team/app")
        reference = Reference.parse(filled, field=FIELD)
    except InputError as error:
        return error.what
    if reference.tag or reference.digest:
        return f"{template} is more than a repository; the tag of patches is an input of `s3c fleet run`."
    return ""
