"""`plan.json`: which images of a fleet have work to do, by digest, and which shard does it.

A plan is a pure function of what was read: the same fleet, registry and evidence give the same bytes. The registry is
the only state; a plan that is lost is made again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet.durations import MAX_SECONDS
from s3c_actions.fleet.smoke_section import SmokeSection

MAX_SHARDS = 256
"""GitHub runs no more jobs of one matrix."""
MAX_IMAGES = 100_000
MAX_BYTES = 64 * 1024 * 1024

Digest = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
Text = Annotated[str, Meta(max_length=1000)]
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS)]


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """What every part of a plan has in common: an unknown key is an error."""


class PlannedImage(_Part, frozen=True, kw_only=True):
    """One digest that has work to do; no two of a plan are equal.

    Attributes:
        image: `registry/repository:tag@digest`, what the worker is given; without a tag where it was given by digest.
        names: every reference of the fleet that has this digest, as selected, sorted.
        platforms: to patch, as `os/architecture[/variant]`; empty for all that it has.
        owner: who is asked about it; empty when nobody is named.
        policy: path of the policy that judges it, as in `fleet.yaml`; empty for the fleet's gate inputs.
        target: repository that its patch is pushed to, as `registry/repository`; empty for its own.
        smoke: whether and how its patch is started beside it; None for the inputs of the run.
        base: digest of what it has in common with others, its lowest layers; empty when not known. Images of one base
            go to one shard and one BuildKit where possible.
        seconds: how long it is expected to take.
        reason: why it has work to do, in a clause.
        shard: which one does it, from 1.
    """

    image: Text
    names: tuple[Text, ...]
    platforms: tuple[Text, ...] = ()
    owner: Text = ""
    policy: Text = ""
    target: Text = ""
    smoke: SmokeSection | None = None
    base: Annotated[str, Meta(max_length=200)] = ""
    seconds: Annotated[float, Meta(ge=0)]
    reason: Text
    shard: Annotated[int, Meta(ge=1, le=MAX_SHARDS)]

    @property
    def reference(self) -> Reference:
        """Return the image, pinned."""
        return Reference.parse(self.image)


class CurrentImage(_Part, frozen=True, kw_only=True):
    """One digest that needs nothing, on the strength of signed evidence beside it.

    Attributes:
        image, names, owner, policy: as of a planned one.
        reason: what proves it, in a clause.
        report: digest of the signed report's manifest.
        created: RFC 3339 time of that report.
        counts: findings of that report by severity, of the severities that it counts.
        patch: `registry/repository@digest` of the patch that the evidence is of; empty for the image's own.
    """

    image: Text
    names: tuple[Text, ...]
    owner: Text = ""
    policy: Text = ""
    reason: Text
    report: Digest
    created: Text
    counts: dict[Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"], Count]
    patch: Text = ""


class UnplannedImage(_Part, frozen=True, kw_only=True):
    """A selection of the fleet that could not be planned: it is reported, and stops no other.

    Attributes:
        image: reference or pattern, as selected.
        owner: as of a planned one.
        what, remedy: of the error.
        exit_code: of the error; 2 for a wrong input, 3 for something outside.
    """

    image: Text
    owner: Text = ""
    what: Text
    remedy: Text = ""
    exit_code: Annotated[int, Meta(ge=1, le=4)]


class Plan(_Part, frozen=True, kw_only=True):
    """What a fleet needs.

    Attributes:
        created: RFC 3339 time at which evidence was judged.
        fleet: SHA-256 of `fleet.yaml`'s content, in hexadecimal.
        shards: how many; some may have nothing to do.
        images: sorted by shard, then in the order of work.
        current: what needs nothing, sorted by image.
        unplanned: sorted by image.
        measured: image's name without digest, and without its tag → seconds that it took when it was last worked on.
            For the next plan: an image that is current today leaves no result from which that could be known.
    """

    version: Literal[1] = 1
    created: Text
    fleet: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    shards: Annotated[int, Meta(ge=1, le=MAX_SHARDS)]
    images: Annotated[tuple[PlannedImage, ...], Meta(max_length=MAX_IMAGES)]
    current: Annotated[tuple[CurrentImage, ...], Meta(max_length=MAX_IMAGES)] = ()
    unplanned: Annotated[tuple[UnplannedImage, ...], Meta(max_length=MAX_IMAGES)] = ()
    measured: Annotated[dict[Text, Seconds], Meta(max_length=2 * MAX_IMAGES)] = {}

    def shard(self, number: int) -> tuple[PlannedImage, ...]:
        """Return the images of a shard, in the order of work."""
        return tuple(image for image in self.images if image.shard == number)


def render(plan: Plan) -> bytes:
    """Return the document, in UTF-8, one image a line so that two plans can be compared."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=1) + b"\n"


def read(path: Path, *, field: str = "plan") -> Plan:
    """Read a plan.

    Args:
        path: of the file.
        field: the input it came from, for errors.

    Raises:
        InputError: it cannot be read, or is no plan; the message names the place.
    """
    with reading.reject_unreadable(path, field):
        content = reading.read_json_file(path, MAX_BYTES)
    return parse(content, name=str(path), field=field)


def parse(content: bytes, *, name: str, field: str = "plan") -> Plan:
    """Parse the content of a plan; arguments and error as of `read`.

    Raises:
        InputError: it is no plan: a value is missing or wrong, an image has no digest or is there twice.
    """
    remedy = "Make it with `s3c fleet plan`."
    try:
        plan = msgspec.json.decode(content, type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(field, f"{name} is no plan of this version: {error}.", remedy=remedy) from None
    digests: set[str] = set()
    for image in plan.images:
        try:
            reference = image.reference
        except InputError as error:
            raise InputError(field, f"{name}: {error.what}", remedy=remedy) from None
        if not reference.digest:
            raise InputError(field, f"{name}: {image.image} has no digest.", remedy=remedy)
        if image.shard > plan.shards:
            raise InputError(field, f"{name}: {image.image} is in shard {image.shard} of {plan.shards}.", remedy=remedy)
        if reference.pinned in digests:
            raise InputError(field, f"{name}: {reference.pinned} is there more than once.", remedy=remedy)
        digests.add(reference.pinned)
    return plan
