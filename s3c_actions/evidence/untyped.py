"""Values of documents that anyone may have attached: what is of another type than stated counts as absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_list(value: object) -> list[Any]:
    """Return an array of JSON; empty for a value of another type."""
    return value if isinstance(value, list) else []


def as_map(value: object) -> Mapping[str, Any]:
    """Return an object of JSON; empty for a value of another type."""
    return value if isinstance(value, dict) else {}


def as_text(value: object) -> str:
    """Return a string of JSON; empty for a value of another type."""
    return value if isinstance(value, str) else ""
