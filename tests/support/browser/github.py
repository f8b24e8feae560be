"""A page that looks as GitHub does around a comment or a job summary, with GitHub's style sheet for Markdown."""

from __future__ import annotations

import html
from functools import cache
from pathlib import Path

from tests.support.browser.chromium import Theme
from tests.support.npm import installed

_AROUND = """
body { margin: 0; padding: 24px; background: var(--back); font: 14px/1.5 "Liberation Sans", sans-serif; }
.box { max-width: 912px; margin: 0 auto; border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
.head { padding: 8px 16px; color: var(--soft); background: var(--bar); border-bottom: 1px solid var(--line); }
.head b { color: var(--text); }
.tag { border: 1px solid var(--line); border-radius: 999px; padding: 0 7px; margin-left: 4px; font-size: 12px; }
.markdown-body { padding: 16px; font-size: 14px; background: var(--back) !important; }
.markdown-body { font-family: "Liberation Sans", "Noto Color Emoji", sans-serif; }
.markdown-body code, .markdown-body pre { font-family: "DejaVu Sans Mono", monospace !important; }
.mermaid { text-align: center; }
"""
_COLOURS = {
    "light": "--back: #ffffff; --line: #d1d9e0; --bar: #f6f8fa; --soft: #59636e; --text: #1f2328;",
    "dark": "--back: #0d1117; --line: #3d444d; --bar: #151b23; --soft: #9198a1; --text: #f0f6fc;",
}


@cache
def _package(path: str) -> str:
    return (installed(Path(__file__).parent / "github-look") / path).read_text(encoding="utf-8")


def page(body: str, *, theme: Theme = "light", head: str = "", diagrams: bool = False) -> str:
    """The whole source.

    Args:
        body: of the comment, as GitHub lets it through.
        theme: light or dark.
        head: HTML above it, ours.
        diagrams: draw Mermaid's, as GitHub does in a frame of its own.
    """
    style = _package(f"github-markdown-css/github-markdown-{theme}.css")
    script = ""
    if diagrams:
        library = _package("@mermaid-js/tiny/dist/mermaid.tiny.js").replace("</script", "<\\/script")
        draw = _DRAW.replace("THEME", "dark" if theme == "dark" else "default")
        script = f"<script>{library}</script><script>{draw}</script>"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title><style>{style}'
        f":root {{ {_COLOURS[theme]} }}{_AROUND}</style>"
        f'<div class="box">{f"<div class=head>{head}</div>" if head else ""}'
        f'<article class="markdown-body">{body}</article></div>{script}</html>'
    )


_DRAW = """
(async () => {
  mermaid.initialize({ startOnLoad: false, theme: "THEME", flowchart: { htmlLabels: true } });
  for (const source of document.querySelectorAll('pre[lang="mermaid"]')) {
    const drawn = document.createElement("div");
    drawn.className = "mermaid";
    drawn.innerHTML = (await mermaid.render("d" + Math.random().toString(36).slice(2), source.textContent)).svg;
    source.replaceWith(drawn);
  }
  document.body.dataset.drawn = "yes";
})();
"""


def commented(author: str = "github-actions", when: str = "2 minutes ago") -> str:
    """The bar above a comment."""
    return f'<b>{html.escape(author)}</b><span class="tag">bot</span> commented {html.escape(when)}'
