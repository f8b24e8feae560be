"""Change a YAML text in single places, and keep every other character.

As in cluster/manifests.py, YAML is parsed for the places alone (docs/decisions/0002-text-preserving-yaml.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.libraries import yaml

if TYPE_CHECKING:
    from yaml.nodes import Node


class Edit(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Characters to replace.

    Attributes:
        start, end: of the text; equal: the new text is inserted.
        text: what comes in their place.
    """

    start: int
    end: int
    text: str


def compose(text: str) -> Node | None:
    """Return the root node of a text of one document; None when it is empty.

    Raises:
        ValueError: it is not YAML, is nested too deeply, or its aliases make it too large.
    """
    try:
        reading.check_yaml_events(yaml.parse(text, Loader=yaml.CSafeLoader))
        root: Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        raise ValueError(f"{line}{getattr(error, 'problem', None) or 'it is not YAML'}") from error
    return root


def entries(node: Node | None) -> Mapping[str, tuple[Node, Node]]:
    """Return key → its node and the value's node, of a mapping; empty for another node."""
    if node is None or node.id != "mapping":
        return {}
    return {key.value: (key, value) for key, value in node.value if key.id == "scalar"}


def items(node: Node | None) -> list[Node]:
    """Return the items of a list; empty for another node."""
    return node.value if node is not None and node.id == "sequence" else []


def scalar(node: Node | None) -> str | None:
    """Return the text of a scalar; None for another node."""
    return str(node.value) if node is not None and node.id == "scalar" else None


def is_block(node: Node) -> bool:
    """Return whether a mapping stands in lines of its own, not within braces."""
    return node.id == "mapping" and not node.flow_style


def replace(node: Node, text: str) -> Edit:
    """Return the edit that writes another scalar in the place of one."""
    return Edit(start=node.start_mark.index, end=node.end_mark.index, text=text)


def replace_line_end(source: str, node: Node, text: str) -> Edit:
    """Return the edit that writes another scalar in the place of one, and of the comment behind it on its line."""
    comment = re.compile(r"[ \t]+#[^\r\n]*").match(source, node.end_mark.index)
    return Edit(start=node.start_mark.index, end=comment.end() if comment else node.end_mark.index, text=text)


def remove_entry(source: str, key: Node, value: Node) -> Edit:
    """Return the edit that removes an entry of a block mapping: the lines from its key to the end of its value."""
    start = source.rfind("\n", 0, key.start_mark.index) + 1
    end = max(value.end_mark.index, key.end_mark.index)
    if "\n" in source[:end] and not source[:end].rpartition("\n")[2].strip():
        # The mark of a block scalar stands in the line after it.
        return Edit(start=start, end=source.rfind("\n", 0, end) + 1, text="")
    following = source.find("\n", end)
    return Edit(start=start, end=len(source) if following < 0 else following + 1, text="")


def apply(source: str, edits: Iterable[Edit]) -> str:
    """Return the text with all edits made; of overlapping ones, the first counts."""
    parts, last = [], 0
    for edit in sorted(set(edits)):
        if edit.start >= last:
            parts += [source[last : edit.start], edit.text]
            last = edit.end
    return "".join([*parts, source[last:]])
