"""JSON as Go reads it: `null` is the zero value, which for the fields of a report means that they are absent."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

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
