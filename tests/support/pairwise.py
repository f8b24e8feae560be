"""Combinations of parameters in which every pair of values of two parameters occurs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product


def pairs(row: Mapping[str, str]) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    """The pairs of a row, each of two parameters with their values."""
    return set(combinations(sorted(row.items()), 2))


def cover(parameters: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Rows of one value for each parameter that hold every pair; chosen greedily, always the same ones.

    Args:
        parameters: name → its values.
    """
    rows = [dict(zip(parameters, values, strict=True)) for values in product(*parameters.values())]
    left = set().union(*map(pairs, rows))
    chosen = []
    while left:
        best = max(rows, key=lambda row: len(pairs(row) & left))
        left -= pairs(best)
        chosen.append(best)
    return chosen
