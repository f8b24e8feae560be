"""The ways in which a server that answered 401 lets one log in (RFC 9110, section 11.6.1).

`WWW-Authenticate` may come several times, and each may hold several challenges. They are somebody else's text: read
once, from left to right, and no further than MOST_CHARACTERS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

MOST_CHARACTERS = 4096
"""Of all challenges of an answer."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]++")
_VALUE = re.compile(r"""[ \t]*+=[ \t]*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<bare>[^\s,"]*+))""")
_BETWEEN = re.compile(r"[\s,]++")
_TOKEN68 = re.compile(r"[ \t]++[A-Za-z0-9._~+/-]++=*+(?=[ \t]*+(?:,|$))")


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """One way to log in: the scheme and the names of its parameters in small letters."""

    scheme: str
    parameters: Mapping[str, str] = msgspec.field(default_factory=dict)


def parse(lines: Iterable[str]) -> list[Challenge]:
    """The challenges of an answer, in their order; what is none is skipped.

    Args:
        lines: the values of its `WWW-Authenticate` headers.
    """
    text = ", ".join(lines)[:MOST_CHARACTERS]
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while at < len(text):
        name = _TOKEN.match(text, at)
        if name is None:
            between = _BETWEEN.match(text, at)
            at = between.end() if between else at + 1
        elif value := _VALUE.match(text, name.end()):
            at = value.end()
            if found:
                quoted = value["quoted"]
                said = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else value["bare"]
                found[-1][1].setdefault(name[0].lower(), said)
        else:
            found.append((name[0].lower(), {}))
            token = _TOKEN68.match(text, name.end())
            at = token.end() if token else name.end()
    return [Challenge(scheme=scheme, parameters=parameters) for scheme, parameters in found]


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """The one that is answered: a token where there is a service for it, else name and password; None: neither."""
    listed = list(challenges)
    bearer = next((one for one in listed if one.scheme == "bearer" and one.parameters.get("realm")), None)
    return bearer or next((one for one in listed if one.scheme in {"basic", "bearer"}), None)
