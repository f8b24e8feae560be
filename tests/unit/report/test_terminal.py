"""The worst findings as rows: aligned, within the terminal, and no version is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3c_actions.findings.model import Severity
from s3c_actions.report.terminal import finding_rows
from tests.support import outcomes
from tests.support.hostile import TEXTS

LONG = outcomes.vulnerability(
    1, Severity.CRITICAL, installed="1:2.36-9+deb12u7", fixed="1:2.36-9+deb12u13", title="x" * 200
)
SHORT = outcomes.vulnerability(2, Severity.LOW, fixed="", status="will_not_fix", package="a")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_rows_are_aligned_and_fit(width: int) -> None:
    first, second = finding_rows(outcomes.report(LONG, SHORT), width=width, most=10, more=None)
    assert "1:2.36-9+deb12u7 → 1:2.36-9+deb12u13" in first
    assert "3.0.9-1 → will not fix" in second
    assert first.index("CVE-") == second.index("CVE-")
    assert width < 80 or len(first) <= width


def test_the_rest_is_counted_with_its_place() -> None:
    many = outcomes.report(*(outcomes.vulnerability(number, Severity.HIGH) for number in range(1, 1211)))
    rows = finding_rows(many, width=80, most=10, more=Path("s3c-out/voting-app/report.html"))
    assert len(rows) == 11
    assert rows[-1] == "  1,200 more: s3c-out/voting-app/report.html"


@TEXTS
def test_hostile_text(text: str) -> None:
    finding = outcomes.vulnerability(
        1, Severity.HIGH, id=text, package=text, installed=text, fixed=text, title=text, target=text, status=text
    )
    rows = finding_rows(outcomes.report(finding, finding), width=80, most=1, more=Path("x"))
    assert len(rows) == 2
    assert all(row.isprintable() for row in rows)
