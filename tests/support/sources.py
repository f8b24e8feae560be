"""The source files that tests look into, each parsed once."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import ruamel.yaml

from s3c_actions.core.startup import paused


@cache
def tree(path: Path) -> ast.Module:
    """A module's syntax tree."""
    with paused():  # a million nodes that stay
        return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a module's syntax tree."""
    parsed = tree(path)
    with paused():
        return tuple(ast.walk(parsed))


@cache
def parse_yaml(text: str) -> Any:
    """A YAML 1.2 document, whose key `on` is a text. Tests only read it."""
    return ruamel.yaml.YAML(typ="safe", pure=True).load(text)
