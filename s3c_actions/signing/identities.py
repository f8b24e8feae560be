"""Parse trusted identities, the subjects that a trust policy of the Notary Project names, as notation does.

What notation rejects is rejected here, before it is written into a policy or onto a cluster. Ratify uses the same
library.
https://github.com/notaryproject/specifications/blob/main/specs/trust-store-trust-policy.md#trusted-identities-constraints
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from s3c_actions.core.errors import InputError

PREFIX = "x509.subject:"
ANYONE = "*"
"""The identity that matches every certificate that the trust store trusts."""
MANDATORY_ATTRIBUTES = ("C", "ST", "O")
_LIMITS = {"C": 2, "ST": 128, "L": 128, "O": 64, "OU": 64, "CN": 64}
"""Upper bounds of RFC 5280, appendix A."""

_ESCAPED = frozenset(' "#+,;<=>\\')
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{2}")


def parse(name: str) -> Mapping[str, str]:
    """Return the attributes of a distinguished name (RFC 4514) by type, as notation 1.3.2 parses them.

    Raises:
        ValueError: notation rejects the name; the message is the reason, a clause without a subject.
    """
    if "=#" in name:
        raise ValueError('holds "=#", which notation reads in no subject')
    attributes: dict[str, str] = {}
    for relative in _relative_names(name):
        if len(relative) > 1:
            raise ValueError(f"joins {' and '.join(kind for kind, _ in relative)} by a plus sign")
        for attribute_type, value in relative:
            kind = "ST" if attribute_type == "S" else attribute_type
            if attributes.get(kind):
                raise ValueError(f"names {kind} twice")
            attributes[kind] = value
    if missing := [kind for kind in MANDATORY_ATTRIBUTES if not attributes.get(kind)]:
        raise ValueError(f"names no {' and no '.join(missing)}")
    return attributes


def parse_subject(value: str) -> str:
    """Check a subject: C, ST and O, which trusted identities name, and L, OU, CN; as `C=US, ST=WA, O=example`.

    Raises:
        ValueError: completes "NAME: 'TEXT' is not …".
    """
    try:
        attributes = parse(value)
    except ValueError as error:
        raise ValueError(f"a subject that verifiers accept: it {error}") from None
    _check_attributes(attributes)
    return value.strip()


def _check_attributes(attributes: Mapping[str, str]) -> None:
    for kind, text in attributes.items():
        if kind not in _LIMITS:
            raise ValueError(f"made of {', '.join(_LIMITS)}")
        if not text.isprintable() or len(text) > _LIMITS[kind]:
            raise ValueError(f"a subject whose {kind} has at most {_LIMITS[kind]} printable characters")
    if not (attributes["C"].isascii() and attributes["C"].isalpha() and len(attributes["C"]) == 2):
        raise ValueError("a subject whose C is a country's code of two letters")


def _relative_names(name: str) -> list[list[tuple[str, str]]]:
    """Split a name into types and values, as go-ldap's ParseDN does."""
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
    """Return a type or a value without surrounding blanks and escapes; bytes that are not UTF-8 become surrogates."""
    bare = text.strip(" ")
    if bare.endswith("\\") and text.endswith(" "):
        bare += " "
    content, position = bytearray(), 0
    while position < len(bare):
        character = bare[position]
        if character != "\\":
            content += character.encode()
            position += 1
        elif bare[position + 1 : position + 2] in _ESCAPED:
            content += bare[position + 1].encode()
            position += 2
        elif _HEXADECIMAL.fullmatch(pair := bare[position + 1 : position + 3]):
            content.append(int(pair, 16))
            position += 3
        else:
            raise ValueError("has a backslash before what needs none")
    return content.decode("utf-8", "surrogateescape")


def identity_entries(subjects: Sequence[str], field: str = "trusted-identity") -> tuple[str, ...]:
    """Return subjects as a trust policy lists them, each after `x509.subject:`; `*` stands alone.

    Args:
        subjects: by RFC 4514, with the prefix or without.
        field: the input they came from, for errors.

    Raises:
        InputError: notation would reject them.
    """
    if ANYONE in subjects:
        if len(subjects) > 1:
            raise InputError(
                field, "`*` is given beside a subject.", remedy="`*` is everyone: give it alone, or leave it out."
            )
        return (ANYONE,)
    listed = tuple(name if name.startswith(PREFIX) else f"{PREFIX} {name}" for name in subjects)
    parsed = []
    for name, entry in zip(subjects, listed, strict=True):
        try:
            parsed.append(parse(entry.removeprefix(PREFIX)))
        except ValueError as error:
            raise InputError(
                field,
                f"{name!r} is no subject that a trust policy can name: it {error}.",
                remedy="Write it as 'C=US, ST=WA, O=example, CN=release': C, ST and O, each attribute once.",
            ) from error
    for wider, attributes in enumerate(parsed):
        for narrower, candidate in enumerate(parsed):
            if wider != narrower and _part_of(attributes, candidate):
                raise InputError(
                    field,
                    f"{subjects[narrower]!r} is a signer whom {subjects[wider]!r} trusts already.",
                    cause="A subject stands for everyone who has these attributes, whatever else he has.",
                    remedy="Leave one of them out: the wider one, unless all of its signers are to be trusted.",
                )
    return listed


def widest(listed: Sequence[str]) -> tuple[str, ...]:
    """Return entries of a trust policy without those that another one covers, which notation refuses side by side."""
    kept: list[str] = []
    for entry in dict.fromkeys(listed):
        if not covers_identity(kept, entry):
            kept = [*(other for other in kept if not covers_identity([entry], other)), entry]
    return tuple(kept)


def covers_identity(listed: Sequence[str], identity: str) -> bool:
    """Return whether a signer is among those that a policy lists.

    Args:
        listed: as returned by `entries`.
        identity: `x509.subject:` and the signer's whole subject; empty: a subject that no policy can name.
    """
    if ANYONE in listed:
        return True
    if not identity or identity == ANYONE:
        return False
    whole = parse(identity.removeprefix(PREFIX))
    return any(_part_of(parse(entry.removeprefix(PREFIX)), whole) for entry in listed)


def _part_of(attributes: Mapping[str, str], whole: Mapping[str, str]) -> bool:
    return all(whole.get(kind, "") == value for kind, value in attributes.items())
