"""Points in time as documents state them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead the clock may be that dated something; what is dated later is believed nowhere."""
DAY_SKEW = timedelta(days=1)
"""The same where days are dated without a zone, as in lists of exploited vulnerabilities."""
_YEARS = range(1900, 9000)
"""Far enough from the ends of the calendar that no zone, tolerance or duration leads out of it."""


def parse_moment(text: str) -> datetime | None:
    """Return the moment of an RFC 3339 time, in UTC.

    Args:
        text: untrusted, such as `2026-11-29T10:00:00.5+01:00`.

    Returns:
        None for what is no time, has no zone, or is at an end of the calendar: Go writes a time that nobody set as
        `0001-01-01T00:00:00Z`.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None and moment.year in _YEARS else None


def format_moment(moment: datetime) -> str:
    """Return a moment, which has a zone, as documents state it: RFC 3339 in whole seconds of UTC, ending with `Z`."""
    # `strftime` does not fill up years with zeros, and Go writes a time that nobody set in the year 1.
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def format_instant(moment: datetime) -> str:
    """Return a moment as `format_moment` does, to the microsecond: what is made in one second has an order."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
