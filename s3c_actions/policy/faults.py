"""Read a file of settings strictly: what is wrong in it, in which line, and what a misspelt key or value means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, TypeVar

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.core.libraries import ruamel_yaml
from s3c_actions.core.suggest import did_you_mean

T = TypeVar("T")

_STEP = r"\[(\d+|\.\.\.)\]|([^.\[\]`]+)"
_UNKNOWN = r"unknown field `([^`]{1,100})`"
_VALUE = r"[Ii]nvalid enum value '([^']{1,100})'"


def decode(
    text: str,
    shape: type[T],
    schema: Callable[[], Mapping[str, Any]],
    *,
    name: str,
    field: str,
    manual: str,
    inputs: Mapping[str, str] | None = None,
) -> T:
    """Read a text of YAML as a type whose unknown keys are errors.

    Args:
        text: of the file.
        shape: the type; a struct with the key `version`.
        schema: returns its JSON Schema, for suggestions.
        name: of the file, for errors.
        field: the input it came from, for errors.
        manual: a sentence on where every key is described.
        inputs: name of an input or of another program's setting → the key that means the same, such as
            `findings.refuse`.

    Raises:
        InputError: it is not YAML, no mapping, or has an unknown key or an invalid value; the message names the place.
    """
    try:
        document = reading.parse_yaml(text)
    except reading.YamlError as error:
        line = f", line {error.line}" if error.line else ""
        raise InputError(
            field,
            f"{name} is not YAML{line}: {error.problem}.",
            remedy="Look at that line." if error.line else manual,
        ) from None
    if not isinstance(document, dict):
        raise InputError(field, f"{name} holds no mapping.", remedy="It begins with `version: 1`.")
    try:
        return msgspec.convert(document, shape, builtin_types=(date,))
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        where = place.strip("`").removeprefix("$.").removeprefix("$")
        fault = locate(text, where, _describe_problem(what, where), schema(), inputs or {})
        line = f", line {fault.line}" if fault.line else ""
        raise InputError(
            field,
            f"{name}{line}: at {where or 'the top'}: {fault.problem}.",
            remedy=f"{fault.remedy}\n{manual}".strip(),
        ) from None


def _describe_problem(what: str, location: str) -> str:
    """Return msgspec's description of a value, in terms of the file instead of Python's."""
    if location.endswith(".epss"):
        return 'this is no likelihood such as ">=0.1"'
    if (kinds := re.match(r"Expected `([a-z_ |]+)`, got `(\w+)`\Z", what)) and "date" not in kinds[1]:
        wanted = " or ".join(_KINDS.get(kind, kind) for kind in kinds[1].split(" | ") if kind != "null")
        return f"this is {_KINDS.get(kinds[2], kinds[2])}, and {wanted} belongs here"
    if location == "version":
        return "this is not 1, the only version there is"
    if "xpected `date`" in what:
        return "this is no date such as 2027-01-31"
    if "[smhd]" in what:
        return "this is no duration such as 24h or 7d"
    own = f"{what[:1].lower()}{what[1:]}"
    return next((words for part, words in _LIMITS.items() if part in what), own)


_KINDS = {
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
    "date": "a date",
    "datetime": "a time",
}
"""Kind of a value, in msgspec's terms → for people."""

_LIMITS = {
    "of length >= 1": "this is empty",
    "[^\\\\x00-": "this is empty, or has a control character in it",
    "[^\\\\s]+": "this is empty, or has a blank in it",
    "[a-z0-9]+/": "this is no platform such as linux/amd64",
    "{0,127}": "this is no tag of an image",
    "{0,61}": "this is no name of a namespace",
    "{0,40}": "this is no name of lower-case letters, digits and dashes",
    "._:/{}-": "this is no repository such as registry.example/patched/{name}",
    "[A-Za-z0-9.+-]{1,100}": "this is no licence's identifier such as GPL-3.0-only",
}
"""Part of a limit or pattern of a model, in msgspec's description → what is wrong with a value outside of it."""


