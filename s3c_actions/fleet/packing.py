"""Pack images into shards: largest first, those of one base together where that keeps the shards even.

The result depends on the images alone, not on their order.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence

from msgspec import Struct

from s3c_actions.fleet.plan import MAX_SHARDS
from s3c_actions.fleet.sources import ImageFacts

SHARD_SECONDS = 20 * 60.0
"""How long a shard is to take, where the number of shards is chosen here: well above what it costs to start one."""
TOLERANCE = 1.1
"""So much longer than the most even packing may the longest shard take, so that bases stay together."""

# What one image takes where no earlier run measured it: a scan, a patch of one platform, and a rescan. Estimates.
_FIRST_PLATFORM = 60.0
_NEXT_PLATFORM = 25.0
_BYTES_A_SECOND = 20e6


class Load(Struct, frozen=True, kw_only=True, order=True):
    """One image to pack; `name` is unique, `base` empty when it is not known."""

    name: str
    base: str
    seconds: float


def estimate_seconds(facts: ImageFacts, platforms: int) -> float:
    """Return how long an image is expected to take, where no earlier run measured it.

    Args:
        facts: of the image.
        platforms: how many of its platforms are patched; 0 for all.
    """
    count = min(platforms, facts.platforms) if platforms else facts.platforms
    transfer = count * facts.size / _BYTES_A_SECOND
    return round(_FIRST_PLATFORM + _NEXT_PLATFORM * (count - 1) + transfer, 1)


def choose_shards(loads: Sequence[Load]) -> int:
    """Return how many shards suit these images: each of some minutes of work, and none without work."""
    total = math.fsum(load.seconds for load in loads)
    return max(1, min(MAX_SHARDS, len(loads), math.ceil(total / SHARD_SECONDS)))


def pack(loads: Iterable[Load], shards: int) -> dict[str, int]:
    """Return name → shard, from 1, of every image.

    Args:
        loads: the images.
        shards: how many shards there are, at least 1.
    """
    ordered = sorted(loads, key=lambda load: (-load.seconds, load.base, load.name))
    if not ordered:
        return {}
    even = _assign([[load] for load in ordered], shards)
    limit = TOLERANCE * _longest(even, shards)
    portion = math.fsum(load.seconds for load in ordered) / shards
    while portion > ordered[-1].seconds:
        grouped = _assign(_groups(ordered, portion), shards)
        if _longest(grouped, shards) <= limit:
            return _numbers(grouped)
        portion /= 2
    return _numbers(even)


def _groups(ordered: Sequence[Load], portion: float) -> list[list[Load]]:
    """Return the images of each base in portions that take at most so many seconds each, or are one image."""
    bases: dict[str, list[Load]] = {}
    for load in ordered:
        bases.setdefault(load.base or f"\0{load.name}", []).append(load)
    groups: list[list[Load]] = []
    for members in bases.values():
        group: list[Load] = []
        seconds = 0.0
        for load in members:
            if group and seconds + load.seconds > portion:
                groups.append(group)
                group, seconds = [], 0.0
            group.append(load)
            seconds += load.seconds
        groups.append(group)
    return groups


def _assign(groups: Iterable[list[Load]], shards: int) -> list[tuple[int, Load]]:
    """Give each group, the largest first, to the shard that has the least so far."""
    weighed = sorted(
        ((math.fsum(load.seconds for load in group), group[0].name, group) for group in groups),
        key=lambda entry: (-entry[0], entry[1]),
    )
    heap = [(0.0, number) for number in range(1, shards + 1)]
    assigned: list[tuple[int, Load]] = []
    for seconds, _, group in weighed:
        load, number = heapq.heappop(heap)
        heapq.heappush(heap, (load + seconds, number))
        assigned += [(number, member) for member in group]
    return assigned


def _longest(assigned: Iterable[tuple[int, Load]], shards: int) -> float:
    totals = [0.0] * (shards + 1)
    for number, load in assigned:
        totals[number] += load.seconds
    return max(totals)


def _numbers(assigned: Iterable[tuple[int, Load]]) -> dict[str, int]:
    return {load.name: number for number, load in assigned}
