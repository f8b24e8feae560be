"""`fleet.html`: one file that loads nothing, on which every image can be read with and without its script."""

from __future__ import annotations

import json
import re
from typing import Any

from msgspec.structs import replace

from s3c_actions.fleet import page
from s3c_actions.fleet.report_document import FleetReport
from s3c_actions.report.render.page import csp_hash, page_environment
from s3c_actions.trace import page as trace_page
from tests.support import fleets
from tests.support.hostile import HOSTILE, TEXTS

REPORT = fleets.report(300, working=60, nights=20)
SOURCE = page.render(REPORT).decode()


def data(source: str) -> dict[str, Any]:
    script = re.search(r'<script type="application/json" id="data">(.*?)</script>', source, re.DOTALL)
    assert script is not None
    read: dict[str, Any] = json.loads(script[1])
    return read


def hostile(text: str) -> FleetReport:
    """A report with this text in every place that is not ours to choose."""
    report = fleets.report(30, working=20, nights=2)
    text = text[:1000]
    return replace(
        report,
        owners=tuple(replace(owner, owner=f"{text}{place}") for place, owner in enumerate(report.owners)),
        exceptions=tuple(
            replace(exception, id=text, package=text, who=text, why=text, policy=text)
            for exception in report.exceptions
        ),
        findings=tuple(
            replace(finding, id=text, package=text, fixed_version=text, url=text) for finding in report.findings
        ),
        images=tuple(
            replace(
                image,
                owner=f"{text}0",
                image=f"{text}@{place}",
                names=(text,),
                reason=text,
                remedy=text,
                reference=text,
                scanned=text,
                signature=image.signature and replace(image.signature, signer=text, ends=text),
            )
            for place, image in enumerate(report.images)
        ),
        notes=(text,),
    )


def test_what_runs_and_looks_is_known_by_its_hash() -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', SOURCE)
    style = re.search(r"<style>(.*?)</style>", SOURCE, re.DOTALL)
    script = re.search(r"<script>(.*?)</script>", SOURCE, re.DOTALL)
    assert policy is not None
    assert style is not None
    assert script is not None
    assert policy[1].split("; ") == [
        "default-src 'none'",
        f"style-src '{csp_hash(style[1])}'",
        f"script-src '{csp_hash(script[1])}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert " style=" not in SOURCE
    assert not re.search(r"<(link|img|iframe|object)|\b(src|onclick)=", SOURCE)


def test_every_image_is_read_without_the_script() -> None:
    text = SOURCE.partition('<script type="application/json"')[0]
    for image in REPORT.images:
        assert image.image.partition("@")[0] in text


def test_every_image_is_in_the_script_s_data_and_every_place_in_it_is_there() -> None:
    read = data(SOURCE)
    assert [row[0] for row in read["rows"]] == [image.image.partition("@")[0] for image in REPORT.images]
    assert len(read["findings"]) == len(REPORT.findings)
    for row in read["rows"]:
        assert len(row) == 21
        assert all(place < len(read["findings"]) for place in row[9])
        assert 0 <= row[2] < len(read["owners"])
        assert 0 <= row[3] < len(read["states"])


def test_the_reasons_to_decide_something_come_first_with_the_number_of_their_images() -> None:
    causes = re.findall(r'<li class="bad"><b>([\d,]+) ([a-z ]+)</b>', SOURCE)
    assert sum(int(number) for number, _ in causes) == REPORT.figures.attention
    assert SOURCE.index('id="causes"') < SOURCE.index('id="owners"') < SOURCE.index('id="images"')


def test_a_first_report_has_no_trend_and_an_empty_fleet_has_no_image() -> None:
    first = page.render(fleets.report()).decode()
    assert "This is the first report that is known" in first
    assert "<svg" not in first
    blank = replace(
        REPORT, images=(), owners=(), findings=(), exceptions=(), trend=(), figures=replace(REPORT.figures, states={})
    )
    assert "✔ The fleet has no image." in page.render(blank).decode()


def test_numbers_that_are_not_known_are_no_zeros() -> None:
    current = next(row for row in data(SOURCE)["rows"] if data(SOURCE)["states"][row[3]][2] == "current")
    assert current[8] == [None, None, None, None]


@TEXTS
def test_hostile_text_opens_no_tag(text: str) -> None:
    source = page.render(hostile(text)).decode()
    assert source.count("<script") == 2
    assert "<img" not in source
    assert "alert(1)>" not in source
    data(source)


def test_only_safe_links_are_links() -> None:
    for text in HOSTILE.values():
        assert all(
            not entry[4] or entry[4].startswith("https://")
            for entry in data(page.render(hostile(text)).decode())["findings"]
        )


def test_the_filters_of_a_page_are_its_own() -> None:
    # A run may render both pages, and both have a filter `attacks`.
    fleet, trace = page._environment(), trace_page._environment()
    assert fleet.filters["attacks"] is not trace.filters["attacks"]
    assert "attacks" not in page_environment().filters
