"""The break-glass exceptions that images of a fleet rely on.

A report that can ask an image's policy judges them itself. Of other images it repeats the results of `policy check`,
`exception list` and `exception grant`, which judge them with their signatures; it decides nothing by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import UNSET
from msgspec.structs import replace

from s3c_actions.core.exception_document import ALL
from s3c_actions.core.moments import format_moment, parse_moment
from s3c_actions.core.text import first_names, short_digest
from s3c_actions.fleet.outlook import clip
from s3c_actions.fleet.report_document import ExpiringException, ReportedImage
from s3c_actions.policy.break_glass import JudgedException
from s3c_actions.report.document import ExceptionEntry, ResultDocument


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
        if (
            granted := tuple(
                _expiring(exception.digest, exception.findings, exception.until, exception.who, exception.why)
                for exception in exceptions
                if not exception.ignored and _lasts(exception.until, now)
            )
        )
    }


def list_judged(
    judged: Mapping[str, Sequence[JudgedException]], now: datetime
) -> Mapping[str, tuple[ExpiringException, ...]]:
    """Return image → the exceptions that excuse findings of it, of those that were judged with their signatures.

    Args:
        judged: image of the report → the exceptions beside it; an image that has none is there too.
        now: the time of the report.
    """
    return {
        image: tuple(
            _expiring(
                exception.digest,
                exception.grant.findings,
                format_moment(exception.grant.until),
                exception.grant.who,
                exception.grant.why,
            )
            for exception in exceptions
            if exception.counts and exception.grant is not None and exception.grant.until > now
        )
        for image, exceptions in judged.items()
    }


def add_granted(
    images: Sequence[ReportedImage],
    exceptions: Sequence[ExpiringException],
    granted: Mapping[str, tuple[ExpiringException, ...]],
    judged: Mapping[str, tuple[ExpiringException, ...]],
) -> tuple[list[ReportedImage], tuple[ExpiringException, ...]]:
    """Return images and exceptions with the break-glass exceptions among them, those that end first coming first.

    Args:
        images: of the report.
        exceptions: of the report.
        granted: of `list_granted`.
        judged: of `list_judged`; of an image that is in it, `granted` does not count.
    """
    every = [*exceptions]
    extra: dict[int, list[int]] = {}
    for number, image in enumerate(images):
        for exception in judged.get(image.image, granted.get(image.reference, ())):
            extra.setdefault(number, []).append(len(every))
            every.append(exception)
    order = sorted(range(len(every)), key=lambda place: (every[place].until, every[place].ends))
    places = {old: new for new, old in enumerate(order)}
    return [
        replace(image, expiring=tuple(sorted(places[place] for place in (*image.expiring, *extra.get(number, ())))))
        for number, image in enumerate(images)
    ], tuple(every[place] for place in order)


def _expiring(digest: str, findings: Sequence[str], until: str, who: str, why: str) -> ExpiringException:
    named = "all findings" if ALL in findings else first_names(findings)
    return ExpiringException(
        policy=clip(f"break-glass {short_digest(digest)}"),
        id=clip(f"{named} (break-glass until {until})"),
        package="",
        until=until[:10],
        who=clip(who),
        why=clip(why),
        images=1,
        ends=clip(until),
    )


def _lasts(until: str, now: datetime) -> bool:
    """Return whether a time, which another run wrote, is still to come."""
    end = parse_moment(until)
    return end is not None and end > now
