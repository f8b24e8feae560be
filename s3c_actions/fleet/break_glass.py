"""The break-glass exceptions that images of a fleet rely on, by the results that list them.

`policy check`, `exception list` and `exception grant` judge them with their signatures; a fleet's report repeats that,
and decides nothing by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import UNSET
from msgspec.structs import replace

from s3c_actions.core.moments import parse_moment
from s3c_actions.core.text import first_names, short_digest
from s3c_actions.fleet.report_document import ExpiringException, ReportedImage
from s3c_actions.report.document import ExceptionEntry, ResultDocument

MAX_TEXT = 1000


def list_granted(documents: Iterable[ResultDocument], now: datetime) -> Mapping[str, tuple[ExpiringException, ...]]:
    """Return pinned reference → the exceptions that excuse findings of it, by the newest result on it.

    Args:
        documents: results of any commands.
        now: the time of the report; what is over by then is left out.
    """
    newest: dict[str, tuple[ExceptionEntry, ...]] = {}
    for document in sorted(documents, key=lambda document: document.created):
        for entry in document.images:
            judgement = entry.judgement
            if judgement is not None and judgement.exceptions is not UNSET:
                newest[judgement.reference] = judgement.exceptions
    return {
        reference: granted
        for reference, exceptions in newest.items()
        if (granted := tuple(_expiring(one) for one in exceptions if not one.ignored and _lasts(one.until, now)))
    }


def add_granted(
    images: Sequence[ReportedImage],
    exceptions: Sequence[ExpiringException],
    granted: Mapping[str, tuple[ExpiringException, ...]],
) -> tuple[list[ReportedImage], tuple[ExpiringException, ...]]:
    """Return images and exceptions with those of `list_granted` among them, those that end first coming first."""
    every = [*exceptions]
    extra: dict[int, list[int]] = {}
    for number, image in enumerate(images):
        for exception in granted.get(image.reference, ()):
            extra.setdefault(number, []).append(len(every))
            every.append(exception)
    order = sorted(range(len(every)), key=lambda place: every[place].until)
    places = {old: new for new, old in enumerate(order)}
    return [
        replace(image, expiring=tuple(sorted(places[place] for place in (*image.expiring, *extra.get(number, ())))))
        for number, image in enumerate(images)
    ], tuple(every[place] for place in order)


def _expiring(exception: ExceptionEntry) -> ExpiringException:
    named = "all findings" if "all" in exception.findings else first_names(exception.findings)
    return ExpiringException(
        policy=f"break-glass {short_digest(exception.digest)}"[:MAX_TEXT],
        id=f"{named} (break-glass until {exception.until})"[:MAX_TEXT],
        package="",
        until=exception.until[:10],
        who=exception.who[:MAX_TEXT],
        why=exception.why[:MAX_TEXT],
        images=1,
    )


def _lasts(until: str, now: datetime) -> bool:
    """Return whether a time, which another run wrote, is still to come."""
    end = parse_moment(until)
    return end is not None and end > now
