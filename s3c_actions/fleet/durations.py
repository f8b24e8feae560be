"""How long images took, from the results that the shards of an earlier plan left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference

MAX_SECONDS = 24 * 3600.0


def measured_seconds(results: Iterable[bytes]) -> dict[str, float]:
    """Return image with tag, and image without, → seconds; of several of one repository, the longest.

    The documents are unsigned, and decide nothing but who works on an image: what cannot be used is left out.

    Args:
        results: of `result.json`, each.
    """
    measured: dict[str, float] = {}
    for content in results:
        for image in _images(content):
            seconds = _seconds(image)
            try:
                reference = Reference.parse(str(image.get("image")))
            except InputError:
                continue
            if seconds <= 0:
                continue
            names = {reference.name, str(reference.tagged(reference.tag))}
            for name in names:
                measured[name] = max(measured.get(name, 0.0), seconds)
    return measured


def _images(content: bytes) -> list[Mapping[str, Any]]:
    try:
        document = reading.parse_json(content)
    except ValueError:
        return []
    images = document.get("images") if isinstance(document, dict) else None
    return [image for image in images if isinstance(image, dict)] if isinstance(images, list) else []


def _seconds(image: Mapping[str, Any]) -> float:
    """Return how long an image took: in all where that is stated, else in its steps together."""
    whole = _number(image.get("seconds"))
    if whole:
        return whole
    steps = (step for step in image.values() if isinstance(step, dict))
    return min(sum(_number(step.get("seconds")) for step in steps), MAX_SECONDS)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
        return 0.0
    return float(value)
