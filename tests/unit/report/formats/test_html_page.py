"""The layout of the HTML report: columns that have something in them, versions that do not break, a short title."""

from __future__ import annotations

import re
from typing import Any

import pytest

from s3c_actions.findings.model import ScanReport, Severity
from s3c_actions.findings.selection import Selection, select
from s3c_actions.report.formats import html_page
from s3c_actions.report.rendering import PageLink, Rendering
from tests.support import outcomes
from tests.support.situations import EXPLOITED, MIXED

SCORED = outcomes.vulnerability(1, Severity.HIGH, score=7.5)


def page(report: ScanReport, **rendering: Any) -> str:
    return html_page.render(report, Rendering(**rendering)).decode()


def heads(source: str) -> list[str]:
    return re.findall(r'<th scope="col"[^>]*><button[^>]*>(.*?)</button>', source)


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({}, set()),
        ({"score": None}, {"CVSS"}),
        ({"score": 0.0}, set()),
        ({"installed": "", "score": None}, {"CVSS", "Installed"}),
        ({"fixed": "", "status": ""}, {"Fixed in"}),
    ],
)
def test_a_column_is_there_when_some_finding_has_a_value(changes: dict[str, Any], absent: set[str]) -> None:
    every = {"Severity", "Id", "Package or file", "Installed", "Fixed in", "CVSS", "What it is"}
    facts = {"score": 7.5} | changes
    source = page(outcomes.report(*(outcomes.vulnerability(number, Severity.LOW, **facts) for number in range(3))))
    assert set(heads(source)) == every - absent
    assert source.count("<td ") == 3 * len(heads(source))


def test_a_value_of_one_finding_is_enough_also_when_it_is_set_aside() -> None:
    without = outcomes.vulnerability(2, Severity.LOW, score=None)
    assert "CVSS" in heads(page(outcomes.report(without, SCORED)))
    aside = outcomes.vulnerability(3, Severity.LOW, score=4.0, suppressed="not used")
    assert "CVSS" in heads(page(outcomes.report(without, suppressed=(aside,))))


def test_lines_end_between_versions_and_never_within_one() -> None:
    versions = ("2.5.0-1+deb12u2", "3.0.0-rc.1", "9" * (html_page.LONGEST_VERSION + 1))
    source = page(outcomes.report(outcomes.vulnerability(1, Severity.HIGH, fixed=", ".join(versions))))
    assert f'<span class="whole">{versions[0]}</span>, <span class="whole">{versions[1]}</span>, <span>999' in source
    assert ".whole { white-space: nowrap; }" in source


def test_the_title_is_the_tag_and_never_a_whole_digest() -> None:
    pinned = f"localhost:5000/voting-app@{outcomes.AFTER}"
    for source, title in (
        (page(outcomes.report(SCORED)), "localhost:5000/voting-app:1.4.0"),
        (page(outcomes.report(SCORED, image=pinned)), "localhost:5000/voting-app@sha256:33955bb03395…"),
        (page(outcomes.report(SCORED, image=pinned), title="voting-app:1.4.0-1"), "voting-app:1.4.0-1"),
    ):
        assert f"<h1>{title}</h1>" in source
        assert f"<title>{title} · findings</title>" in source


def test_links_to_the_other_pages() -> None:
    links = (PageLink("Before the patch", ""), PageLink("After <the> patch", "patched/report.html"))
    source = page(outcomes.report(SCORED), links=links)
    assert '<span aria-current="page">Before the patch</span>' in source
    assert '<a href="patched/report.html">After &lt;the&gt; patch</a>' in source
    assert '<nav class="related"' not in page(outcomes.report(SCORED))


def test_what_is_exploited_has_a_tile_that_filters_a_column_and_the_first_row() -> None:
    source = page(EXPLOITED)
    assert heads(source)[:4] == ["Severity", "Exploited", "EPSS", "Id"]
    tile = re.search(r'<button[^>]*id="exploited"[^>]*><b>(.*?)</b><span>(.*?)</span><small>(.*?)</small>', source)
    assert tile is not None
    assert tile.groups() == ("1", "Exploited today", "by CISA&#39;s list of 2026-11-22")
    first = re.findall(r'<tr role="row">(.*?)</tr>', source)[0]
    assert "CVE-2024-0003" in first
    assert '<span class="badge attacked" title="listed by CISA on 2026-11-22">exploited</span>' in first
    assert "<dt>KEV of</dt><dd>2026-11-22</dd>" in source


def test_what_is_exploited_and_not_shown_is_counted() -> None:
    source = page(select(EXPLOITED, Selection(severities=(Severity.CRITICAL,))))
    assert "<b>1</b><span>Exploited today</span><small>1 not shown</small>" in source
    assert 'class="tile exploited none"' in source


def test_without_the_data_nothing_is_said_of_it() -> None:
    source = page(MIXED)
    assert 'id="exploited"' not in source
    assert not {"Exploited", "EPSS"} & set(heads(source))
