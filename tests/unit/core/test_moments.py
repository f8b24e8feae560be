"""Times of documents, whatever stands in their place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from s3c_actions.core.moments import format_instant, format_moment, parse_moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-29T10:00:00Z",
        "2026-11-29T11:00:00+01:00",
        "2026-11-28T20:00:00-14:00",
        "2026-11-29T10:00:00.000000000Z",
    ],
)
def test_one_moment_has_many_spellings(text: str) -> None:
    assert parse_moment(text) == datetime(2026, 11, 29, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-29",
        "2026-11-29T10:00:00",
        "2026-02-30T00:00:00Z",
        "2026-11-29T25:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        "10000-01-01T00:00:00Z",
    ],
)
def test_what_is_no_moment_is_none(text: str) -> None:
    assert parse_moment(text) is None


@pytest.mark.parametrize("text", ["1900-01-01T00:00:00+14:00", "8999-12-31T23:59:59-14:00"])
def test_every_moment_can_be_calculated_with(text: str) -> None:
    moment = parse_moment(text)
    assert moment is not None
    assert moment - timedelta(days=36_500) < moment < moment + timedelta(days=36_500)


@pytest.mark.parametrize("text", ["2026-11-29T12:30:00Z", "2026-11-29T13:30:00.999+01:00", "2026-11-28T22:30:00-14:00"])
def test_a_moment_is_written_in_whole_seconds_of_utc(text: str) -> None:
    assert format_moment(datetime.fromisoformat(text)) == "2026-11-29T12:30:00Z"


def test_instants_of_one_second_have_an_order() -> None:
    first, second = (datetime.fromisoformat(f"2026-11-29T13:30:00.{end}+01:00") for end in ("000001", "999"))
    assert [format_instant(first), format_instant(second)] == [
        "2026-11-29T12:30:00.000001Z",
        "2026-11-29T12:30:00.999000Z",
    ]
    assert parse_moment(format_instant(first)) == first


def test_a_year_has_four_digits() -> None:
    unset = datetime(1, 1, 1, tzinfo=UTC)
    assert (format_moment(unset), format_instant(unset)) == ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z")
