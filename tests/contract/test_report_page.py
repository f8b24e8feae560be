"""The HTML report in Debian's Chromium: accessible, readable on a phone, filtered and completed by its buttons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace
from playwright.sync_api import expect

from s3c_actions.findings.base_image import attribute
from s3c_actions.findings.exploitation import EpssScores, ExploitationFacts, KevCatalogue, add_exploitation
from s3c_actions.findings.model import BaseImage, ScanReport
from s3c_actions.report.formats import html_page
from s3c_actions.report.rendering import PageLink, Rendering
from tests.support.browser import scenes
from tests.support.browser.accessibility import problems
from tests.support.browser.chromium import Heard, Theme, chromium, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LINKS = (PageLink("Before the patch", ""), PageLink("After the patch", "patched/report.html"))
DEBIAN = scenes.recorded("debian", "acr.example/voting-db:15.0")
IDS = sorted({finding.id for finding in DEBIAN.findings})
PYTHON = scenes.recorded("python", "acr.example/tokens:2.0")
LONG = replace(
    DEBIAN,
    findings=tuple(
        replace(finding, package="p" * 90, installed="1." + "0-rc" * 24, title="t" * 290, id="GHSA-" + "x" * 60)
        for finding in DEBIAN.findings[:5]
    ),
)
EXPLOITED = add_exploitation(
    DEBIAN,
    ExploitationFacts(
        catalogue=KevCatalogue(
            released="2026-11-22T15:00:10Z",
            added={DEBIAN.findings[-1].id: "2026-11-20", DEBIAN.findings[0].id: "2021-12-10"},
        ),
        scores=EpssScores(
            scored="2026-11-22",
            rows=sorted(f"{id_},{place / 1000:.5f},0.5".encode() for place, id_ in enumerate(IDS)),
        ),
    ),
)
REPORTS = {"debian": DEBIAN, "python": PYTHON, "long": LONG, "exploited": EXPLOITED}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def source(report: ScanReport) -> str:
    return html_page.render(report, Rendering(links=LINKS)).decode()


@pytest.mark.parametrize("width", [500, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", REPORTS)
def test_the_rules_of_accessibility(browser: Browser, name: str, theme: Theme, width: int) -> None:
    with opened(browser, source(REPORTS[name]), theme=theme, width=width) as (page, heard):
        assert problems(page) == []
        assert heard == Heard()


@pytest.mark.parametrize("width", [320, 500])
@pytest.mark.parametrize("name", REPORTS)
def test_on_a_phone_each_finding_is_a_card_and_nothing_runs_out_of_it(browser: Browser, name: str, width: int) -> None:
    with opened(browser, source(REPORTS[name]), width=width) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        cards = page.locator("#rows tr")
        boxes = cards.evaluate_all("""all => all.map(card => {
            const outer = card.getBoundingClientRect();
            const inner = [...card.querySelectorAll("*")].map(element => element.getBoundingClientRect());
            return [outer.left, outer.right, outer.height,
                    Math.min(...inner.filter(box => box.width).map(box => box.left)),
                    Math.max(...inner.map(box => box.right))];
        })""")
        assert len(boxes) == min(len(REPORTS[name].findings), 200)
        for left, right, height, first, last in boxes:
            assert 0 <= left <= first
            assert last <= right <= width
            assert height < 500
        # Every value of the table is there, with its name where it says nothing by itself.
        assert cards.first.locator("td.version").first.evaluate("cell => getComputedStyle(cell, '::before').content")


@pytest.mark.parametrize("width", [500, 1280])
def test_a_version_stands_on_one_line(browser: Browser, width: int) -> None:
    with opened(browser, source(DEBIAN), width=width) as (page, _):
        heights = page.locator(".whole").evaluate_all("all => all.map(version => version.getClientRects().length)")
        assert len(heights) >= 400
        assert set(heights) == {1}


def test_the_cards_of_severities_are_buttons_that_look_like_it(browser: Browser) -> None:
    with opened(browser, source(DEBIAN), width=1280) as (page, _):
        high, critical = page.locator(".tile.high"), page.locator(".tile.critical")
        offer = "card => getComputedStyle(card, '::after').content"
        assert high.evaluate(offer) == '"Show only these"'
        expect(critical).to_be_disabled()
        assert critical.evaluate(offer) == "none"
        high.click()
        assert high.evaluate(offer) == '"✕ Show all again"'
        expect(high).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#rows tr")).to_have_count(
            sum(finding.severity.name == "HIGH" for finding in DEBIAN.findings)
        )
        expect(page.locator("#shown")).to_contain_text(f"({len(DEBIAN.findings)} without the filters)")


def test_what_is_exploited_comes_first_and_can_be_shown_alone(browser: Browser) -> None:
    exploited = [finding.id for finding in EXPLOITED.findings if finding.exploited]
    with opened(browser, source(EXPLOITED), width=1280) as (page, _):
        rows, tile = page.locator("#rows tr"), page.locator("#exploited")
        expect(tile).to_contain_text(f"{len(exploited)}Exploited today")
        assert page.locator("#rows td.id").all_inner_texts()[: len(exploited)] == exploited
        tile.click()
        expect(tile).to_have_attribute("aria-pressed", "true")
        expect(rows).to_have_count(len(exploited))
        expect(page.locator("#rows .badge.attacked")).to_have_count(len(exploited))
        tile.click()
        page.get_by_role("button", name="EPSS").click()
        shown = [float(text.rstrip("%")) for text in page.locator("#rows td.score[data-name=EPSS]").all_inner_texts()]
        assert shown[0] == round((len(IDS) - 1) / 10, 1)
        assert shown == sorted(shown, reverse=True)


def test_the_cells_are_the_same_with_and_without_the_script(browser: Browser) -> None:
    """The static rows are the template's, those that replace them the script's."""
    with opened(browser, source(EXPLOITED), width=1280) as (page, _):
        drawn = page.locator("#rows td.score[data-name=EPSS]").all_inner_texts()[:100]
    static = re.findall(r'<td role="cell" class="score" data-name="EPSS">(.*?)</td>', source(EXPLOITED))
    assert drawn == static[:100]


def test_what_is_not_shown_is_one_click_away(browser: Browser) -> None:
    total = len(DEBIAN.findings)
    with opened(browser, source(DEBIAN), width=1280) as (page, _):
        expect(page.locator("#shown")).to_have_text(f"200 of {total} shown")
        rest = page.locator(".tools .rest")
        expect(rest).to_have_text(f"Show the other {total - 200}")
        expect(page.locator("#more")).to_have_text(f"Show the other {total - 200}")
        rest.click()
        expect(page.locator("#rows tr")).to_have_count(total)
        expect(page.locator("#shown")).to_have_text(f"{total} of {total} shown")
        expect(rest).to_be_hidden()
        expect(page.locator("#more")).to_be_hidden()


def test_columns_sort_on_a_phone_as_well(browser: Browser) -> None:
    with opened(browser, source(DEBIAN), width=500) as (page, _):
        page.get_by_role("button", name="Package or file").click()
        names = page.locator("#rows td.package").all_inner_texts()
        assert names[0] == min(names, key=str.casefold)


def test_findings_of_the_base_are_left_out_by_one_click(browser: Browser) -> None:
    layers = dict.fromkeys(finding.layer for finding in DEBIAN.findings)
    own = replace(DEBIAN.findings[0], layer="sha256:own")
    report = replace(DEBIAN, findings=(own, *DEBIAN.findings[1:]), diff_ids=(*layers, "sha256:own"))
    base = BaseImage(name="debian:12", reference="", layers=tuple(layers), source="the Dockerfile")
    with opened(browser, source(attribute(report, base))) as (page, heard):
        page.get_by_label("not of the base (1)").check()
        expect(page.locator("#rows tr")).to_have_count(1)
        assert problems(page) == []
        assert heard == Heard()
