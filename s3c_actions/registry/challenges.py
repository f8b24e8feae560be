"""Parse the authentication challenges of a 401 answer (RFC 9110, section 11.6.1).

`WWW-Authenticate` may occur several times, and each may hold several challenges. The text is untrusted: it is scanned
once, from left to right, and no further than MOST_CHARACTERS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from s3c_actions.core.patterns import late_pattern

MAX_CHARACTERS = 4096
"""Limit of the text of all challenges of an answer."""

_TOKEN = late_pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]++")
_VALUE = late_pattern(r"""[ \t]*+=[ \t]*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<bare>[^\s,"]*+))""")
_BETWEEN = late_pattern(r"[\s,]++")
_TOKEN68 = late_pattern(r"[ \t]++[A-Za-z0-9._~+/-]++=*+(?=[ \t]*+(?:,|$))")


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """One way to authenticate: the scheme and the names of its parameters in lower case."""

    scheme: str
    parameters: Mapping[str, str] = msgspec.field(default_factory=dict)


def parse(lines: Iterable[str]) -> list[Challenge]:
    """Return the challenges of an answer, in their order; malformed ones are skipped.

    Args:
        lines: the values of its `WWW-Authenticate` headers.
    """
    text = ", ".join(lines)[:MAX_CHARACTERS]
    schemes: list[tuple[str, dict[str, str]]] = []
    position = 0
    while position < len(text):
        name = _TOKEN.match(text, position)
        if name is None:
            separator = _BETWEEN.match(text, position)
            position = separator.end() if separator else position + 1
        elif value := _VALUE.match(text, name.end()):
            position = value.end()
            if schemes:
                quoted = value["quoted"]
                unquoted = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else value["bare"]
                schemes[-1][1].setdefault(name[0].lower(), unquoted)
        else:
            schemes.append((name[0].lower(), {}))
            token = _TOKEN68.match(text, name.end())
            position = token.end() if token else name.end()
    return [Challenge(scheme=scheme, parameters=parameters) for scheme, parameters in schemes]


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """Return the challenge to answer: a token where there is a service for it, else name and password, or None."""
    listed = list(challenges)
    wanted = (
        *(challenge for challenge in listed if challenge.scheme == "bearer" and _names_service(challenge)),
        *(challenge for challenge in listed if challenge.scheme == "basic"),
        *(challenge for challenge in listed if challenge.scheme == "bearer"),  # nobody gives tokens: its error says so
    )
    return next(iter(wanted), None)


def _names_service(challenge: Challenge) -> bool:
    return challenge.parameters.get("realm", "").lower().startswith(("https://", "http://"))
