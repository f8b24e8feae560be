"""Every relative link of every Markdown file leads to something that is there, and every anchor to a heading."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support import ROOT

PAGES = [
    page
    for folder in ("docs", "actions", "infra", ".devcontainer", "tests/standins")
    for page in (ROOT / folder).rglob("*.md")
]
PAGES += list(ROOT.glob("*.md"))
ADDRESSES = re.compile(r"(?:href|src|srcset)=[\"']([^\"'\s]+)")


def tokens(page: Path) -> Iterator[Token]:
    for block in MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(page.read_text()):
        yield block
        yield from block.children or ()


def links(page: Path) -> Iterator[str]:
    for one in tokens(page):
        if one.type in {"html_inline", "html_block"}:
            yield from ADDRESSES.findall(one.content)
        for name in ("href", "src"):
            if address := one.attrGet(name):
                yield str(address)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives headings: lower case, no punctuation, dashes for blanks, numbered when taken."""
    found: dict[str, int] = {}
    parsed = list(tokens(page))
    for heading, text in itertools.pairwise(parsed):
        if heading.type == "heading_open":
            shown = "".join(one.content for one in text.children or () if one.type in {"text", "code_inline"})
            slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
            found[slug] = found.get(slug, -1) + 1
    return {slug if not number else f"{slug}-{number}" for slug, last in found.items() for number in range(last + 1)}


RELATIVE = [(page, link) for page in PAGES for link in links(page) if not re.match(r"[a-z]+:", link)]


def test_there_are_some():
    assert len(RELATIVE) > 60
    assert any("#" in link for _, link in RELATIVE)


@pytest.mark.parametrize(
    ("page", "link"), RELATIVE, ids=[f"{page.relative_to(ROOT)}: {link}" for page, link in RELATIVE]
)
def test_a_link_leads_there(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.is_relative_to(ROOT)
    assert target.exists()
    if anchor and target.suffix == ".md":
        assert anchor in anchors(target)


def test_every_guide_is_reached_from_the_readme():
    """By links, from page to page."""
    seen, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        left += [
            (page.parent / link.partition("#")[0]).resolve() for link in links(page) if not re.match(r"[a-z]+:|#", link)
        ]
    assert not set(ROOT.glob("docs/*.md")) - seen