class Fault(msgspec.Struct, frozen=True):
    """A place in a file, and what to do.

    Attributes:
        line: of the place, from 1; 0 when it is not known.
        problem: the description, without the library's terms.
        remedy: a suggestion and the choices; empty when there is none.
    """

    line: int
    problem: str
    remedy: str


def locate(
    text: str, place: str, problem: str, schema: Mapping[str, Any], inputs: Mapping[str, str] | None = None
) -> Fault:
    """Return line, description and remedy of what msgspec rejects.

    Args:
        text: of the file: valid YAML.
        place: of the value, as msgspec writes it: `findings.refuse[0]`; empty for the top.
        problem: msgspec's description.
        schema: the file's JSON Schema.
        inputs: as of `decode`.
    """
    steps = [int(index) if index.isdigit() else key or 0 for index, key in re.findall(_STEP, place)]
    allowed = _descend(schema, schema, steps)
    if unknown := re.search(_UNKNOWN, problem):
        return Fault(
            _line(text, [*steps, unknown[1]]),
            f"there is no key {unknown[1]!r} here",
            _suggest_key(unknown[1], allowed, schema, inputs or {}),
        )
    choices = tuple(str(value) for part in allowed for value in part.get("enum", ()))
    if choices and (value := re.search(_VALUE, problem)):
        return Fault(
            _line(text, steps),
            f"{value[1]!r} is none of the values allowed",
            did_you_mean(value[1], choices) + f"Choose from {', '.join(choices)}.",
        )
    return Fault(_line(text, steps), problem, "")


def _suggest_key(
    name: str, allowed: list[Mapping[str, Any]], schema: Mapping[str, Any], inputs: Mapping[str, str]
) -> str:
    """Return the remedy for an unknown key: where it belongs, or what is similar, and the keys that there are.

    Args:
        name: the key; one with dots is read as a path.
        allowed: the parts of the schema that its mapping may have.
        schema: of the whole file.
        inputs: as of `decode`.
    """
    *sections, key = name.split(".")
    within = [part for each in allowed for part in _descend(schema, each, [*sections])] if sections else allowed
    keys = _keys(within)
    if sections and key in keys:
        return f"Write `{key}` in the section `{'.'.join(sections)}`, below it and without a dot."
    if key in inputs:
        section, _, own = inputs[key].rpartition(".")
        return f"Here that is the key `{own}`, which belongs in the section `{section}`."
    places = [*_places(key, schema, schema)]
    if places and key not in keys:
        listed = " or ".join(dict.fromkeys(places))
        return f"`{key}` belongs {listed}."
    if not keys:
        within = allowed
        keys = _keys(within)
        key = name
    below = f" in the section `{'.'.join(sections)}`" if sections and within is not allowed else ""
    return did_you_mean(key, keys) + (f"Choose{below} from {', '.join(keys)}." if keys else "")


def _keys(parts: list[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(key for part in parts for key in part.get("properties", ()))


def _places(key: str, schema: Mapping[str, Any], part: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield where a schema has a key: `at the top`, `in the section NAME`, `in each entry of NAME`."""
    if path.count(".") > _DEEPEST:
        return
    for each in _resolve(schema, part):
        properties = each.get("properties", {})
        if key in properties:
            entry = path.endswith("[]")
            yield (
                f"in {'each entry of' if entry else 'the section'} `{path.removesuffix('[]')}`"
                if path
                else "at the top"
            )
        for name, below in properties.items():
            yield from _places(key, schema, below, f"{path}.{name}".lstrip("."))
        if isinstance(each.get("items"), Mapping):
            yield from _places(key, schema, each["items"], f"{path}[]")


_DEEPEST = 5
"""Sections in each other that are searched for a key: a schema may refer to itself."""


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
    try:
        node = ruamel_yaml.YAML(typ="safe", pure=True).compose(text)
    except ruamel_yaml.error.YAMLError:
        return 0
    line = node.start_mark.line + 1 if steps == [] else 0
    for step in steps:
        if isinstance(node, ruamel_yaml.nodes.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == step), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, ruamel_yaml.nodes.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
