"""The fleet's report as summary, issue and terminal lines."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from s3c_actions.fleet import text as fleet_text
from s3c_actions.report.render import markdown
from tests.support import fleets
from tests.support.hostile import TEXTS
from tests.unit.fleet.test_page import hostile
from tests.unit.report.test_golden import check

REPORT = fleets.report(nights=3)
ORDERLY = replace(fleets.report(6, working=4, shards=1, without=(), unplanned=0), exceptions=())


def test_summary() -> None:
    check("fleet/summary.md", fleet_text.render_summary(REPORT))
    check("fleet/orderly.md", fleet_text.render_summary(ORDERLY))


def test_issue() -> None:
    check("fleet/issue.md", fleet_text.render_issue(REPORT, run_url="https://github.example/octo/shop/actions/runs/1"))


def test_terminal() -> None:
    check("fleet/terminal.txt", fleet_text.render_terminal(REPORT))


def test_the_title_says_what_there_is_to_decide() -> None:
    assert fleet_text.issue_title(REPORT) == "Fleet: 11 of 40 images need a decision"
    assert fleet_text.issue_title(replace(ORDERLY, exceptions=REPORT.exceptions)) == ("Fleet: 2 exceptions end soon")


def test_there_is_an_issue_while_something_is_to_be_decided_or_ends() -> None:
    assert fleet_text.has_issue(REPORT)
    assert fleet_text.has_issue(replace(ORDERLY, exceptions=REPORT.exceptions))
    assert not fleet_text.has_issue(ORDERLY)


@pytest.mark.parametrize("images", [3000, 6000])
@pytest.mark.slow
def test_thousands_of_images_fit_into_summary_and_issue(images: int) -> None:
    small = fleets.report(40, working=30)
    waiting = next(image for image in small.images if image.state == "failed")
    many = tuple(
        replace(waiting, image=f"registry.example/{'x' * 200}-{number}:1", reason=f"{number} " + "y" * 900)
        for number in range(images)
    )
    report = replace(small, images=many, figures=replace(small.figures, states={"failed": images}))
    summary = fleet_text.render_summary(report)
    assert len(summary.encode()) <= fleet_text.SUMMARY_BYTES
    assert f"{images:,} of {images:,} images" in summary
    assert "more rows" in summary
    issue = fleet_text.render_issue(report)
    assert len(issue) <= 65_000
    assert issue.endswith("closed when nothing is left.\n")
    assert len(fleet_text.render_terminal(report).splitlines()) < 60


@TEXTS
def test_hostile_text_stays_in_its_cell(text: str) -> None:
    report = hostile(text)
    for source in (fleet_text.render_summary(report), fleet_text.render_issue(report)):
        rows = [line for line in source.splitlines() if line.startswith("|")]
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows if not re.fullmatch(r"[|:-]+", row)}
        assert widths <= {5, 6, 9}, widths
        outside = re.sub(r"`[^`]*`", "", source)
        assert not re.search(r"<(?!/?(details|summary|code|br)\b)", outside)
        assert "](javascript" not in source
    lines = fleet_text.render_terminal(report)
    assert all(line.isprintable() for line in lines.splitlines())


def test_a_summary_compiles_nothing_once_it_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet_text.prepare()
    markdown.markdown_environment().get_template("parts.md.j2")

    def compile_again(*_: object, **__: object) -> None:
        raise AssertionError("a template is compiled that was not prepared")

    monkeypatch.setattr("jinja2.Environment.compile", compile_again)
    assert re.search(r"11 of 40", fleet_text.render_summary(REPORT))
