"""Links to the documentation lead to pages that there are, and no message names a folder that no package has."""

from __future__ import annotations

import ast
import re

import pytest

from s3c_actions import REPOSITORY, __version__
from s3c_actions.core.doc_links import doc_link
from tests.support import ROOT
from tests.support.sources import nodes

SOURCES = sorted((ROOT / "s3c_actions").rglob("*.py"))


def test_a_page_of_this_version() -> None:
    assert doc_link("sign.md#verify") == f"https://github.com/{REPOSITORY}/blob/v{__version__}/docs/sign.md#verify"


def test_every_page_that_is_linked_exists() -> None:
    pages = {page for path in SOURCES for page in re.findall(r"doc_link\(['\"]([^'\"#]+)", path.read_text())}
    assert len(pages) > 4
    assert all((ROOT / "docs" / page).is_file() for page in pages)


@pytest.mark.slow
def test_no_text_names_a_page_without_its_address() -> None:
    named = []
    for path in SOURCES:
        docstrings = {
            id(node.body[0].value)
            for node in nodes(path)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        named += [
            f"{path.name}: {node.value}"
            for node in nodes(path)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and re.search(r"(?<![/\w])docs/[\w-]+\.md", node.value)
        ]
    assert named == []
