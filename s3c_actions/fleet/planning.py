"""Make the plan of a fleet: which digests its references mean now, which of them need nothing, who does the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.moments import format_moment
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import packing, smoke_section, tags
from s3c_actions.fleet.currency import Current
from s3c_actions.fleet.model import FIELD
from s3c_actions.fleet.parallel import Shared, run_bounded
from s3c_actions.fleet.plan import CurrentImage, Plan, PlannedImage, UnplannedImage
from s3c_actions.fleet.selecting import SelectedImage, unplanned_image
from s3c_actions.fleet.sources import ImageFacts, Source

NO_POLICY = "no policy names whose evidence counts"
NOT_LOOKED = "it was not looked at whether it is current"


class DigestGroup(Struct, frozen=True, kw_only=True):
    """One digest of a repository, and the references that mean it.

    Attributes:
        image: `registry/repository:tag@digest`; the tag says most of those that mean it.
        names: as selected, sorted.
        selected: one of them, with the settings that all of them share.
    """

    image: str
    names: tuple[str, ...]
    selected: SelectedImage

    @property
    def reference(self) -> Reference:
        """Return the image, pinned."""
        return Reference.parse(self.image)


class Resolved(Struct, frozen=True, kw_only=True):
    """The digests of a fleet, sorted, and the references that could not be resolved."""

    groups: tuple[DigestGroup, ...]
    unplanned: tuple[UnplannedImage, ...]


def resolve(selected: Sequence[SelectedImage], source: Source) -> Resolved:
    """Look up what every reference means; what failed outside is tried once more in the end.

    Args:
        selected: the references.
        source: knows their digests.
    """
    names = sorted({image.name for image in selected})
    references = [Reference.parse(name, field=FIELD) for name in names]
    outcome = Shared.of(run_bounded(references, _registry, source.digest))
    digests = {names[place]: digest for place, digest in outcome.results.items()}
    errors = {names[place]: error for place, error in outcome.errors.items()}
    again = [Reference.parse(name) for name, error in errors.items() if isinstance(error, OutsideError)]
    if again and digests:  # where nothing was answered, nothing will be
        second = run_bounded(again, _registry, source.digest, per_registry=2)
        for reference, answer in zip(again, second, strict=True):
            name = str(reference)
            if isinstance(answer, S3CError):
                errors[name] = answer
            else:
                digests[name] = answer
                del errors[name]
    owners = {image.name: image.owner for image in selected}
    unplanned = [unplanned_image(name, error, owners[name]) for name, error in errors.items()]
    groups: dict[str, list[SelectedImage]] = {}
    for image in selected:
        if image.name in digests:
            groups.setdefault(image.reference.at(digests[image.name]).pinned, []).append(image)
    joined: list[DigestGroup] = []
    for pinned, members in sorted(groups.items()):
        group = _join(Reference.parse(pinned), members)
        if isinstance(group, UnplannedImage):
            unplanned.append(group)
        else:
            joined.append(group)
    clear, collisions = _without_collisions(joined)
    return Resolved(groups=clear, unplanned=(*unplanned, *collisions))


def _registry(reference: Reference) -> str:
    return reference.registry


def _join(pinned: Reference, members: Sequence[SelectedImage]) -> DigestGroup | UnplannedImage:
    """Return the one entry of a digest; settings that decide something have to be the same for all its names."""
    names = tuple(sorted({member.name for member in members}))
    owner = min((member.owner for member in members if member.owner), default="")
    for key in ("policy", "target", "platforms", "smoke"):
        values = sorted({str(getattr(member, key)) for member in members})
        if len(values) > 1:
            error = InputError(
                FIELD,
                f"{names[0]} and others are the same digest, and have several values of `{key}`: "
                f"{' and '.join(value or 'none' for value in values[:3])}.",
                remedy="Give all of them the same, by `overrides` of the repository.",
                image=pinned.pinned,
            )
            return unplanned_image(names[0], error, owner)
    given = [Reference.parse(name) for name in names]
    tag = tags.most_specific(reference.tag for reference in given if reference.tag)
    image = f"{pinned.name}:{tag}@{pinned.digest}" if tag else pinned.pinned
    first = min(members)
    shared = SelectedImage(
        name=names[0],
        platforms=first.platforms,
        owner=owner,
        policy=first.policy,
        target=first.target,
        smoke=first.smoke,
    )
    return DigestGroup(image=image, names=names, selected=shared)


def _without_collisions(
    groups: Sequence[DigestGroup],
) -> tuple[tuple[DigestGroup, ...], list[UnplannedImage]]:
    """Leave out images whose patches would be pushed to the tag of another repository's patches."""
    taken: dict[tuple[str, str], str] = {}
    clear: list[DigestGroup] = []
    collisions: list[UnplannedImage] = []
    for group in groups:
        reference = group.reference
        place = (group.selected.target or reference.name, reference.tag or reference.digest)
        other = taken.setdefault(place, reference.name)
        if other == reference.name:
            clear.append(group)
            continue
        error = InputError(
            FIELD,
            f"patches of {reference.name} and of {other} would be pushed to the same tag of {place[0]}.",
            remedy="Give each a `target` of its own, such as one with `{repository}`.",
            image=group.image,
        )
        collisions.append(unplanned_image(group.names[0], error, group.selected.owner))
    return tuple(clear), collisions


