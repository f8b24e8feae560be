"""What is wrong in a policy's text: the line, and what a misspelt key or value probably means, by the file's schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from s3c_actions.core.suggest import did_you_mean

_STEP = r"\[(\d+|\.\.\.)\]|([^.\[\]`]+)"
_UNKNOWN = r"unknown field `([^`]{1,100})`"
_VALUE = r"[Ii]nvalid enum value '([^']{1,100})'"


class Fault(msgspec.Struct, frozen=True):
    """A place in a policy, and what to do.

    Attributes:
        line: of the place, from 1; 0 when it is not known.
        problem: the description, without the library's terms.
        remedy: a suggestion and the choices; empty when there is none.
    """

    line: int
    problem: str
    remedy: str


def locate(text: str, place: str, problem: str, schema: Mapping[str, Any]) -> Fault:
    """Return line, description and remedy of what msgspec rejects.

    Args:
        text: of the policy: valid YAML.
        place: of the value, as msgspec writes it: `findings.refuse[0]`; empty for the top.
        problem: msgspec's description.
        schema: the policy's JSON Schema.
    """
    steps = [int(index) if index.isdigit() else key or 0 for index, key in re.findall(_STEP, place)]
    allowed = _descend(schema, schema, steps)
    if unknown := re.search(_UNKNOWN, problem):
        keys = tuple(key for part in allowed for key in part.get("properties", ()))
        return Fault(
            _line(text, [*steps, unknown[1]]),
            f"there is no key {unknown[1]!r} here",
            did_you_mean(unknown[1], keys) + (f"Choose from {', '.join(keys)}." if keys else ""),
        )
    choices = tuple(str(value) for part in allowed for value in part.get("enum", ()))
    if choices and (value := re.search(_VALUE, problem)):
        return Fault(
            _line(text, steps),
            f"{value[1]!r} is none of the values allowed",
            did_you_mean(value[1], choices) + f"Choose from {', '.join(choices)}.",
        )
    return Fault(_line(text, steps), problem, "")


def _descend(schema: Mapping[str, Any], part: Mapping[str, Any], steps: list[int | str]) -> list[Mapping[str, Any]]:
    """Return the parts of a schema that a value at the end of the steps may have."""
    parts = list(_resolve(schema, part))
    for step in steps:
        following: list[Mapping[str, Any]] = []
        for each in parts:
            below = each.get("items") if isinstance(step, int) else each.get("properties", {}).get(step)
            if isinstance(below, Mapping):
                following += _resolve(schema, below)
        parts = following
    return parts


def _resolve(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "$ref" in part:
        yield from _resolve(schema, schema["$defs"][part["$ref"].rpartition("/")[2]])
    elif "anyOf" in part:
        for each in part["anyOf"]:
            yield from _resolve(schema, each)
    else:
        yield part


def _line(text: str, steps: list[int | str]) -> int:
    """Return the line of a value, or of the key that leads to it; as far as the steps lead."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except YAMLError:
        return 0
    line = node.start_mark.line + 1 if steps == [] else 0
    for step in steps:
        if isinstance(node, MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == step), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
