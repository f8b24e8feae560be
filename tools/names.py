"""Refuse names that hide what they hold: what is bound to `one`, `found` or `told` has a name of its own.

ruff has no rule on words in names. The compiler's symbol tables have every name that is bound, with no need to look at
the code itself, so that all files take a second.
"""

from __future__ import annotations

import symtable
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("s3c_actions", "s3c_lab", "tools", "actions", "tests")
WORDS = frozenset({"about", "found", "made", "one", "said", "there", "told"})


def main(folders: Iterable[Path]) -> int:
    """Print the vague names of every Python file in the folders; return 1 when there are any."""
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    vague = [line for file in files for line in find_vague_names(file.read_text(encoding="utf-8"), str(file))]
    for line in vague:
        print(f"{line} says nothing of what it holds: give it the name of the thing.")
    return int(bool(vague))


def find_vague_names(code: str, file: str) -> list[str]:
    """Return file, line of the scope and name, of each variable, parameter, function and class that is named so.

    Args:
        code: of a Python file.
        file: its path, to be shown.

    Raises:
        SyntaxError: it is no Python.
    """
    return [
        f"{file}:{scope.get_lineno() or 1}: `{symbol.get_name()}` in `{scope.get_name()}`"
        for scope in _scopes(symtable.symtable(code, file, "exec"))
        for symbol in map(scope.lookup, scope.get_identifiers())
        if symbol.get_name().strip("_").lower() in WORDS
        if symbol.is_assigned() or symbol.is_parameter() or symbol.is_imported()
    ]


def _scopes(scope: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield scope
    for inner in scope.get_children():
        yield from _scopes(inner)


if __name__ == "__main__":
    sys.exit(main(ROOT / folder for folder in FOLDERS))
