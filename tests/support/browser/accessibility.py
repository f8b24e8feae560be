"""Deque's axe on a page in the browser: which rules of accessibility it breaks."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from tests.support import ROOT
from tests.support.npm import installed

if TYPE_CHECKING:
    from playwright.sync_api import Page


@cache
def _axe() -> str:
    folder = installed(ROOT / "tests" / "support" / "browser" / "axe")
    return (folder / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def problems(page: Page) -> list[str]:
    """What axe has against the page. It is put in by the debugger: the page's policy would run none of it."""
    page.evaluate(f"{_axe()}; 0")
    results: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")
    assert len(results["passes"]) > 10
    return [
        f"{violation['id']}: {node['html'][:150]}" for violation in results["violations"] for node in violation["nodes"]
    ]
