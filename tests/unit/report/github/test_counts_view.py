"""Counts by severity: columns, arrows, bars."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from s3c_actions.findings.model import Severity
from s3c_actions.report.document import ResultDocument
from s3c_actions.report.github.counts_view import counts_table, severity_chart
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import outcomes
from tests.unit.report.github.test_comment import RENDERERS, mixed


@RENDERERS
def test_the_overview_says_what_its_arrows_are(render: Callable[[ResultDocument], str]) -> None:
    (head,) = [line for line in render(mixed()).splitlines() if line.startswith("|") and " Image |" in line]
    assert head.count("<sub>before&nbsp;→&nbsp;after</sub>") == 4
    scan = outcomes.scan(outcomes.report())
    images = tuple(ImageOutcome(image=f"{name}:1", scan=scan) for name in "ab")
    unpatched = outcomes.document(Outcome(command="scan", images=images))
    assert "→" not in render(unpatched)


@RENDERERS
def test_unrated_findings_have_a_column_where_an_image_has_some(render: Callable[[ResultDocument], str]) -> None:
    def cells(source: str, start: str) -> list[str]:
        (row,) = [line for line in source.splitlines() if re.match(start, line)]
        return [cell.strip() for cell in row.strip("|").split("|")]

    with_some = render(mixed(unrated=2))
    place = next(n for n, cell in enumerate(cells(with_some, r"\|  ?\| Image")) if cell.startswith("Unknown"))
    assert cells(with_some, r"\| ❌ \| \*\*worker")[place] == "2"
    assert "→" in cells(with_some, r"\| ✅ \| \*\*voting-app")[place]
    assert "Unknown" not in render(mixed())


@pytest.mark.parametrize(
    ("findings", "note", "bars"),
    [
        ((), "nothing found", ""),
        (((Severity.HIGH, "2"),), "it has a fix", "High     1  ▒"),
        (((Severity.HIGH, ""),), "it has no fix yet", "High     1  █"),
        (((Severity.HIGH, "2"), (Severity.LOW, "")), "1 has a fix", "High     1  ▒"),
    ],
)
def test_the_note_and_the_chart_say_what_has_a_fix(
    findings: tuple[tuple[Severity, str], ...], note: str, bars: str
) -> None:
    report = outcomes.report(
        *(outcomes.vulnerability(number, severity, fixed=fixed) for number, (severity, fixed) in enumerate(findings))
    )
    outcome = Outcome(command="scan", images=(ImageOutcome(image="a", scan=outcomes.scan(report)),))
    image = outcomes.document(outcome).images[0]
    (row,) = counts_table(image)
    assert (row["name"], row["note"]) == ("found", note)
    assert row["numbers"][1] == str(sum(severity is Severity.HIGH for severity, _ in findings))
    chart = severity_chart(image)
    assert bars in chart.splitlines() or not bars
    assert bool(chart) is bool(findings)


def test_bars_of_many_findings_are_scaled_and_none_of_them_vanishes() -> None:
    report = outcomes.report(
        *(outcomes.vulnerability(number, Severity.LOW, fixed="") for number in range(400)),
        outcomes.vulnerability(500, Severity.HIGH, fixed=""),
    )
    outcome = Outcome(command="scan", images=(ImageOutcome(image="a", scan=outcomes.scan(report)),))
    bars = {
        line.split()[0]: line.count("█")
        for line in severity_chart(outcomes.document(outcome).images[0]).split("\n")[:4]
    }
    assert bars == {"Critical": 0, "High": 1, "Medium": 0, "Low": 40}
