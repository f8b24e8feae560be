"""What people see, as GitHub renders it, in a browser: tables are tables, nothing runs, links go where they say."""

from __future__ import annotations

import html.parser
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from s3c_actions.report.document import ResultDocument
from s3c_actions.report.formats import html_page
from s3c_actions.report.github import comment, summary
from s3c_actions.result.model import Outcome
from tests.support import outcomes, situations
from tests.support.browser import gfm, github, scenes
from tests.support.browser.chromium import THEMES, Heard, chromium, opened
from tests.support.hostile import HOSTILE
from tests.unit.report.test_hostile import rendering, report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Documents = list[ResultDocument]
RENDERERS: dict[str, Callable[[Documents], str]] = {
    "comment": lambda documents: comment.render(
        documents, run_url=situations.RUN, alerts_url=situations.ALERTS, note=situations.FORK
    ),
    "summary": lambda documents: summary.render(documents[0]),
}
SITUATIONS = situations.situations()
SEEN = pytest.mark.parametrize("renderer", RENDERERS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened_browser:
        yield opened_browser


def quiet(heard: Heard) -> bool:
    """Nothing was asked for, nothing ran, nothing was stopped from running."""
    return heard == Heard()


class Page(html.parser.HTMLParser):
    """The rows of tables by their cells, the links by their text, and every tag."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.rows: list[int] = []
        self.links: list[tuple[str, str]] = []
        self.tags: set[str] = set()
        self.text = ""
        self._link: str | None = None
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append(0)
        elif tag in {"td", "th"}:
            self.rows[-1] += 1
        elif tag == "a":
            self._link = dict(attrs).get("href") or ""
            self.links.append((self._link, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._link is not None:
            self.links[-1] = (self._link, self.links[-1][1] + data)


@SEEN
@pytest.mark.parametrize("name", SITUATIONS)
def test_github_shows_all_of_it_as_it_is_meant(renderer: str, name: str) -> None:
    source = RENDERERS[renderer](SITUATIONS[name])
    page, before = Page(gfm.rendered(source)), Page(gfm.parsed(source))
    # The sanitiser takes nothing away.
    assert (page.rows, page.links, page.tags, page.text) == (before.rows, before.links, before.tags, before.text)
    lines = [line for line in source.splitlines() if line.startswith("|")]
    cells = [len(re.findall(r"(?<!\\)\|", line)) - 1 for line in lines if not re.fullmatch(r"[|:-]+", line)]
    assert page.rows == cells
    assert "|" not in page.text.replace("a | b <i>c</i>", "")
    for address, text in page.links:
        known = {situations.RUN: {"run", "job summary"}, situations.ALERTS: {"alerts"}}
        if address in known:
            assert text in known[address]
        elif text.startswith("CVE-"):
            assert address == f"https://avd.aquasec.com/nvd/{text.lower()}"
        else:
            assert address == text


@SEEN
@pytest.mark.parametrize("theme", THEMES)
def test_hostile_text_does_nothing_in_a_browser(browser: Browser, renderer: str, theme: Any) -> None:
    """Not even where nobody sanitises: what is rendered by a page without GitHub's rules is as harmless."""
    documents = [
        [outcomes.document(Outcome(command="chain", images=(outcomes.hostile(text[:5_000]),)))]
        for text in HOSTILE.values()
    ]
    documents += [[outcomes.document(outcomes.deployed(text[:5_000], denied=True))] for text in HOSTILE.values()]
    sources = [RENDERERS[renderer](results) for results in documents]
    for through in (gfm.rendered, gfm.parsed):
        body = "".join(f"<section>{through(source)}</section>" for source in sources)
        with opened(browser, github.page(body, theme=theme), theme=theme) as (page, heard):
            page.wait_for_load_state("networkidle")
            assert quiet(heard)
            assert page.locator("section").count() == len(sources)
            assert page.locator("script, img, iframe, svg, form, object, embed, style:not(head style)").count() == 0
            addresses = page.locator("section a").evaluate_all("all => all.map(link => [link.href, link.textContent])")
            for address, text in addresses:
                assert address.startswith("https://github.example") or address.startswith(text.strip())


def test_the_browser_records_what_a_script_does(browser: Browser) -> None:
    """The check itself can fail: the same text, not escaped, runs and asks for things."""
    body = HOSTILE["html"] + '<img src="https://evil.example/i.png">'
    with opened(browser, github.page(body)) as (page, heard):
        page.wait_for_load_state("networkidle")
        assert heard.dialogs
        assert "https://evil.example/i.png" in heard.requests


@pytest.mark.parametrize("name", HOSTILE)
def test_the_report_page_runs_its_own_script_alone(browser: Browser, name: str) -> None:
    of = report(HOSTILE[name][:20_000])
    source = html_page.render(of, rendering(of, HOSTILE[name][:20_000])).decode()
    with opened(browser, source) as (page, heard):
        for search, rows in (("zzz-nothing", 0), ("", len(of.findings))):
            page.locator("#search").fill(search)
            expect(page.locator("#rows tr")).to_have_count(rows)
        assert quiet(heard)


@pytest.mark.parametrize("theme", THEMES)
def test_the_picture_of_the_chain_is_drawn(browser: Browser, theme: Any) -> None:
    source = summary.render(scenes.document(scenes.patched()))
    with opened(browser, github.page(gfm.rendered(source), theme=theme, diagrams=True), theme=theme) as (page, heard):
        page.wait_for_selector("body[data-drawn]")
        assert page.locator(".mermaid .nodeLabel b").all_inner_texts() == [
            "scan", "patch", "rescan", "sign", "verify"
        ]  # fmt: skip
        assert quiet(heard)
