"""Times in documents of others: what is none, and what cannot be counted with, is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from s3c_actions.core.moments import parse_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-29T10:00:00Z", datetime(2026, 11, 29, 10, tzinfo=UTC)),
        ("2026-11-29T10:00:00.5+02:00", datetime(2026, 11, 29, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-29T10:00:00", None),
        ("2026-11-29", None),
        ("soon", None),
        ("", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("9999-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59-23:00", None),
    ],
)
def test_a_time_is_in_utc_or_none(text, moment):
    assert parse_moment(text) == moment


@pytest.mark.parametrize("text", ["0002-01-01T00:00:00Z", "9998-12-31T00:00:00Z"])
def test_every_time_can_be_counted_with(text):
    moment = parse_moment(text)
    assert moment is not None
    for span in (timedelta(days=300), timedelta(days=-300)):
        assert (moment + span).astimezone(UTC) - moment == span
