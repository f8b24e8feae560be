"""What all images of a fleet come to together: their findings, the exceptions they rely on, owners and trend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import UNSET

from s3c_actions.core.moments import parse_moment
from s3c_actions.findings.entry import NAMES, FindingEntry, SeverityName
from s3c_actions.findings.model import FindingKind, Severity
from s3c_actions.fleet.outlook import clip
from s3c_actions.fleet.report_document import (
    MAX_COUNT,
    MAX_DAYS,
    MAX_TREND,
    Counts,
    ExpiringException,
    FleetReport,
    OwnerFigures,
    ReportedFinding,
    ReportedImage,
    TrendPoint,
)
from s3c_actions.report.document import ImageResult

if TYPE_CHECKING:
    from s3c_actions.policy.model import AcceptedFinding, Policy


NOTICE_PERIOD = timedelta(days=14)
"""How long before its end an exception is reported."""
SHORT_TEXT = 300
SEVERITIES: tuple[SeverityName, ...] = tuple(NAMES[severity] for severity in sorted(Severity, reverse=True))
_LISTED_UNFIXED = frozenset({"CRITICAL", "HIGH"})
_FindingKey = tuple[str, str]


class Catalogue:
    """The findings of all images, each id and package once, and how long those that were fixed had been known.

    Args:
        earlier: the report that says since when a finding is known; None without one.
        now: since when all others are.
    """

    def __init__(self, earlier: FleetReport | None, now: datetime) -> None:
        self.now = now
        self.since = {(finding.id, finding.package): finding.since for finding in earlier.findings} if earlier else {}
        self.places: dict[_FindingKey, int] = {}
        self.entries: list[FindingEntry] = []
        self.images: Counter[int] = Counter()
        self.days: list[float] = []

    def add(self, remaining: Iterable[FindingEntry]) -> tuple[int, ...]:
        """Return the places of an image's findings that are listed; each counts once for the image."""
        places: dict[int, None] = {}
        for finding in remaining:
            if not finding.fixable and finding.severity not in _LISTED_UNFIXED and not finding.exploited_since:
                continue
            place = self.places.setdefault((finding.id, finding.package), len(self.entries))
            if place == len(self.entries):
                self.entries.append(finding)
            elif _rank(finding) > _rank(self.entries[place]):
                self.entries[place] = finding
            places[place] = None
        self.images.update(list(places))
        return tuple(places)

    def days_to_fix(self, finding: FindingEntry, patched: str) -> float | None:
        """Return how many days passed until a finding was fixed; None when its publication is not known."""
        begin = parse_moment(finding.published or "") or parse_moment(self.since.get((finding.id, finding.package), ""))
        end = parse_moment(patched)
        if finding.kind is not FindingKind.VULNERABILITY or begin is None or end is None:
            return None
        days = min(max(0.0, (end - begin).total_seconds() / 86_400), float(MAX_DAYS))
        self.days.append(days)
        return round(days, 1)

    def ranked(self) -> tuple[tuple[ReportedFinding, ...], list[int]]:
        """Return the findings in order, and the place in it of each that was added."""
        order = sorted(
            range(len(self.entries)),
            key=lambda place: (
                not self.entries[place].exploited_since,
                SEVERITIES.index(self.entries[place].severity),
                -self.images[place],
                self.entries[place].id,
                self.entries[place].package,
            ),
        )
        places = [0] * len(order)
        for new, old in enumerate(order):
            places[old] = new
        created = self.now.astimezone(UTC).isoformat(timespec="seconds")
        findings = tuple(
            ReportedFinding(
                id=clip(finding.id, SHORT_TEXT),
                severity=finding.severity,
                package=clip(finding.package or finding.place, SHORT_TEXT),
                fixed_version=clip(finding.fixed_version, SHORT_TEXT),
                url=clip(finding.url),
                since=self.since.get((finding.id, finding.package), created),
                images=self.images[place],
                exploited_since=clip(finding.exploited_since or "", SHORT_TEXT),
                exploited_due=clip(finding.exploited_due or "", SHORT_TEXT),
                ransomware=finding.ransomware is True,
                epss=None if finding.epss is UNSET else finding.epss,
            )
            for place in order
            for finding in (self.entries[place],)
        )
        return findings, places


def _rank(finding: FindingEntry) -> tuple[int, bool]:
    return -SEVERITIES.index(finding.severity), finding.fixable


