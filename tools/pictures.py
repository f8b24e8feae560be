"""Take the pictures of the documentation: comment, summary and report, light and dark, in Debian's Chromium.

They show recorded findings as GitHub renders their reports; `make pictures` writes docs/pictures.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from s3c_actions.fleet import page as fleet_page
from s3c_actions.report.github import comment, summary
from s3c_actions.result.model import ImageOutcome
from s3c_actions.trace import page as story_page
from tests.support import fleets
from tests.support.browser import gfm, github, scenes
from tests.support.browser.chromium import THEMES, Theme, chromium, opened
from tests.support.debian import program

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        name: of its files, before the theme.
        source: the page's HTML for a theme.
        part: a selector of the part to capture.
        height: in CSS pixels, 0 for all of it.
        drawn: whether the page has diagrams to wait for.
    """

    name: str
    source: Callable[[Theme], str]
    part: str = ".box"
    height: int = 0
    drawn: bool = False


def _comment(*images: ImageOutcome) -> Callable[[Theme], str]:
    text = comment.render([scenes.document(*images)], run_url=scenes.RUN, alerts_url=scenes.ALERTS)
    return lambda theme: github.page(gfm.rendered(text), theme=theme, head=github.commented())


def _summary(theme: Theme) -> str:
    text = summary.render(scenes.document(scenes.patched()))
    return github.page(gfm.rendered(text), theme=theme, head="<b>chain</b> summary", diagrams=True)


PICTURES = (
    Picture("comment", _comment(scenes.patched())),
    Picture("comment-refused", _comment(scenes.refused())),
    Picture("comment-exploited", _comment(scenes.exploited())),
    Picture("comment-changed", _comment(scenes.changed())),
    Picture("comment-several", _comment(scenes.patched(), scenes.clean(), scenes.refused())),
    Picture("summary", _summary, drawn=True),
    Picture("trace", lambda _theme: story_page.render(scenes.traced()).decode(), part="body", height=980),
    Picture("excused", lambda _theme: story_page.render(scenes.excused()).decode(), part="body", height=620),
    Picture(
        "fleet",
        lambda _theme: fleet_page.render(
            fleets.report(3000, working=600, shards=24, nights=30, forecast=True)
        ).decode(),
        part="body",
        height=1000,
    ),
    Picture("preview", lambda _theme: scenes.preview_page(), part="body", height=760),
    Picture("report", lambda _theme: scenes.page(), part="body", height=760),
)


def main() -> int:
    """Take all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    quantise = program("pngquant", "pngquant")
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        for picture in PICTURES:
            for theme in THEMES:
                raw, target = Path(folder) / "raw.png", FOLDER / f"{picture.name}-{theme}.png"
                with opened(browser, picture.source(theme), theme=theme, scale=1.5) as (page, _heard):
                    if picture.drawn:
                        page.wait_for_selector("body[data-drawn]")
                    if picture.height:
                        page.set_viewport_size({"width": 1200, "height": picture.height})
                        page.screenshot(path=raw)
                    else:
                        page.locator(picture.part).screenshot(path=raw)
                command: list[str | Path] = [
                    quantise,
                    "--force",
                    "--speed=1",
                    "--strip",
                    f"--output={target}",
                    "64",
                    raw,
                ]
                subprocess.run(command, check=True)
                print(f"{target.relative_to(FOLDER.parent.parent)}  {target.stat().st_size / 1024:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
