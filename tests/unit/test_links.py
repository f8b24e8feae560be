"""Every relative link of every Markdown file leads to something that is there, and every anchor to a heading."""

import itertools
import re
from collections.abc import Iterator
from functools import cache
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


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    blocks = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(page.read_text())
    return tuple(token for block in blocks for token in (block, *(block.children or ())))


def links(page: Path) -> Iterator[str]:
    for token in tokens(page):
        if token.type in {"html_inline", "html_block"}:
            yield from ADDRESSES.findall(token.content)
        for name in ("href", "src"):
            if address := token.attrGet(name):
                yield str(address)


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives headings: lower case, no punctuation, dashes for blanks, numbered when taken."""
    numbers: dict[str, int] = {}
    for heading, text in itertools.pairwise(tokens(page)):
        if heading.type == "heading_open":
            shown = "".join(token.content for token in text.children or () if token.type in {"text", "code_inline"})
            slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
            numbers[slug] = numbers.get(slug, -1) + 1
    return {slug if not number else f"{slug}-{number}" for slug, last in numbers.items() for number in range(last + 1)}


@cache
def relative() -> tuple[tuple[Path, str], ...]:
    """Page and relative link, of all pages: looked for in a test, as each process collects all tests."""
    return tuple((page, link) for page in PAGES for link in links(page) if not re.match(r"[a-z]+:", link))


def test_there_are_some():
    assert len(relative()) > 60
    assert any("#" in link for _, link in relative())


def test_every_link_leads_somewhere():
    assert [f"{page.relative_to(ROOT)}: {link}" for page, link in relative() if not _leads_somewhere(page, link)] == []


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target)


@pytest.mark.parametrize(
    ("link", "leads"),
    [
        ("docs/architecture.md", True),
        ("docs/nowhere.md", False),
        ("#set-up", True),
        ("#nowhere", False),
        ("docs/architecture.md#glossary", True),
        ("docs/architecture.md#nowhere", False),
        ("..", False),
    ],
)
def test_a_link_that_leads_nowhere_is_noticed(link, leads):
    assert _leads_somewhere(ROOT / "CONTRIBUTING.md", link) is leads


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


def test_every_decision_stands_in_the_index_with_its_title():
    folder = ROOT / "docs" / "decisions"
    index = dict(
        re.findall(r"^\| \[\d{4}\]\((\d{4}-[a-z0-9-]+\.md)\) \| (.+) \|$", (folder / "README.md").read_text(), re.M)
    )
    titles = {page.name: page.read_text().splitlines()[0] for page in folder.glob("[0-9]*.md")}
    assert titles == {name: f"# {name[:4]}: {title}" for name, title in index.items()}
    assert len(titles) >= 12


NAMED = [
    (page, name)
    for page in [
        ROOT / "CONTRIBUTING.md",
        ROOT / "docs" / "architecture.md",
        *(ROOT / "docs" / "decisions").glob("*.md"),
    ]
    for name in sorted(
        set(re.findall(r"(?<![\w./-])[\w.]+(?:/[\w.-]+)*/[\w.-]+\.(?:py|rego|j2|md|json)\b", page.read_text()))
    )
    if not name.startswith("s3c-out/")
]


def test_every_file_that_is_named_to_developers_is_there():
    def exists(page: Path, name: str) -> bool:
        return any((place / name).is_file() for place in (ROOT, ROOT / "s3c_actions", page.parent))

    assert [f"{page.name}: {name}" for page, name in NAMED if not exists(page, name)] == []


def test_files_are_named():
    assert len(NAMED) > 60
