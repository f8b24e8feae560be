"""Compare the base of an image with other tags of its repository, each scanned as images are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions.core.concurrency import for_each
from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.model import count_by_severity
from s3c_actions.registry.base_tags import BaseTag, choose_tags
from s3c_actions.registry.content import blob_sizes, invalid_answer
from s3c_actions.result.base_advice import BaseAdvice, BaseOption

if TYPE_CHECKING:
    from s3c_actions.findings.model import BaseImage, ScanReport
    from s3c_actions.registry import Registry
    from s3c_actions.result.model import ScanResult


_MAX_SIZE = 2**53


class AdviceTools(msgspec.Struct, frozen=True, kw_only=True):
    """The collaborators of a comparison.

    Attributes:
        registry: of the base.
        scan: scans an image of one platform, `registry/repository@digest`, shown by the tag given.
        now: the time of the run.
        jobs: how many images are scanned at once.
        most: how many tags are compared at most.
    """

    registry: Registry
    scan: Callable[[str, str], ScanResult]
    now: datetime
    jobs: int = 1
    most: int = 6


def run(report: ScanReport, tools: AdviceTools) -> BaseAdvice:
    """Scan the base of an image and other tags of the base's repository, and count what each would change.

    Args:
        report: of an image on one platform, with the base that was found.
        tools: as above.

    Raises:
        InputError: the base is not known, or was named without a tag.
        OutsideError: the base itself could not be scanned.
    """
    base = _known_base(report)
    place = _named_place(base)
    notices: list[str] = []
    try:
        tags = tools.registry.tags(place, field="base-image")
    except S3CError as error:
        tags = ()
        notices.append(f"The tags of {place.name} could not be listed, so only the same tag is compared: {error.what}")
    chosen = choose_tags(place.tag, tags, tools.most)
    look = partial(_look_up, place=place, platform=report.platform, tools=tools)
    current = _describe(BaseOption(tag=place.tag, change=""), Reference.parse(base.reference), "", tools)
    options = _mark_same(current, for_each(chosen, look, jobs=tools.jobs))
    scanned = tools.scan(current.reference, place.tag)
    if scanned.blind or scanned.overridden:
        reason = scanned.blind or scanned.overridden
        raise InputError(
            "base-image",
            f"{base.name} could not be checked, so nothing can be compared with it: {reason}",
            remedy="Name another base, or scan what Trivy knows.",
            image=report.image,
        )
    current = _with_counts(current, scanned)
    compared = for_each(options, partial(_compare, current=scanned.shown, tools=tools), jobs=tools.jobs)
    return BaseAdvice(
        repository=place.name,
        platform=report.platform,
        current=current,
        options=_as_earlier(current, compared),
        notices=tuple(notices),
    )


def _known_base(report: ScanReport) -> BaseImage:
    if report.base_image is None or not report.base_image.layers:
        raise InputError(
            "base-image",
            f"the base of {report.image} is not known.",
            cause="Nothing that is allowed as a base has the layers that the image begins with.",
            remedy="Name the base by the tag or digest that the image was built on.",
            image=report.image,
        )
    return report.base_image


def _named_place(base: BaseImage) -> Reference:
    named = Reference.parse(base.name)
    if named.tag:
        return named.tagged(named.tag)
    if named.digest:
        raise InputError(
            "base-image",
            f"the base {base.name} is named by its digest alone, so that it is not known which tag it follows.",
            remedy="Name it as repository:tag.",
        )
    return named.tagged("latest")


def _look_up(tag: BaseTag, *, place: Reference, platform: str, tools: AdviceTools) -> BaseOption:
    """Return the image that a tag means now, or why there is none: a tag may vanish after it was listed."""
    option = BaseOption(tag=tag.tag, change=tag.change.value)
    try:
        return _describe(option, place.tagged(tag.tag), platform, tools)
    except S3CError as error:
        return replace(option, problem=_clause(error))


def _describe(option: BaseOption, reference: Reference, platform: str, tools: AdviceTools) -> BaseOption:
    """Return an option with the facts of its image."""
    config = tools.registry.config(reference, platform=platform, field="base-image")
    pinned = reference.at(config.manifest)
    manifest = tools.registry.manifest(pinned, field="base-image")
    sizes = blob_sizes(manifest.document, partial(invalid_answer, pinned)).values()
    created, days = _age(config.document.get("created"), tools.now)
    return replace(
        option,
        reference=pinned.pinned,
        created=created,
        days=days,
        size=sum(sizes) if min(sizes, default=0) >= 0 and sum(sizes) < _MAX_SIZE else None,
    )


def _age(created: object, now: datetime) -> tuple[str, int | None]:
    """Return the time of a build and the days since then; nothing for what is no time, or one that builders make up."""
    try:
        moment = datetime.fromisoformat(str(created))
        days = (now - moment).days
    except (ValueError, TypeError, OverflowError):
        return "", None
    # Reproducible builds state the epoch, or a day to come.
    return (moment.isoformat(timespec="seconds"), days) if moment.year > 1980 and days >= 0 else ("", None)


def _mark_same(current: BaseOption, options: list[BaseOption]) -> list[BaseOption]:
    """Return options that say which earlier one, or the base in use, is the same image."""
    first = {current.reference: current.tag}
    marked = []
    for option in options:
        same = first.get(option.reference, "") if option.reference else ""
        if option.reference:
            first.setdefault(option.reference, option.tag)
        marked.append(replace(option, same_as=same))
    return marked


def _compare(option: BaseOption, *, current: ScanReport, tools: AdviceTools) -> BaseOption:
    if option.problem or option.same_as:
        return option
    try:
        scanned = tools.scan(option.reference, option.tag)
    except S3CError as error:
        return replace(option, problem=_clause(error))
    if blind := scanned.blind or scanned.overridden:
        return replace(option, problem=blind, os=scanned.report.os, os_end_of_life=scanned.report.os_end_of_life)
    difference = compare_scans(current, scanned.shown)
    return replace(_with_counts(option, scanned), fixed=len(difference.fixed), new=len(difference.new))


def _with_counts(option: BaseOption, scanned: ScanResult) -> BaseOption:
    return replace(
        option,
        counts=count_by_severity(scanned.shown.findings),
        os=scanned.report.os,
        os_end_of_life=scanned.report.os_end_of_life,
    )


_COPIED = ("counts", "fixed", "new", "os", "os_end_of_life", "problem")


def _as_earlier(current: BaseOption, options: list[BaseOption]) -> tuple[BaseOption, ...]:
    """Return options, of which one that is the same image as an earlier one has its numbers."""
    known = {option.reference: option for option in options if not option.same_as}
    known[current.reference] = replace(current, fixed=0, new=0)

    def numbered(option: BaseOption) -> BaseOption:
        earlier = known.get(option.reference) if option.same_as else None
        if earlier is None:
            return option
        return replace(option, **{name: getattr(earlier, name) for name in _COPIED})

    return tuple(map(numbered, options))


def _clause(error: S3CError) -> str:
    return error.what.rstrip(".")