class Work(Struct, frozen=True, kw_only=True):
    """A digest with work to do, and why, in a clause."""

    group: DigestGroup
    reason: str


class Assessed(Struct, frozen=True, kw_only=True):
    """The digests of a fleet, by whether they have work to do."""

    work: tuple[Work, ...]
    current: tuple[CurrentImage, ...]


def assess(
    groups: Sequence[DigestGroup], judge: Callable[[DigestGroup], Current | str], *, per_registry: int
) -> Assessed:
    """Find which digests need nothing; where that cannot be found out, there is work.

    Args:
        groups: the digests.
        judge: returns what makes one current, or why it has work to do; S3CError where that is not known.
        per_registry: how many are judged at a time.
    """
    verdicts = run_bounded(groups, lambda group: group.reference.registry, judge, per_registry=per_registry)
    work: list[Work] = []
    current: list[CurrentImage] = []
    for group, verdict in zip(groups, verdicts, strict=True):
        if isinstance(verdict, Current):
            current.append(_current(group, verdict))
        elif isinstance(verdict, S3CError):
            work.append(Work(group=group, reason=f"its evidence could not be judged: {verdict.what}"[:1000]))
        else:
            work.append(Work(group=group, reason=verdict[:1000]))
    return Assessed(work=tuple(work), current=tuple(current))


def _current(group: DigestGroup, verdict: Current) -> CurrentImage:
    return CurrentImage(
        image=group.image,
        names=group.names,
        owner=group.selected.owner,
        policy=group.selected.policy,
        reason=verdict.reason[:1000],
        report=verdict.report,
        created=verdict.created,
        counts=verdict.counts,
        patch=verdict.patch,
    )


class WorkFacts(Struct, frozen=True, kw_only=True):
    """What is known of digests with work to do, by pinned reference, and those that are there no more."""

    facts: Mapping[str, ImageFacts]
    unplanned: tuple[UnplannedImage, ...]


def look_up_facts(work: Sequence[Work], source: Source) -> WorkFacts:
    """Look up layers and platforms; where that fails outside, nothing is known and the worker finds out."""
    references = [entry.group.reference for entry in work]
    facts: dict[str, ImageFacts] = {}
    unplanned: list[UnplannedImage] = []
    answers = run_bounded(references, _registry, lambda reference: source.facts(reference.at(reference.digest)))
    for entry, reference, answer in zip(work, references, answers, strict=True):
        if isinstance(answer, InputError):
            unplanned.append(unplanned_image(entry.group.names[0], answer, entry.group.selected.owner))
        elif isinstance(answer, S3CError):
            facts[reference.pinned] = ImageFacts()
        else:
            facts[reference.pinned] = answer
    return WorkFacts(facts=facts, unplanned=tuple(unplanned))


def make_plan(
    assessed: Assessed,
    known: WorkFacts,
    unplanned: Sequence[UnplannedImage],
    *,
    measured: Mapping[str, float],
    shards: int,
    fleet: str,
    now: datetime,
) -> Plan:
    """Return the plan; the same arguments, in whatever order, give the same plan.

    Args:
        assessed: the digests.
        known: of those with work to do.
        unplanned: what could not be planned so far.
        measured: image's name without tag and digest, or with its tag → seconds that it took last. The plan keeps
            those of its own images.
        shards: how many; 0 chooses.
        fleet: SHA-256 of the file.
        now: the time at which evidence was judged.
    """
    loads: dict[str, packing.Load] = {}
    groups: dict[str, Work] = {}
    for entry in assessed.work:
        reference = entry.group.reference
        facts = known.facts.get(reference.pinned)
        if facts is None:
            continue
        seconds = measured.get(str(reference.tagged(reference.tag)), measured.get(reference.name))
        if seconds is None:
            seconds = packing.estimate_seconds(facts, len(entry.group.selected.platforms))
        groups[entry.group.image] = entry
        loads[entry.group.image] = packing.Load(name=entry.group.image, base=facts.base, seconds=round(seconds, 1))
    count = shards or packing.choose_shards(list(loads.values()))
    places = packing.pack(loads.values(), count)
    images = [
        PlannedImage(
            image=name,
            names=entry.group.names,
            platforms=entry.group.selected.platforms,
            owner=entry.group.selected.owner,
            policy=entry.group.selected.policy,
            target=entry.group.selected.target,
            smoke=smoke_section.parse(entry.group.selected.smoke),
            base=loads[name].base,
            seconds=loads[name].seconds,
            reason=entry.reason,
            shard=places[name],
        )
        for name, entry in groups.items()
    ]
    left_out = {*unplanned, *known.unplanned}
    references = [entry.group.reference for entry in assessed.work]
    references += [Reference.parse(entry.image) for entry in assessed.current]
    kept = {name for reference in references for name in (reference.name, str(reference.tagged(reference.tag)))}
    return Plan(
        created=format_moment(now),
        fleet=fleet,
        shards=count,
        images=tuple(sorted(images, key=lambda image: (image.shard, -image.seconds, image.base, image.image))),
        current=tuple(sorted(assessed.current, key=lambda image: image.image)),
        unplanned=tuple(sorted(left_out, key=lambda image: (image.image, image.what))),
        measured={name: round(measured[name], 1) for name in sorted(kept & measured.keys())},
    )
