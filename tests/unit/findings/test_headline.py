"""Numbers of findings as sentences."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.findings import headline
from s3c_actions.findings.headline import Tally, describe_exploited
from s3c_actions.findings.model import Hidden, ScanReport, Severity
from s3c_actions.findings.selection import Selection, mark_uncounted, select
from tests.support import outcomes


def report_of(numbers: list[tuple[Severity, bool]]) -> ScanReport:
    return outcomes.report(
        *(
            outcomes.vulnerability(number, severity, fixed="2" if fixed else "")
            for number, (severity, fixed) in enumerate(numbers)
        )
    )


@pytest.mark.parametrize(
    ("numbers", "selection", "sentence"),
    [
        ({}, Selection(), "nothing found"),
        ({Severity.HIGH: 2}, Selection(), "2 findings (2 high)"),
        (
            {Severity.HIGH: 66, Severity.MEDIUM: 144},
            Selection(severities=(Severity.CRITICAL,)),
            "no critical findings (66 high and 144 medium not shown)",
        ),
        (
            {Severity.HIGH: 2, Severity.MEDIUM: 3},
            Selection(severities=(Severity.HIGH, Severity.CRITICAL)),
            "2 findings (2 high; 3 medium not shown)",
        ),
        ({Severity.LOW: 1}, Selection(severities=(Severity.UNKNOWN,)), "1 low not shown"),
    ],
)
def test_the_headline(numbers: dict[Severity, int], selection: Selection, sentence: str) -> None:
    report = report_of([(severity, True) for severity, number in numbers.items() for _ in range(number)])
    assert headline.describe_findings(headline.tally(select(report, selection))) == sentence


def test_unfixed_findings_that_are_left_out_are_named() -> None:
    report = report_of([(Severity.HIGH, False), (Severity.HIGH, False), (Severity.LOW, True)])
    shown = select(report, Selection(fixed_only=True))
    assert shown.counts[Severity.HIGH] is None
    assert headline.describe_findings(headline.tally(shown)) == "1 finding (1 low; 2 high without a fix not shown)"


def test_a_given_report_is_not_known_to_be_complete() -> None:
    empty, some = mark_uncounted(report_of([])), mark_uncounted(report_of([(Severity.HIGH, True)]))
    assert headline.describe_findings(headline.tally(empty)) == "its findings are not known"
    assert headline.describe_findings(headline.tally(some)) == "1 finding (1 high; critical, medium and low not known)"
    assert set(empty.counts.values()) == {None}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, ""),
        ({"scanners": ("secret",)}, "vulnerabilities not looked for"),
        ({"pkg_types": ("library",), "stated": False}, "packages of the operating system not in the report"),
        ({"scanners": ("vuln",), "skip_files": ("a", "b")}, "secrets not looked for, 2 paths skipped"),
        ({"scanners": ("vuln",), "stated": False}, ""),
    ],
)
def test_the_limits_of_a_scan(changes: dict[str, Any], sentence: str) -> None:
    assert headline.describe_limits(replace(outcomes.LOOKED_AT, **changes)) == sentence


@pytest.mark.parametrize(
    ("exploited", "hidden", "text"),
    [
        (None, 0, ""),
        (0, 0, ""),
        (2, 0, "2 exploited today"),
        (2, 2, "2 exploited today (not shown)"),
        (1200, 1, "1,200 exploited today (1 not shown)"),
    ],
)
def test_what_is_exploited_is_counted_where_something_is(exploited: int | None, hidden: int, text: str) -> None:
    counts: dict[Severity, int | None] = dict.fromkeys(Severity, 0)
    numbers = Tally(counts=counts, total=0, fixable=0, hidden=Hidden(exploited=hidden), exploited=exploited)
    assert describe_exploited(numbers) == text
