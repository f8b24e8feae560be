"""Why a gate is closed: one error, that of the weightiest reason, with what was not done because of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.findings.model import Severity
from s3c_actions.findings.threshold import Threshold
from s3c_actions.policy.objection import Objection
from s3c_actions.steps.closed_gate import closed_gate_error
from tests.support.samples import finding, scan

GATE, OPEN = Threshold(Severity.HIGH), Threshold(None)
REASONS: list[tuple[dict[str, Any], str]] = [
    ({"refused": (finding(),)}, "1 high finding has a fix: bump openssl"),
    (
        {"objections": (Objection("old-base", "the base is old"), Objection("x", "so is it"))},
        "The base is old; so",
    ),
    ({"missing": ("secret",)}, "requires a scan that looks at secrets"),
    ({"outdated": "The report is 9 days old."}, "9 days old"),
    ({"blind": "No advisories are known."}, "No advisories are known"),
]


@pytest.mark.parametrize("place", range(len(REASONS)))
def test_the_weightiest_reason_is_named_with_what_was_not_done(place):
    facts: dict[str, Any] = {}
    for more, _ in REASONS[place:]:
        facts |= more
    result = scan(finding())
    error = closed_gate_error(replace(result, **facts), GATE, consequence="Nothing was signed.")
    assert error is not None
    assert REASONS[place][1] in error.what
    assert "Nothing was signed." in error.what + error.remedy
    assert error.image == result.reference


def test_without_a_reason_it_is_open():
    assert closed_gate_error(scan(finding()), GATE) is None


def test_a_scan_that_could_see_nothing_passes_where_no_gate_closes():
    assert closed_gate_error(replace(scan(), blind="No advisories are known."), OPEN) is None
