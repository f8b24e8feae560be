"""Read the times in documents of others, which may state any: a malformed one is none, and never an error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead the clock may be that dated something; what is dated later is believed nowhere."""
_LEAST, _MOST = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)
"""A time zone, a tolerance or a span may be added to what lies between. Go's zero time, the year 1, is no time."""


def parse_moment(text: str) -> datetime | None:
    """Return the time of a text in RFC 3339, in UTC; None for another text, one without a zone, or out of range."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo is not None else datetime.min.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _LEAST <= moment <= _MOST else None
