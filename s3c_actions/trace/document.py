"""Render a trace for programs: `trace.json`; schemas/trace-1.json is generated from the trace's types (`make docs`).

Within a version, keys are only added. Text in it is untrusted data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from s3c_actions import REPOSITORY, __version__
from s3c_actions.findings.model import Severity
from s3c_actions.trace.model import Trace

VERSION = 1
SCHEMA = "trace-1.json"


def render(story: Trace) -> str:
    """Return the document's text, in ASCII: controls and bidirectional marks of untrusted text are escaped."""
    return json.dumps(trace_document(story), indent=2) + "\n"


def trace_document(story: Trace) -> dict[str, Any]:
    """Return the document as JSON values."""
    return {"version": VERSION, "s3c": __version__, "reference": story.reference, **_json_value(story)}


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the document. It has every key of a story, also one that has a default."""
    generated = msgspec.json.schema(Trace)
    definitions = generated["$defs"]
    for definition in definitions.values():
        definition["description"] = definition["description"].partition("\n\n")[0]
        if "properties" in definition:
            for described in definition["properties"].values():
                described.pop("default", None)
            definition |= {"required": list(definition["properties"]), "additionalProperties": False}
    # Severities are written by their names.
    definitions["Severity"]["enum"] = [severity.name for severity in Severity]
    story = definitions.pop(Trace.__name__)
    story["properties"] = {
        "version": {"const": VERSION},
        "s3c": {"type": "string"},
        "reference": {"type": "string"},
        **story["properties"],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://github.com/{REPOSITORY}/schemas/trace-1.json",
        "title": "The story of a digest, as `s3c trace --format json` tells it",
        "description": "Times are RFC 3339 in UTC, or empty. Text is untrusted data. Keys are only ever added within "
        "this version.",
        **{key: story[key] for key in ("type", "properties", "additionalProperties")},
        "required": list(story["properties"]),
        "$defs": definitions,
    }


def _json_value(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return {key: _json_value(getattr(value, name)) for key, name in names}
    if isinstance(value, Severity):
        return value.name
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {
            key.name.lower() if isinstance(key, Severity) else key: _json_value(item) for key, item in value.items()
        }
    return [_json_value(item) for item in value] if isinstance(value, tuple) else value
