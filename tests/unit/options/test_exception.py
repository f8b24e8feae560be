"""What the inputs of `s3c exception` take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from s3c_actions.options import exception


def test_the_end_is_a_duration_or_a_time_with_its_zone() -> None:
    assert exception.exception_end("24h") == timedelta(hours=24)
    assert exception.exception_end(" 1h30m ") == timedelta(minutes=90)
    assert exception.exception_end("2026-12-01T08:00Z") == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert exception.exception_end("2026-12-01T08:00:07.5+02:00") == datetime(2026, 12, 1, 6, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "59s", "72h1s", "0", "-1h", "2026-12-01", "2026-12-01T08:00", "1h2026", "0001-01-01T00:00+14:00"],
)
def test_no_other_end_is_one(text: str) -> None:
    with pytest.raises(ValueError, match="a duration"):
        exception.exception_end(text)


def test_findings_are_named_once_and_all_in_any_case() -> None:
    assert exception.exception_findings("CVE-2024-1, GHSA-x,CVE-2024-1") == ("CVE-2024-1", "GHSA-x")
    assert exception.exception_findings("ALL") == ("all",)


@pytest.mark.parametrize("text", ["", "CVE 2024", "CVE-1;ls", "x" * 101, ",".join(f"CVE-{n}" for n in range(51))])
def test_what_is_no_identifier_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="identifiers of findings"):
        exception.exception_findings(text)


def test_reason_and_author_are_one_printable_line() -> None:
    assert exception.exception_reason("  checkout\n is down ") == "checkout is down"
    assert exception.exception_author("Ada  Lovelace") == "Ada Lovelace"
    for text in ("no", "", "x" * 1001, "red \x1b[31m", "hidden \u202e"):
        with pytest.raises(ValueError, match="a reason"):
            exception.exception_reason(text)
    for text in ("", " ", "x" * 301, "\x07"):
        with pytest.raises(ValueError, match="a name"):
            exception.exception_author(text)
