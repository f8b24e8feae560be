"""Load YAML as the API server does: YAML 1.1 without dates and base-60 numbers, unique keys, aliases bounded."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError

# An object of the API server is 1.5 MiB at most; only aliases of aliases expand to more values than this.
MAX_VALUES = 1_000_000
_PREFIX = "tag:yaml.org,2002:"
_NUMBERS = {
    "int": r"[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+",
    "float": r"[-+]?(?:[0-9][0-9_]*)?\.[0-9_]+(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9]+(?:\.(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)",
}


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

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping with texts as its keys."""
        self.flatten_mapping(node)
        return {str(key.value): self.construct_object(value, deep=deep) for key, value in node.value}

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Construct a value; the errors of PyYAML's conversions (`!!int x`) become YAML errors."""
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            raise ConstructorError(None, None, f"it is no value of the type {node.tag}", node.start_mark) from error
        if value is not None and not isinstance(value, (str, int, float, list, dict)):
            raise ConstructorError(None, None, f"JSON has no values of the type {node.tag}", node.start_mark)
        return value


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
        if key.value in known_keys and key.tag != f"{_PREFIX}merge":
            raise ConstructorError(None, None, f"the key {key.value!r} stands twice in one mapping", key.start_mark)
        known_keys.add(key.value)


KubernetesLoader.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if resolver[0].removeprefix(_PREFIX) not in {"timestamp", *_NUMBERS}]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
for _name, _pattern in _NUMBERS.items():
    KubernetesLoader.add_implicit_resolver(f"{_PREFIX}{_name}", re.compile(f"(?:{_pattern})$"), list("-+0123456789."))
