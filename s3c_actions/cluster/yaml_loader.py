"""Load YAML as kubectl does: sigs.k8s.io/yaml, which is go-yaml v2 and a conversion to JSON.

https://github.com/kubernetes-sigs/yaml; `make contract` compares the two.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from functools import lru_cache
from typing import Any

import yaml
from yaml.constructor import ConstructorError

# An object of the API server is 1.5 MiB at most; only aliases of aliases expand to more values than this.
MAX_VALUES = 1_000_000
_PREFIX = "tag:yaml.org,2002:"
_STRING, _NULL, _BOOL, _INT, _FLOAT, _MERGE, _BINARY, _TIMESTAMP = (
    f"{_PREFIX}{name}" for name in ("str", "null", "bool", "int", "float", "merge", "binary", "timestamp")
)
_WORDS: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), (_BOOL, True)),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), (_BOOL, False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (_NULL, None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), (_FLOAT, math.nan)),
    **{sign + word: (_FLOAT, math.inf) for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), (_FLOAT, -math.inf)),
}
# strconv.ParseInt with base 0, without underscores.
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<x>[0-9a-fA-F]+)|0[oO]?(?P<o>[0-7]+)|0[bB](?P<b>[01]+)|(?P<d>[0-9]+))"
)
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LONE_UNDERSCORE = re.compile(r"(?<![0-9])_|_(?![0-9])")
_RESOLVED = frozenset({_STRING, _BOOL, _INT, _FLOAT, _NULL, _TIMESTAMP})
# Up to here every whole float is a number that Go writes, and reads, without a point.
_EXACT = float(1 << 53)
# Digits before the point that Go writes of a key; a longer one has an exponent.
_DIGITS = 6


@lru_cache(4096)
def resolve_scalar(text: str) -> tuple[str, Any]:
    """Return the tag and the value of a plain scalar, as go-yaml's `resolve` does."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first == ".":
        # strconv.ParseFloat itself takes underscores between digits.
        return _resolve_float(text if _LONE_UNDERSCORE.search(text) else text.replace("_", ""), text)
    if first not in "+-0123456789":
        return _STRING, text
    plain = text.replace("_", "")
    if match := _INTEGER.fullmatch(plain):
        value = _integer(match)
        # Unsigned numbers have no sign.
        if value is not None and (-(1 << 63) <= value < 1 << 63 or (not match["sign"] and value < 1 << 64)):
            return _INT, value
    return _resolve_float(plain, text)


def _integer(match: re.Match[str]) -> int | None:
    digits = next(((match[name], base) for name, base in (("x", 16), ("o", 8), ("b", 2), ("d", 10)) if match[name]))
    if digits[1] == 10 and len(digits[0]) > 1 and digits[0][0] == "0":
        return None  # 08 is no octal number
    if digits[1] == 10 and len(digits[0]) > 20:
        return None
    value = int(digits[0], digits[1])
    return -value if match["sign"] == "-" else value


def _resolve_float(plain: str, text: str) -> tuple[str, Any]:
    if not _NUMBER.fullmatch(plain) or math.isinf(value := float(plain)):
        return _STRING, text
    return _FLOAT, value


class KubernetesLoader(yaml.CSafeLoader):  # type: ignore[misc]
    """A loader that creates the values of JSON, as sigs.k8s.io/yaml does."""

    def get_node(self) -> Any:
        """Return the nodes of the next document.

        Raises:
            yaml.YAMLError: a key is a duplicate or not a text, or aliases make the document larger than any object may
                be.
        """
        root = super().get_node()
        _size(root, {})
        return root

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """Return the tag of a node that has none written."""
        if kind is not yaml.ScalarNode:
            return str(super().resolve(kind, value, implicit))
        if not implicit[0]:
            return _STRING
        return _MERGE if value == "<<" else resolve_scalar(value)[0]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping with texts as its keys."""
        self.flatten_mapping(node)
        return {_key(key): self.construct_object(value, deep=deep) for key, value in node.value}

    def construct_any(self, node: Any) -> Any:
        """Construct a value; raise ConstructorError where JSON has none."""
        if node.id == "mapping":
            return self.construct_mapping(node, deep=True)  # a tag of its own makes no other value
        if node.id == "sequence":
            return self.construct_sequence(node, deep=True)
        value = _value(node)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ConstructorError(None, None, f"JSON has no number {node.value}", node.start_mark)
            if value.is_integer() and abs(value) <= _EXACT:
                return int(value)  # as Go writes it
        return value


KubernetesLoader.yaml_constructors = {None: KubernetesLoader.construct_any}


def _value(node: Any) -> Any:
    if node.tag in {_STRING, _MERGE}:
        return node.value
    if node.tag == _BINARY:
        try:
            return base64.b64decode("".join(node.value.split()), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError) as error:
            raise ConstructorError(None, None, "it is not base64", node.start_mark) from error
    if node.tag not in _RESOLVED:
        return node.value  # an application's own tag
    tag, value = resolve_scalar(node.value)
    if node.tag == _TIMESTAMP:
        return node.value
    if node.tag == _FLOAT and tag == _INT:
        return float(value)
    if tag != node.tag:
        raise ConstructorError(None, None, f"it is no value of the type {node.tag}", node.start_mark)
    return value


def _key(node: Any) -> str:
    """Return a key as the text that sigs.k8s.io/yaml makes of it: `yes` is `true`, `010` is `8`."""
    value = _value(node)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _format_float(value)
    if value is None:
        raise ConstructorError(None, None, "a key is null", node.start_mark)
    return str(value)


def _format_float(value: float) -> str:
    """Format as Go's `strconv.FormatFloat(value, 'g', -1, 32)`."""
    if math.isnan(value):
        return ".nan"
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        single = math.copysign(math.inf, value)
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    for precision in range(1, 10):
        mantissa, _, exponent = f"{single:.{precision - 1}e}".partition("e")
        if struct.pack("f", float(f"{mantissa}e{exponent}")) == struct.pack("f", single):
            break
    if -4 <= int(exponent) < _DIGITS:
        return f"{float(f'{mantissa}e{exponent}'):.{max(precision - 1 - int(exponent), 0)}f}"
    return f"{mantissa}e{exponent}"


def _size(node: Any, known: dict[int, int]) -> int:
    """Return how many values a node expands to, with every alias written out."""
    if node is None or node.id == "scalar":
        return 1
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = MAX_VALUES  # a node that contains itself is infinite
    inner = node.value
    if node.id == "mapping":
        _check_keys(node)
        inner = [value for _, value in node.value]
    size = 1 + sum(_size(child, known) for child in inner)
    if size > MAX_VALUES:
        raise ConstructorError(None, None, "aliases make it larger than any object may be", node.start_mark)
    known[id(node)] = size
    return size


def _check_keys(node: Any) -> None:
    known_keys = set()
    for key, _ in node.value:
        if key.id != "scalar":
            raise ConstructorError(None, None, "a key is no text", key.start_mark)
        text = _key(key)
        if text in known_keys and key.tag != _MERGE:
            raise ConstructorError(None, None, f"the key {key.value!r} stands twice in one mapping", key.start_mark)
        known_keys.add(text)
