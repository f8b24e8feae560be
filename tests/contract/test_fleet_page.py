"""The page of `s3c fleet report` in Debian's Chromium: 3,000 images, filtered, sorted, on a phone, without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from s3c_actions.fleet import page as fleet_page
from s3c_actions.fleet import text
from s3c_actions.fleet.report_document import FleetReport
from tests.contract.test_looks import Page as Rendered
from tests.support import fleets
from tests.support.browser import gfm
from tests.support.browser.accessibility import problems
from tests.support.browser.chromium import ADDRESS, Heard, Theme, chromium, opened
from tests.support.hostile import HOSTILE
from tests.unit.fleet.test_page import hostile

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

REPORT = fleets.report(3000, working=600, shards=24, nights=30, forecast=True)
SMALL = fleets.report(150, working=120, nights=3, forecast=True)
SOURCE = fleet_page.render(REPORT).decode()
SMALL_SOURCE = fleet_page.render(SMALL).decode()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def rows(page: Page) -> int:
    return page.locator("#rows tr").count()


@pytest.mark.parametrize("width", [500, 1400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_rules_of_accessibility(browser: Browser, theme: Theme, width: int) -> None:
    with opened(browser, SMALL_SOURCE, theme=theme, width=width) as (page, heard):
        page.locator("#rows details summary").first.click()
        page.locator("button.tile").first.click()
        assert problems(page) == []
        assert heard == Heard()


@pytest.mark.parametrize("width", [320, 500])
def test_on_a_phone_nothing_runs_out_of_the_page(browser: Browser, width: int) -> None:
    with opened(browser, SMALL_SOURCE, width=width) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        cards = page.locator("#rows tr").evaluate_all(
            "all => all.map(card => [card, ...card.querySelectorAll('*')]"
            ".map(element => element.getBoundingClientRect().right))"
        )
        assert cards
        assert max(right for card in cards for right in card) <= width


def test_three_thousand_images_are_there_a_hundred_at_a_time(browser: Browser) -> None:
    with opened(browser, SOURCE, width=1400) as (page, heard):
        expect(page.locator("#shown")).to_have_text("100 of 3,000 shown")
        assert rows(page) == 100
        more = page.locator("#more")
        expect(more).to_have_text("Show 500 more")
        more.click()
        expect(page.locator("#shown")).to_have_text("600 of 3,000 shown")
        assert rows(page) == 600
        assert heard == Heard()


def test_a_finding_or_package_leaves_the_images_that_have_it(browser: Browser) -> None:
    finding = next(finding for finding in REPORT.findings if finding.images > 1)
    with opened(browser, SOURCE, width=1400) as (page, _):
        page.locator("#finding").fill(finding.id)
        expect(page.locator("#shown")).to_have_text(
            f"{finding.images} of {finding.images} shown (3,000 without the filters)"
        )
        expect(page.locator("#rows .matches li").first).to_contain_text(f"{finding.id} {finding.package}")
        page.locator("#clear").click()
        expect(page.locator("#shown")).to_have_text("100 of 3,000 shown")
        expect(page.locator("#finding")).to_have_value("")


def test_the_filters_of_owner_state_and_severity_hold_together(browser: Browser) -> None:
    wanted = [
        image
        for image in REPORT.images
        if image.owner == "team-search" and image.state == "refused" and (image.fixable or {}).get("CRITICAL")
    ]
    assert wanted
    with opened(browser, SOURCE, width=1400) as (page, _):
        page.locator("#owner").select_option(label="team-search")
        page.locator("#state").select_option(label="refused")
        page.locator("#severity").select_option(label="Critical")
        expect(page.locator("#shown")).to_contain_text(f"{len(wanted)} of {len(wanted)} shown")


def test_every_figure_on_top_shows_its_images(browser: Browser) -> None:
    numbers = {
        "attention": REPORT.figures.attention,
        "patched": REPORT.figures.states["patched"],
        "CRITICAL": sum(bool((image.fixable or {}).get("CRITICAL")) for image in REPORT.images),
    }
    with opened(browser, SOURCE, width=1400) as (page, _):
        for name, number in numbers.items():
            tile = page.locator(f'button.tile[data-filter="{name}"]')
            tile.click()
            expect(tile).to_have_attribute("aria-pressed", "true")
            expect(page.locator("#shown")).to_contain_text(f" of {number} shown")
            tile.click()
            expect(page.locator("#shown")).to_have_text("100 of 3,000 shown")


def test_a_reason_shows_its_images(browser: Browser) -> None:
    with opened(browser, SOURCE, width=1400) as (page, _):
        cause = page.locator(".causes li").first
        number = cause.locator("b").inner_text().split()[0]
        cause.get_by_role("button", name="Show only these").click()
        expect(page.locator("#shown")).to_contain_text(f"{number} of {number} shown")


def test_columns_sort_both_ways(browser: Browser) -> None:
    with opened(browser, SOURCE, width=1400) as (page, _):
        critical = page.get_by_role("button", name="Critical", exact=True)
        critical.click()
        counts = page.locator("#rows td.critical").all_inner_texts()
        numbers = [int(count) for count in counts if count != "–"]
        assert numbers == sorted(numbers, reverse=True)
        assert numbers
        owner = page.locator("th[data-column='2'] button")
        owner.click()
        expect(page.locator('th[aria-sort="ascending"]')).to_have_text("Owner")
        owner.click()
        expect(page.locator("#rows td.owner").first).to_have_text("team-web")


def test_an_owner_and_a_finding_are_picked_from_the_tables_on_top(browser: Browser) -> None:
    with opened(browser, SOURCE, width=1400) as (page, _):
        page.get_by_role("button", name="team-data", exact=True).click()
        expect(page.locator("#shown")).to_contain_text("of 375 shown")
        page.locator("#clear").click()
        picked = page.locator("button[data-finding]").first
        name = picked.inner_text()
        picked.click()
        expect(page.locator("#finding")).to_have_value(name)


def test_without_scripts_every_image_can_be_read(browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    context.route("**/*", lambda route: route.fulfill(body=SOURCE, content_type="text/html; charset=utf-8"))
    page.goto(ADDRESS)
    assert rows(page) == 100
    assert page.locator(".others li").count() == 2900
    assert page.locator(".tools").evaluate("tools => getComputedStyle(tools).display") == "none"
    context.close()


@pytest.mark.parametrize("name", ["html", "template", "markdown", "bidi", "surrogate", "long-line"])
def test_hostile_text_does_nothing(browser: Browser, name: str) -> None:
    with opened(browser, fleet_page.render(hostile(HOSTILE[name])).decode(), width=1000) as (page, heard):
        page.locator("#rows details summary").first.click()
        page.locator("#search").fill("zzz-nothing")
        expect(page.locator("#rows tr")).to_have_count(0)
        assert heard == Heard()
        assert page.locator("img, iframe, object").count() == 0


def test_a_script_that_got_in_would_not_run(browser: Browser) -> None:
    injected = SMALL_SOURCE.replace("</main>", "<script>alert(1)</script><img src=//evil.example/x></main>")
    with opened(browser, injected) as (_, heard):
        assert (heard.requests, heard.dialogs) == ([], [])
        assert [error for error in heard.errors if "Content Security Policy" in error]


@pytest.mark.parametrize(
    "report", [SMALL, hostile(HOSTILE["html"]), hostile(HOSTILE["table"]), hostile(HOSTILE["markdown"])]
)
def test_github_shows_summary_and_issue_as_they_are_meant(report: FleetReport) -> None:
    for source in (text.render_summary(report), text.render_issue(report)):
        shown, before = Rendered(gfm.rendered(source)), Rendered(gfm.parsed(source))
        # The sanitiser takes nothing away.
        assert (shown.rows, shown.links, shown.tags, shown.text) == (
            before.rows,
            before.links,
            before.tags,
            before.text,
        )
        assert set(shown.rows) == {4, 5, 8}
        assert not shown.tags & {"img", "script", "h1"}