class Exceptions:
    """The exceptions of all policies that end soon or have ended, and the images that rely on them.

    Args:
        policies: path, as in the plan → the policy.
        default: path of the policy of images for which the plan names none.
        now: the time of the report.
    """

    def __init__(self, policies: Mapping[str, Policy], default: str, now: datetime) -> None:
        self.default = default
        soon = (now.astimezone(UTC) + NOTICE_PERIOD).date()
        self.ending = {
            path: [exception for exception in policy.exceptions if exception.until <= soon]
            for path, policy in policies.items()
        }
        self.entries = [(path, exception) for path, ending in self.ending.items() for exception in ending]
        self.images: Counter[int] = Counter()

    def add(self, path: str, remaining: Iterable[FindingEntry]) -> tuple[int, ...]:
        """Return the places of those that excuse findings of an image, by the policy that judges it."""
        path = path or self.default
        names = {(finding.id, finding.package) for finding in remaining}
        ids = {name for name, _ in names}
        places = tuple(
            place
            for place, (of, exception) in enumerate(self.entries)
            if of == path
            and exception.id in ids
            and (exception.package is None or (exception.id, exception.package) in names)
        )
        self.images.update(places)
        return places

    def ranked(self) -> tuple[tuple[ExpiringException, ...], dict[int, int]]:
        """Return them in order, and place → place in it."""
        order = sorted(
            range(len(self.entries)),
            key=lambda place: (self.entries[place][1].until, -self.images[place], self.entries[place][1].id),
        )
        exceptions = tuple(_expiring(*self.entries[place], images=self.images[place]) for place in order)
        return exceptions, {old: new for new, old in enumerate(order)}


def _expiring(path: str, exception: AcceptedFinding, *, images: int) -> ExpiringException:
    return ExpiringException(
        policy=path,
        id=clip(exception.id),
        package=clip(exception.package or ""),
        until=exception.until.isoformat(),
        who=clip(exception.who),
        why=clip(exception.why),
        images=images,
    )


def owner_figures(images: Iterable[ReportedImage]) -> list[OwnerFigures]:
    """Return the figures of each owner, those with most to decide first.

    Args:
        images: of the fleet.
    """
    by_owner: dict[str, list[ReportedImage]] = {}
    for image in images:
        by_owner.setdefault(image.owner, []).append(image)
    figures = [
        OwnerFigures(
            owner=owner,
            images=len(owned),
            attention=sum(image.needs_attention for image in owned),
            fixable=sum_counts(image.fixable for image in owned),
            expiring=sum(bool(image.expiring) for image in owned),
        )
        for owner, owned in by_owner.items()
    ]
    return sorted(
        figures,
        key=lambda owner: (
            -owner.attention,
            *(-owner.fixable.get(name, 0) for name in SEVERITIES),
            -owner.images,
            owner.owner,
        ),
    )


def extend_trend(earlier: FleetReport | None, figures: TrendPoint) -> tuple[TrendPoint, ...]:
    """Return the earlier points, the oldest first; a report on the same plan takes the place of the one before.

    Args:
        earlier: the report whose trend goes on; None without one.
        figures: of the new report.
    """
    if earlier is None:
        return ()
    points = {point.plan: point for point in (*earlier.trend, earlier.figures) if point.plan != figures.plan}
    times = [(time, point) for point in points.values() if (time := parse_moment(point.created)) is not None]
    past = [(time, point) for time, point in times if time <= datetime.fromisoformat(figures.created)]
    past.sort(key=lambda entry: entry[0])
    return tuple(point for _, point in past[-(MAX_TREND - 1) :])


def count_exploited(entries: Iterable[ImageResult]) -> int | None:
    """Return how many findings of all images are exploited; None where no run looked it up.

    Args:
        entries: of the results that count.
    """
    numbers = [entry.findings.exploited for entry in entries if entry.findings is not None]
    known = [number for number in numbers if number is not UNSET]
    return min(sum(known), MAX_COUNT) if known else None


def count_losing(images: Iterable[ReportedImage]) -> int | None:
    """Return how many images their policy refuses at the next start; None where none was asked.

    Args:
        images: of the fleet.
    """
    known = [bool(image.losses) for image in images if image.losses is not None]
    return sum(known) if known else None


def sum_counts(counts: Iterable[Counts | None]) -> Counts:
    """Return the sums by severity, the most severe first; of what is not known nothing is added.

    Args:
        counts: of each image; None where they are not known.
    """
    sums: Counter[SeverityName] = Counter()
    for known in counts:
        sums.update(known or {})
    return {name: sums[name] for name in SEVERITIES}
