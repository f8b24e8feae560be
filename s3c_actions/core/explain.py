"""Explains the errors of outside programs and services: a table of known cases beside each, and one function.

A new case is one row in the table of its program, and a recorded output in the tests: every row has to be hit by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from s3c_actions.core.errors import InputError, OutsideError, S3CError
from s3c_actions.core.patterns import late_pattern

EXAMINED = 64 * 1024
"""Characters of an output that patterns are searched in, half of them from its start and half from its end."""

_HASH = late_pattern(r"(?<![0-9A-Za-z])[0-9a-f]{12,}(?![0-9A-Za-z])")
_PLACE = late_pattern(r"\{(\w+)(!r)?\}")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A known error: how it shows, and what to say.

    In `what`, `cause`, `remedy` and `field`, `{name}` stands for a named group of the pattern or for a fact, `{name!r}`
    for its quoted form; other braces stand for themselves.

    Attributes:
        pattern: regular expression, searched in the output; bound its gaps, for outputs are untrusted and long.
        also: a second one, which has to be found too.
        what, cause, remedy: as in `S3CError`.
        field: the input at fault; it makes an InputError.
        kind: makes the error when there is no field.
    """

    pattern: str
    what: str
    cause: str = ""
    remedy: str = ""
    also: str = ""
    field: str = ""
    kind: Callable[..., S3CError] = OutsideError

    def error(self, facts: Mapping[str, object], *, image: str = "", original: str = "") -> S3CError:
        """The error of this case, with the facts filled in."""

        def filled(text: str) -> str:
            return _PLACE.sub(lambda place: _fact(place, facts), text)

        more = {"cause": filled(self.cause), "remedy": filled(self.remedy), "image": image, "original": original}
        if self.field:
            return InputError(filled(self.field), filled(self.what), **more)
        return self.kind(filled(self.what), **more)


def explain(
    text: str,
    cases: Iterable[Case],
    facts: Mapping[str, object] | None = None,
    *,
    image: str = "",
    original: str = "",
    flags: int = 0,
    names: Iterable[str] = (),
) -> S3CError | None:
    """The error of the first case that an output shows; None when it shows none.

    Args:
        text: the output.
        cases: the table.
        facts: what the messages may name; a group of the pattern that matched comes before the fact of its name.
        image: reference that the error is about.
        original: the part of the output to show last.
        flags: of `re`, for all patterns.
        names: of ours that the output may hold, such as an image's: what is in them is no sign of an error.
    """
    text = _examined(text)
    masked = _mask(text, names)
    for case in cases:
        groups = match(text, case, flags, masked=masked)
        if groups is not None:
            return case.error({**(facts or {}), **groups}, image=image, original=original)
    return None


def status(code: int) -> str:
    """A pattern of an HTTP status in a message, such as `401 Unauthorized`, and not in a name, port or version."""
    return rf"(?<![\w.:/@-]){code}(?!\w|[.:/-]\w)"


def match(text: str, case: Case, flags: int = 0, *, masked: str | None = None) -> dict[str, str] | None:
    """The named groups of a case that a text shows; None when it does not show it.

    Args:
        text: the output.
        case: of a table.
        flags: of `re`.
        masked: the text to look in, of the same length; None: without digests.
    """
    masked = _mask(text, ()) if masked is None else masked
    hit = re.search(case.pattern, masked, flags)
    if hit is None or (case.also and re.search(case.also, masked, flags) is None):
        return None
    return {name: text[slice(*hit.span(name))] for name, group in hit.groupdict().items() if group is not None}


def _mask(text: str, names: Iterable[str]) -> str:
    """Hide digests, whose digits look like status codes, and names; the length stays."""
    masked = _HASH.sub(lambda digits: "0" * len(digits[0]), text)
    for name in filter(None, names):
        masked = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "_" * len(name), masked)
    return masked


def _examined(text: str) -> str:
    half = EXAMINED // 2
    return text if len(text) <= EXAMINED else f"{text[:half]}\n{text[-half:]}"


def _fact(place: re.Match[str], facts: Mapping[str, object]) -> str:
    name, quoted = place.groups()
    if name not in facts:
        return place[0]
    return repr(facts[name]) if quoted else str(facts[name])
