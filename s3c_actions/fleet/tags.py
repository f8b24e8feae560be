"""Select tags of a repository, in Copa's terms: the list, those that match a pattern, the highest version.

Tags come from whoever may push: patterns are matched in linear time (RE2), and what is no version has a place below
every version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from s3c_actions.core.reference import is_tag
from s3c_actions.fleet.patterns import compile_pattern

if TYPE_CHECKING:
    from s3c_actions.fleet.model import TagSelection

# As Masterminds/semver reads a version, which Copa uses: a leading v, and one to three numbers.
_VERSION = re.compile(r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?")
# Lists of referrers, and the temporary tags of patches.
_INTERNAL = re.compile(r"sha(?:256|384|512)-[0-9a-f]{64,128}(?:\.[a-z]+)?|s3c-[0-9a-f]{32}[a-z0-9-]*")

VersionKey = tuple[tuple[int, int, int], int, tuple[tuple[int, int, str], ...]]


def is_internal(tag: str) -> bool:
    """Return whether a tag is a list of referrers, or the temporary one of a patch."""
    return _INTERNAL.fullmatch(tag) is not None


def select(tags: Iterable[str], selection: TagSelection) -> tuple[str, ...]:
    """Return the tags that a selection takes, the lowest version first; those of a list as listed.

    Args:
        tags: of the repository, in any order; not used for a list.
        selection: of `fleet.yaml`, checked.
    """
    excluded = selection.exclude
    if selection.strategy == "list":
        return tuple(tag for tag in dict.fromkeys(selection.list) if not _matches(tag, excluded))
    candidates = {tag for tag in tags if is_tag(tag) and not is_internal(tag) and not _matches(tag, excluded)}
    if selection.pattern:
        matches = compile_pattern(selection.pattern)
        candidates = {tag for tag in candidates if matches(tag)}
    if selection.strategy == "latest":
        versions = [tag for tag in candidates if (parsed := _parse(tag)) and (selection.pattern or not parsed[3])]
        return (max(versions, key=sort_key),) if versions else ()
    ordered = sorted(candidates, key=sort_key)
    return tuple(ordered[-selection.max_tags :] if selection.max_tags else ordered)


def sort_key(tag: str) -> tuple[int, VersionKey, int, str]:
    """Return what tags are sorted by: what is no version first, then versions by their precedence.

    https://semver.org/spec/v2.0.0.html#spec-item-11. Of tags that mean the same version (`1`, `1.0.0`) the one with
    most numbers is the highest, since it is the least likely to move.
    """
    parsed = _parse(tag)
    if parsed is None:
        return (0, ((0, 0, 0), 0, ()), 0, tag)
    major, minor, patch, prerelease, numbers = parsed
    # A version without a suffix is higher than any with one.
    return (1, ((major, minor, patch), 0 if prerelease else 1, _suffix_key(prerelease)), numbers, tag)


def most_specific(tags: Iterable[str]) -> str:
    """Return the tag that says most about an image: the version with most numbers, else the first by name."""
    return max(sorted(tags), key=lambda tag: parsed[4] if (parsed := _parse(tag)) else 0, default="")


def _suffix_key(prerelease: str) -> tuple[tuple[int, int, str], ...]:
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in prerelease.split(".") if prerelease
    )


def _parse(tag: str) -> tuple[int, int, int, str, int] | None:
    """Return major, minor, patch, suffix and how many numbers were given; None for what is no version."""
    match = _VERSION.fullmatch(tag)
    if match is None:
        return None
    numbers = [number for number in match.group(1, 2, 3) if number is not None]
    major, minor, patch = (int(number or 0) for number in match.group(1, 2, 3))
    return major, minor, patch, match[4] or "", len(numbers)


def _matches(tag: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(tag, pattern) for pattern in patterns)
