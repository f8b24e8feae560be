"""Trusted identities: the subjects that a trust policy of the Notary Project names, read as notation reads them.

What notation refuses is refused here, before it is written into a policy or onto a cluster. Ratify reads them by the
same library.
https://github.com/notaryproject/specifications/blob/main/specs/trust-store-trust-policy.md#trusted-identities-constraints
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from s3c_actions.core.errors import InputError

PREFIX = "x509.subject:"
ANYONE = "*"
"""The identity that is everyone's whom the trust store vouches for."""
MANDATORY = ("C", "ST", "O")

_ESCAPED = frozenset(' "#+,;<=>\\')
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{2}")


def parse(name: str) -> Mapping[str, str]:
    """The attributes of a distinguished name (RFC 4514) as notation 1.3.2 tells them apart, by type.

    Raises:
        ValueError: notation takes no such name; the message is the reason, a clause without a subject.
    """
    if "=#" in name:
        raise ValueError('holds "=#", which notation reads in no subject')
    found: dict[str, str] = {}
    for relative in _relative_names(name):
        if len(relative) > 1:
            raise ValueError(f"joins {' and '.join(kind for kind, _ in relative)} by a plus sign")
        for given, value in relative:
            kind = "ST" if given == "S" else given
            if found.get(kind):
                raise ValueError(f"names {kind} twice")
            found[kind] = value
    if missing := [one for one in MANDATORY if not found.get(one)]:
        raise ValueError(f"names no {' and no '.join(missing)}")
    return found


def _relative_names(name: str) -> list[list[tuple[str, str]]]:
    """Types and values, as go-ldap's ParseDN takes a name apart."""
    if not name.strip():
        return []
    relatives: list[list[tuple[str, str]]] = [[]]
    kind, start, escaped = "", 0, False
    for position, character in enumerate(name):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "=" and not kind:
            kind, start = _unescaped(name[start:position]), position + 1
        elif character in ",+;":
            if not kind:
                raise ValueError("has a part that is no TYPE=VALUE")
            relatives[-1].append((kind, _unescaped(name[start:position])))
            kind, start = "", position + 1
            if character != "+":
                relatives.append([])
    if not kind:
        raise ValueError("ends with a part that is no TYPE=VALUE")
    relatives[-1].append((kind, _unescaped(name[start:])))
    return relatives


def _unescaped(text: str) -> str:
    """A type or a value without the blanks around it and its escapes; what is no UTF-8 becomes a surrogate."""
    bare = text.strip(" ")
    if bare.endswith("\\") and text.endswith(" "):
        bare += " "
    made, position = bytearray(), 0
    while position < len(bare):
        character = bare[position]
        if character != "\\":
            made += character.encode()
            position += 1
        elif bare[position + 1 : position + 2] in _ESCAPED:
            made += bare[position + 1].encode()
            position += 2
        elif _HEXADECIMAL.fullmatch(pair := bare[position + 1 : position + 3]):
            made.append(int(pair, 16))
            position += 3
        else:
            raise ValueError("has a backslash before what needs none")
    return made.decode("utf-8", "surrogateescape")


def entries(subjects: Sequence[str], field: str = "trusted-identity") -> tuple[str, ...]:
    """Subjects as a trust policy lists them, each after `x509.subject:`; `*` stands alone.

    Args:
        subjects: by RFC 4514, with the prefix or without.
        field: the input they came from, for errors.

    Raises:
        InputError: notation would not take them.
    """
    if ANYONE in subjects:
        if len(subjects) > 1:
            raise InputError(
                field, "`*` is given beside a subject.", remedy="`*` is everyone: give it alone, or leave it out."
            )
        return (ANYONE,)
    listed = tuple(one if one.startswith(PREFIX) else f"{PREFIX} {one}" for one in subjects)
    parsed = []
    for given, entry in zip(subjects, listed, strict=True):
        try:
            parsed.append(parse(entry.removeprefix(PREFIX)))
        except ValueError as error:
            raise InputError(
                field,
                f"{given!r} is no subject that a trust policy can name: it {error}.",
                remedy="Write it as 'C=US, ST=WA, O=example, CN=release': C, ST and O, each attribute once.",
            ) from error
    for number, one in enumerate(parsed):
        for other, another in enumerate(parsed):
            if number != other and _part_of(one, another):
                raise InputError(
                    field,
                    f"{subjects[other]!r} is a signer whom {subjects[number]!r} trusts already.",
                    cause="A subject stands for everyone who has these attributes, whatever else he has.",
                    remedy="Leave one of them out: the wider one, unless all of its signers are to be trusted.",
                )
    return listed


def covers(listed: Sequence[str], identity: str) -> bool:
    """Whether a signer is among those that a policy lists.

    Args:
        listed: as `entries` gives them.
        identity: `x509.subject:` and the signer's whole subject; empty: one that no policy can name.
    """
    if ANYONE in listed:
        return True
    if not identity:
        return False
    whole = parse(identity.removeprefix(PREFIX))
    return any(_part_of(parse(one.removeprefix(PREFIX)), whole) for one in listed)


def _part_of(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return all(other.get(kind, "") == value for kind, value in one.items())
