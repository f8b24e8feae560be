"""The page of `s3c trace` in Debian's Chromium: accessible, asks for nothing, runs nothing, by keyboard, in print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from s3c_actions.trace import page as story_page
from s3c_actions.trace.model import Trace
from tests.support import stories
from tests.support.browser import scenes
from tests.support.browser.accessibility import problems
from tests.support.browser.chromium import Theme, chromium, opened
from tests.support.hostile import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

STORIES = {"patched": stories.patched(), "denied": stories.denied()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def source(story: Trace) -> str:
    return story_page.render(story).decode()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", STORIES)
def test_the_rules_of_accessibility(browser: Browser, name: str, theme: Theme) -> None:
    with opened(browser, source(STORIES[name]), theme=theme) as (page, heard):
        page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
        assert problems(page) == []
        assert (heard.requests, heard.dialogs, heard.errors) == ([], [], [])


def test_axe_finds_what_is_wrong(browser: Browser) -> None:
    page_source = source(STORIES["patched"]).replace('<html lang="en">', "<html>")
    with opened(browser, page_source) as (page, _):
        assert [problem for problem in problems(page) if problem.startswith("html-has-lang")]


@pytest.mark.parametrize(
    "text", [HOSTILE[name] for name in ("html", "template", "markdown", "bidi", "mention", "ansi-title")]
)
def test_hostile_text_is_inert(browser: Browser, text: str) -> None:
    with opened(browser, source(stories.hostile(text))) as (page, heard):
        assert (heard.requests, heard.dialogs, heard.errors) == ([], [], [])
        assert page.locator("script, img, iframe, object").count() == 0


def test_a_script_that_got_in_would_not_run(browser: Browser) -> None:
    page_source = source(STORIES["patched"]).replace(
        "<footer>", "<script>alert(1)</script><img src=//evil.example/x><footer>"
    )
    with opened(browser, page_source) as (_, heard):
        assert (heard.requests, heard.dialogs) == ([], [])
        assert [error for error in heard.errors if "Content Security Policy" in error]


def test_by_keyboard_on_a_phone_and_in_print(browser: Browser) -> None:
    with opened(browser, source(STORIES["patched"]), width=390) as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the text"
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("#story$"))
        page.locator("summary", has_text="Fixed").focus()
        page.keyboard.press("Enter")
        expect(page.locator("details[open] summary", has_text="Fixed")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("width", [320, 500, 1280])
def test_no_text_of_the_picture_leaves_its_box(browser: Browser, width: int) -> None:
    for story in (*STORIES.values(), scenes.traced()):
        with opened(browser, source(story), width=width) as (page, _):
            left = page.locator("svg:visible g").evaluate_all("""all => all.flatMap(group => {
                const box = group.querySelector("rect").getBoundingClientRect();
                return [...group.querySelectorAll("text")]
                    .filter(text => text.getBoundingClientRect().right > box.right)
                    .map(text => text.textContent);
            })""")
            assert left == []


@pytest.mark.parametrize("width", [320, 500, 800, 801, 1280])
def test_the_picture_fits_the_screen(browser: Browser, width: int) -> None:
    """By one of its two forms; on paper by the wide one."""
    for story in (*STORIES.values(), scenes.traced()):
        with opened(browser, source(story), width=width) as (page, _):
            picture, frame = page.locator("figure svg:visible"), page.locator("figure")
            assert picture.get_attribute("class") == ("down" if width <= 800 else "across")
            assert frame.evaluate("frame => frame.scrollWidth <= frame.clientWidth")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.emulate_media(media="print")
            assert picture.get_attribute("class") == "across"
