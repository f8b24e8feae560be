"""A comparison of two images as `result.json` has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from s3c_actions.report import comparison_document as shape

if TYPE_CHECKING:
    from s3c_actions.layers.comparison import ImageComparison, PlatformComparison

MAX_LISTED = 1000
"""Most entries of a list; a comparison of unlike images has one for each file."""
MAX_TEXT = 1000

_Part = TypeVar("_Part", bound=msgspec.Struct)


def comparison_entry(comparison: ImageComparison) -> shape.ComparisonEntry:
    """Return a comparison with at most MAX_LISTED entries in each list, and the number of the others."""
    unexpected = comparison.unexpected
    return shape.ComparisonEntry(
        before=_plain(comparison.before),
        after=_plain(comparison.after),
        same=comparison.same,
        proved=comparison.proved,
        unexpected=tuple(map(_plain, unexpected[:MAX_LISTED])),
        unexpected_total=len(unexpected),
        removed=tuple(map(_plain, comparison.removed)),
        added=tuple(map(_plain, comparison.added)),
        unread=tuple(map(_plain, comparison.unread)),
        platforms=tuple(map(_platform, comparison.platforms)),
    )


def _platform(platform: PlatformComparison) -> shape.PlatformComparisonEntry:
    lists: dict[str, Any] = {
        "packages": _parts(shape.PackageChangeEntry, platform.packages),
        "configuration": _parts(shape.ConfigurationChangeEntry, platform.configuration),
        "privileges": _parts(shape.PrivilegeChangeEntry, platform.privileges),
        "files": _parts(shape.FileChangeEntry, platform.files),
    }
    values: dict[str, Any] = {
        **lists,
        "platform": _plain(platform.platform),
        "sentence": _plain(platform.sentence),
        "unread": tuple(map(_plain, platform.unread)),
        "omitted": sum(len(getattr(platform, name)) - len(shown) for name, shown in lists.items()),
    }
    copied = (name for name in shape.PlatformComparisonEntry.__struct_fields__ if name not in values)
    return shape.PlatformComparisonEntry(**values, **{name: getattr(platform, name) for name in copied})


def _parts(kind: type[_Part], values: Sequence[msgspec.Struct]) -> tuple[_Part, ...]:
    return tuple(
        kind(**{name: _plain_value(getattr(value, name)) for name in kind.__struct_fields__})
        for value in values[:MAX_LISTED]
    )


def _plain_value(value: object) -> object:
    return _plain(value) if isinstance(value, str) else value


def _plain(text: str) -> str:
    """Return a text of an image as valid Unicode, and not longer than MAX_TEXT characters."""
    shown = text.encode("utf-8", "backslashreplace").decode()
    return shown if len(shown) <= MAX_TEXT else f"{shown[:MAX_TEXT]}…"
