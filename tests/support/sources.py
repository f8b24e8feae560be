"""The source files that tests look into, each parsed once."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import ruamel.yaml


@cache
def tree(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a module's syntax tree."""
    return tuple(ast.walk(tree(path)))


@cache
def parse_yaml(text: str) -> Any:
    """A YAML 1.2 document, whose key `on` is a text. Tests only read it."""
    return ruamel.yaml.YAML(typ="safe", pure=True).load(text)
