"""Which tags are one fleet's; what is kept and deleted is tested with a registry (contract/test_fleet.py)."""

from __future__ import annotations

import pytest

from s3c_actions.core.reference import is_tag
from s3c_actions.fleet import retention


@pytest.mark.parametrize(
    ("tag", "series"),
    [
        ("today", "today"),
        ("today-report", "today"),
        ("today-20261129T120000Z-1a2b3c4d", "today"),
        ("s3c-fleet-29391230", "s3c-fleet"),
        ("s3c-fleet-29391230-report", "s3c-fleet"),
        ("s3c-fleet-29391230-20261129T120000Z-1a2b3c4d", "s3c-fleet"),
        ("nightly.2026-11-29", "nightly"),
        ("20261129", ""),
        ("2026-11-29", ""),
        ("team-1", "team-1"),
        ("team-2", "team-2"),
        ("v1.2.3", "v1.2.3"),
        ("app12345678", "app12345678"),
    ],
)
def test_the_series_of_a_tag(tag: str, series: str) -> None:
    assert retention.series(tag) == series


@pytest.mark.parametrize("tag", ["today", "t" * 128])
def test_the_tag_of_a_report_is_a_tag(tag: str) -> None:
    assert is_tag(retention.report_tag(tag))
    assert retention.report_tag(tag).endswith("-report")
