"""Debian's Chromium on pages that ask nobody for anything: what they ask for or run all the same is written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tests.support.debian import program

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Route

PACKAGES = ("chromium", "fonts-liberation", "fonts-noto-color-emoji", "fonts-dejavu-core")
ADDRESS = "https://page.example/"
"""Where pages are said to come from; nothing is sent there."""
MILLISECONDS = 120_000
"""How long a page may take: machines that run tests do much else."""
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")


@dataclass
class Heard:
    """What a page did.

    Attributes:
        requests: addresses it asked for, besides its own.
        dialogs: texts of alerts and the like: only a script opens one.
        errors: uncaught errors, and what the content security policy stopped.
    """

    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, installed from Debian where there is none."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=MILLISECONDS)  # it has a limit of its own, of five seconds
    path = program("chromium", *PACKAGES)
    with sync_playwright() as driver:
        # Debian's wrapper adds flags of its own; root may only run it without the sandbox.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--font-render-hinting=none"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser, html: str, *, theme: Theme = "light", width: int = 1000, scale: float = 1
) -> Iterator[tuple[Page, Heard]]:
    """A page with this source, and what it does while it is open.

    Args:
        browser: to open it in.
        html: the whole page.
        theme: what the reader likes.
        width: of the window, in CSS pixels.
        scale: device pixels for each of them.
    """
    context: BrowserContext = browser.new_context(
        color_scheme=theme, viewport={"width": width, "height": 900}, device_scale_factor=scale, locale="en-GB"
    )
    context.set_default_timeout(MILLISECONDS)
    page, heard = context.new_page(), Heard()

    def answer(route: Route) -> None:
        if route.request.url == ADDRESS:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
            return
        heard.requests.append(route.request.url)
        route.abort()

    def dismiss(dialog: Dialog) -> None:
        heard.dialogs.append(dialog.message)
        dialog.dismiss()

    context.route("**/*", answer)
    page.on("dialog", dismiss)
    page.on("pageerror", lambda error: heard.errors.append(str(error)))
    page.on("console", lambda message: heard.errors.append(message.text) if message.type == "error" else None)
    try:
        page.goto(ADDRESS)
        yield page, heard
    finally:
        context.close()
