"""Choose tags of a base image that may have fewer findings: of the same variant, the same version or a newer one.

A tag is a version and a variant (`3.12-slim-bookworm`), or a name with numbers in it (`jammy-20240111`). The variant
has to be the same to the letter, since another one is another image: what depends on it may not be there. Tags come
from whoever may push to the repository: there may be 100,000, and they may say anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from s3c_actions.core.reference import is_tag

_VERSION = re.compile(r"(v?)([0-9]{1,12}(?:\.[0-9]{1,12}){0,3})(?![0-9]|\.[0-9])(.*)", re.DOTALL)
_NUMBER = re.compile(r"([0-9]{1,12})")
_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_PER_CHANGE = 2


class TagChange(StrEnum):
    """What another tag changes."""

    REFRESH = "same tag"
    PATCH = "patch"
    BUILD = "newer build"
    MINOR = "minor version"
    MAJOR = "major version"


_ORDER = tuple(TagChange)


class BaseTag(msgspec.Struct, frozen=True):
    """A tag to compare with the base."""

    tag: str
    change: TagChange


class _Tag(msgspec.Struct, frozen=True):
    """A tag in parts: two are of the same variant when their `variant` is equal.

    Attributes:
        variant: the text without what counts as version.
        version: the numbers of the version; empty without one.
        dates: numbers that are a day, such as of a build.
    """

    tag: str
    variant: tuple[str, ...]
    version: tuple[int, ...]
    dates: tuple[int, ...]


def choose_tags(tag: str, tags: Iterable[str], most: int) -> tuple[BaseTag, ...]:
    """Return the tags to compare a base with, the smallest change first; the same tag is always the first.

    Args:
        tag: of the base.
        tags: of its repository, in any order.
        most: how many are returned at most; at least 1.
    """
    chosen = [BaseTag(tag, TagChange.REFRESH)]
    base = _parse(tag)
    candidates: dict[TagChange, list[_Tag]] = {change: [] for change in _ORDER}
    for text in dict.fromkeys(tags):
        if text == tag or not is_tag(text):
            continue
        candidate = _parse(text)
        if candidate.variant == base.variant and (change := _compare(base, candidate)) is not None:
            candidates[change].append(candidate)
    for change in _ORDER[1:]:
        chosen += [BaseTag(best.tag, change) for best in _best(candidates[change], change)]
    return tuple(chosen[:most])


def _best(candidates: Sequence[_Tag], change: TagChange) -> list[_Tag]:
    """Return the newest, newest first; of several in one minor or major version the newest alone."""
    length = {TagChange.MINOR: 2, TagChange.MAJOR: 1}.get(change, 12)
    newest: dict[tuple[object, ...], _Tag] = {}
    for candidate in sorted(candidates, key=_age):
        newest[(candidate.version[:length], candidate.dates if change is TagChange.BUILD else ())] = candidate
    return sorted(newest.values(), key=_age, reverse=True)[:_PER_CHANGE]


def _age(tag: _Tag) -> tuple[object, ...]:
    return (tag.version, tag.dates, tag.tag)


def _compare(base: _Tag, other: _Tag) -> TagChange | None:
    """Return what another tag of the same variant changes; None when it is no newer, or cannot be compared."""
    known, new = base.version, other.version
    if len(new) == len(known) + 1 and known and new[:-1] == known:
        # `3.12` moves along with its patch levels, so the newest of them may be what it is already.
        return TagChange.PATCH if len(known) > 1 or not base.dates else None
    if len(new) != len(known) or len(base.dates) != len(other.dates):
        return None
    if new == known:
        return TagChange.BUILD if other.dates > base.dates else None
    if new < known:
        return None
    place = next(number for number, (old, newer) in enumerate(zip(known, new, strict=True)) if old != newer)
    return (TagChange.MAJOR, TagChange.MINOR, TagChange.PATCH, TagChange.PATCH)[place]


def _parse(tag: str) -> _Tag:
    versioned = _VERSION.fullmatch(tag)
    prefix, numbers, rest = versioned.group(1, 2, 3) if versioned else ("", "", tag)
    if numbers and _DATE.fullmatch(numbers):
        prefix, numbers, rest = "", "", tag
    texts = _NUMBER.split(rest)
    dates = [text for text in texts[1::2] if _DATE.fullmatch(text)]
    # A date's place stays in the variant, other numbers of it stay as they are: `alpine3.19` is another variant.
    variant = tuple("#" if place % 2 and _DATE.fullmatch(text) else text for place, text in enumerate(texts))
    return _Tag(
        tag=tag,
        variant=(prefix, "version" if numbers else "", *variant),
        version=tuple(int(number) for number in numbers.split(".")) if numbers else (),
        dates=tuple(int(date) for date in dates),
    )
