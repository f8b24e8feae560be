"""Parsers of inputs: text → value. Each raises ValueError with the clause that completes "… is not"."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from typing import TypeVar

from s3c_actions.core import pasted_content

T = TypeVar("T")


def text(value: str) -> str:
    """Return any text unchanged."""
    return value


def boolean(value: str) -> bool:
    """Parse YAML 1.2's true and false, and common words for them."""
    words = {
        "true": True,
        "false": False,
        "yes": True,
        "no": False,
        "1": True,
        "0": False,
        "on": True,
        "off": False,
    }
    if value.strip().lower() not in words:
        raise ValueError("true or false")
    return words[value.strip().lower()]


def integer(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(value: str) -> int:
        clause = f"a whole number from {low} to {high}"
        try:
            number = int(value.strip())
        except ValueError:
            raise ValueError(clause) from None
        if not low <= number <= high:
            raise ValueError(clause)
        return number

    return parse


def items(value: str) -> tuple[str, ...]:
    """Split values at commas and line ends, and strip blanks."""
    return tuple(part.strip() for line in value.splitlines() for part in line.split(",") if part.strip())


def places(value: str) -> tuple[str, ...]:
    """Split values as `items` does, where each has to be there: what is made of outputs may lack one of them.

    Of several lines each may end with a comma.
    """
    rows = [row.strip() for row in value.splitlines() if row.strip()]
    if len(rows) > 1:
        rows = [row.removesuffix(",") for row in rows]
    parts = tuple(part.strip() for row in rows for part in row.split(","))
    if not all(parts) or not parts:
        raise ValueError("one of them, or several by commas or lines: one is empty")
    return parts


def some(parse: Callable[[str], tuple[T, ...]], what: str) -> Callable[[str], tuple[T, ...]]:
    """Return a parser as `parse`, for which a text that holds nothing is an error: it was meant to hold something.

    Args:
        parse: of several values.
        what: they are, as the clause of the error.
    """

    def parse_some(value: str) -> tuple[T, ...]:
        parsed = parse(value)
        if not parsed:
            raise ValueError(f"{what}: it is empty")
        return parsed

    return parse_some


def lines(value: str) -> tuple[str, ...]:
    """Split values at line ends, for values that may contain commas."""
    return tuple(line.strip() for line in value.splitlines() if line.strip())


def patterns(value: str) -> tuple[str, ...]:
    """Split paths or glob patterns at line ends and commas, as Trivy's own flags do.

    A pattern that contains a comma stands in double quotes (RFC 4180); commas within braces do not split.
    """
    parts: list[str] = []
    for line in lines(value):
        pending = ""
        for part in next(csv.reader([line], skipinitialspace=True)):
            pending = f"{pending},{part}" if pending else part
            if pending.count("{") == pending.count("}"):
                parts.append(pending.strip())
                pending = ""
        parts.append(pending.strip())
    return tuple(part for part in parts if part)


def or_none(parse: Callable[[str], T], absent: T) -> Callable[[str], T]:
    """Return a parser as `parse`, which gives `absent` for the word `none`."""

    def parse_or_none(value: str) -> T:
        return absent if value.strip().lower() == "none" else parse(value)

    return parse_or_none


_SEVERAL = "one of the words allowed, but several of them"


def choice(*words: str) -> Callable[[str], str]:
    """Return a parser of one of the words, in any case."""

    def parse(value: str) -> str:
        lowered = {word.lower(): word for word in words}
        if value.strip().lower() not in lowered:
            several = re.split(r"[\s,|;]+", value.strip().lower())
            if len(several) > 1 and lowered.keys() >= {*several}:
                raise ValueError(_SEVERAL)
            raise ValueError("one of the words allowed")
        return lowered[value.strip().lower()]

    return parse


def choices(*words: str) -> Callable[[str], tuple[str, ...]]:
    """Return a parser of several of the words, in any case, each once, in the order given."""
    parse_word = choice(*words)

    def parse(value: str) -> tuple[str, ...]:
        chosen: list[str] = []
        for item in items(value):
            try:
                word = parse_word(item)
            except ValueError as error:
                if str(error) == _SEVERAL:
                    raise ValueError("made of the words allowed with commas between them") from None
                clause = "made of the words allowed"
                raise ValueError(
                    clause if item == value.strip() else f"{clause}: {pasted_content.quote_value(item)} is none of them"
                ) from None
            if word not in chosen:
                chosen.append(word)
        if not chosen:
            raise ValueError("made of the words allowed: it is empty")
        return tuple(chosen)

    return parse


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 36500
"""Days; a longer duration is a typing error, and overflows dates."""


def duration(value: str) -> float:
    """Parse a duration such as `90s`, `5m`, `1h30m`, `7d`; a bare number is seconds. Return seconds."""
    lowered, total = value.strip().lower(), 0.0
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", lowered):
        lowered += "s"
    if not re.fullmatch(r"(([0-9]+(\.[0-9]*)?|\.[0-9]+)[smhd])+", lowered):
        raise ValueError("a duration such as 90s, 5m or 1h30m")
    for number, unit in re.findall(r"([0-9.]+)([smhd])", lowered):
        total += float(number) * _UNITS[unit]
    if total > _LONGEST * _UNITS["d"]:
        raise ValueError(f"a duration of at most {_LONGEST}d")
    return total


def some_time(value: str) -> float:
    """Parse a duration that is not 0. Return seconds."""
    seconds = duration(value)
    if not seconds:
        raise ValueError("a duration longer than 0, such as 90s, 5m or 1h30m")
    return seconds
