"""JSON as Go reads it: `null` is the zero value, which for the fields of a report means that they are absent.

Go takes a member whatever the case of its name, and the last of several; other readers do neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from s3c_actions.core import reading

T = TypeVar("T")


def decode(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a document that a Go program may have written, or that came through another that writes `null`.

    Trivy's `convert` and its server take these files (encoding/json: "unmarshaling a JSON null has no effect").

    Args:
        data: JSON, UTF-8.
        decoder: of the structs.

    Raises:
        msgspec.ValidationError: it has another shape; a field that is null where one is required counts as absent.
        msgspec.DecodeError: it is no JSON.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        # Looked at twice only when needed: reports have tens of megabytes.
        if "got `null`" not in str(error):
            raise
    return decoder.decode(msgspec.json.encode(_without_nulls(msgspec.json.decode(data))))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    return [_without_nulls(member) for member in value] if isinstance(value, list) else value


class _Members(list[tuple[str, Any]]):
    """An object with all its members, in their order."""


def ambiguous_member(data: bytes, levels: Sequence[frozenset[str]]) -> str:
    """Return the name of a member that readers of JSON take for different things; empty without any.

    Args:
        data: JSON, UTF-8.
        levels: the names that count in the document, in the objects that these members hold, and so on downwards.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    objects = _objects(reading.parse_json(data, object_pairs_hook=_Members))
    for names in levels:
        folded = {name.casefold(): name for name in names}
        below: list[_Members] = []
        for members in objects:
            seen: set[str] = set()
            for name, value in members:
                key = name.casefold()
                if key not in folded:
                    continue
                if name != folded[key] or key in seen:
                    return name
                seen.add(key)
                below += _objects(value)
        objects = below
    return ""


def _objects(value: Any) -> list[_Members]:
    if isinstance(value, _Members):
        return [value]
    return [item for item in value if isinstance(item, _Members)] if isinstance(value, list) else []
