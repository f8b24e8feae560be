"""Which images a Dockerfile names as the base of its last stage: a hint, since anybody can write a Dockerfile."""

from __future__ import annotations

import re
from collections.abc import Mapping

from s3c_actions.core.patterns import late_pattern
from s3c_actions.report.formats.dockerfile_parser import parse_instructions

_VARIABLE = late_pattern(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}$]*))?\})")
_MAX_STAGES = 200


def base_names(text: str) -> tuple[str, ...]:
    """Return the images that the last stage is built on, through other stages; empty when that cannot be determined.

    Args:
        text: of the Dockerfile. Its own defaults of build arguments count (`ARG` before the first `FROM`).
    """
    defaults: dict[str, str] = {}
    stages: dict[str, str] = {}
    image = ""
    for instruction in parse_instructions(text):
        if instruction.keyword == "ARG" and not image:
            for word in instruction.arguments.split():
                name, given, default = word.partition("=")
                if given:
                    defaults[name] = _expand(default.strip("\"'"), defaults)
        elif instruction.keyword == "FROM":
            words = instruction.arguments.split()
            if not words or len(stages) > _MAX_STAGES:
                return ()
            written = _expand(words[0], defaults)
            image = stages.get(written.lower(), written)
            if len(words) == 3 and words[1].lower() == "as":
                stages[words[2].lower()] = image
    return () if not image or "$" in image or image.lower() == "scratch" else (image,)


def _expand(text: str, defaults: Mapping[str, str]) -> str:
    """Return a text with variables replaced; one without a value stays as it is written."""

    def value(match: re.Match[str]) -> str:
        known = defaults.get(match[1] or match[2])
        return known or match[3] or match[0]

    return _VARIABLE.sub(value, text)[:4096]
