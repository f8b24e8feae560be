"""Render a trace for programs: `trace.json`, whose shape is schemas/trace-1.json.

Within a version, keys are only added. Text in it is untrusted data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from s3c_actions import __version__
from s3c_actions.findings.model import Severity
from s3c_actions.trace.model import Story

VERSION = 1


def render(story: Story) -> str:
    """Return the document's text, in ASCII: controls and bidirectional marks of untrusted text are escaped."""
    return json.dumps(document(story), indent=2) + "\n"


def document(story: Story) -> dict[str, Any]:
    """Return the document as JSON values."""
    return {"version": VERSION, "s3c": __version__, "reference": story.reference, **_json_value(story)}


def _json_value(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _json_value(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Severity):
        return value.name
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {
            key.name.lower() if isinstance(key, Severity) else key: _json_value(item) for key, item in value.items()
        }
    return [_json_value(item) for item in value] if isinstance(value, tuple) else value
