"""Join a plan with the results of its shards: what every image of the fleet has come to, and what waits for a decision.

Results come from other jobs. A result counts for the image of the plan that it names by digest, and only when it could
be one of this plan's run; what is missing, contradicts itself or is about something else is a failure, never a pass.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from s3c_actions import __version__
from s3c_actions.core.errors import Exit, InputError
from s3c_actions.core.moments import parse_moment
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.findings.entry import NAMES, FindingEntry, SeverityName
from s3c_actions.findings.model import FindingKind, Severity
from s3c_actions.fleet import break_glass, outlook
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.outlook import clip, pinned
from s3c_actions.fleet.plan import CurrentImage, Plan, PlannedImage, UnplannedImage
from s3c_actions.fleet.report_document import (
    ATTENTION,
    MAX_COUNT,
    MAX_DAYS,
    MAX_TREND,
    Counts,
    ExpiringException,
    FleetReport,
    OwnerFigures,
    ReportedFinding,
    ReportedImage,
    Signature,
    State,
    TrendPoint,
)
from s3c_actions.report.document import ErrorEntry, ImageResult, PatchEntry, ResultDocument
from s3c_actions.report.document import Verdict as DocumentVerdict

if TYPE_CHECKING:
    from s3c_actions.policy.model import AcceptedFinding, Policy

NOTICE_PERIOD = timedelta(days=14)
"""How long before its end an exception is reported."""
CLOCK_SKEW = timedelta(minutes=10)
"""By how much the clocks of the jobs of one run may differ."""
OTHER_COMMANDS = frozenset(
    {
        *("deploy", "fleet report", "gate", "policy", "refresh", "trace"),
        *("exception grant", "exception list", "exception revoke"),
    }
)
"""Commands whose results may say what a cluster admits or an exception excuses, and are of no shard."""
SHORT_TEXT = 300
_RUN_AGAIN = "Run its shard again; what it had finished is not done twice."

_SEVERITIES: tuple[SeverityName, ...] = tuple(NAMES[severity] for severity in sorted(Severity, reverse=True))
_WORDS: dict[State, str] = {
    "failed": "failed",
    "missing": "without a result",
    "unplanned": "not planned",
    "refused": "refused",
}
_LISTED_UNFIXED = frozenset({"CRITICAL", "HIGH"})
_FindingKey = tuple[str, str]
Verdict = Literal["admitted", "denied", "unknown"]


class ShardResult(msgspec.Struct, frozen=True, kw_only=True):
    """A result that was read.

    Attributes:
        source: path or place of it, for messages.
        document: its content.
        shard: which shard left it; 0 when that is not known.
    """

    source: str
    document: ResultDocument
    shard: int = 0


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a plan, joined.

    Attributes:
        report: on all images.
        entries: of `result.json`, one for each image that was to be looked at or could not be planned. One that the
            report takes for a failure is a failure there too.
        sources: planned image → the result it was taken from.
    """

    report: FleetReport
    entries: tuple[ImageResult, ...]
    sources: Mapping[str, str]


def join(
    plan: Plan,
    results: Sequence[ShardResult],
    *,
    now: datetime,
    policies: Mapping[str, Policy] | None = None,
    default_policy: str = "",
    earlier: FleetReport | None = None,
    patched: Sequence[ShardResult] = (),
    notes: Sequence[str] = (),
    look_ahead: outlook.LookAhead | None = None,
) -> Joined:
    """Make the report.

    Args:
        plan: of the fleet.
        results: of its shards, and of commands that asked a cluster, in any order.
        now: the time of the report, with its zone.
        policies: path, as in the plan → the policy, of those that could be read.
        default_policy: path of the policy of the images for which the plan names none; empty without one.
        earlier: an earlier report, whose trend goes on.
        patched: of runs that patched without a key, when others signed. They say what was fixed in a digest that a
            result hands on, and prove nothing.
        notes: sentences on what could not be taken into account.
        look_ahead: asks the policies what they will refuse; None: nobody asks.
    """
    digest = f"sha256:{hashlib.sha256(plans.render(plan)).hexdigest()}"
    chosen, remarks = _choose_results(plan, results, now)
    unfinished = _unfinished(results, chosen)
    catalogue = _Catalogue(earlier, now)
    exceptions = _Exceptions(policies or {}, default_policy, now)
    collected = _Collected(
        catalogue=catalogue, exceptions=exceptions, admissions=_admissions(results), patches=_patches(patched)
    )
    images = [
        *(
            _reported(image, chosen[image.image], collected) if image.image in chosen else _missing(image, results)
            for image in plan.images
        ),
        *(_current(image, collected.admissions) for image in plan.current),
        *(_unplanned(image) for image in plan.unplanned),
    ]
    findings, places = catalogue.ranked()
    listed, exception_places = exceptions.ranked()
    images = [
        replace(
            image,
            findings=tuple(sorted(places[place] for place in image.findings)),
            expiring=tuple(sorted(exception_places[place] for place in image.expiring if place in exception_places)),
        )
        for image in images
    ]
    outlooks = look_ahead(outlook.subjects(plan, images, default_policy)) if look_ahead is not None else {}
    images, unknown = outlook.add_losses(images, outlooks, now)
    granted = break_glass.list_granted((result.document for result in results), now)
    judged = {image: ahead.exceptions for image, ahead in outlooks.items() if not ahead.problem}
    images, listed = break_glass.add_granted(images, listed, granted, break_glass.list_judged(judged, now))
    images.sort(key=_urgency)
    figures = TrendPoint(
        created=now.astimezone(UTC).isoformat(timespec="seconds"),
        plan=digest,
        states=dict(Counter(image.state for image in images)),
        fixable=_sum_counts(image.fixable for image in images),
        fixed=sum(image.fixed for image in images),
        days_to_fix=round(median(catalogue.days), 1) if catalogue.days else None,
        exploited=_exploited(entry for entry, *_ in chosen.values()),
        losing=_losing(images),
    )
    report = FleetReport(
        s3c=__version__,
        created=figures.created,
        planned=plan.created,
        exit_code=max([*unfinished.values(), *(image.exit_code for image in images)], default=0),
        figures=figures,
        owners=tuple(_owners(images)),
        exceptions=listed,
        findings=findings,
        images=tuple(images),
        trend=_trend(earlier, figures),
        notes=tuple(clip(note) for note in (*notes, *remarks, *unfinished, *unknown)),
    )
    return Joined(
        report=report,
        entries=tuple(
            _entry(image, chosen[image.image][0] if image.image in chosen else None)
            for image in images
            if image.state != "current"
        ),
        sources={image: source for image, (_, source, _) in chosen.items()},
    )


_Chosen = tuple[ImageResult, str, str]
"""Entry of an image, source and time of its result."""


def _choose_results(plan: Plan, results: Sequence[ShardResult], now: datetime) -> tuple[dict[str, _Chosen], list[str]]:
    """Return the newest entry of each planned image, and sentences on what was left out.

    A result that is dated in time to come would stay the newest, whatever later runs say.
    """
    planned = {image.reference.pinned: image.image for image in plan.images}
    oldest = parse_moment(plan.created)
    chosen: dict[str, _Chosen] = {}
    stale: set[str] = set()
    early: set[str] = set()
    foreign = 0
    for result in results:
        document = result.document
        if document.command in OTHER_COMMANDS:
            continue
        created = parse_moment(document.created)
        if oldest is None or created is None or created < oldest - CLOCK_SKEW:
            stale.add(result.source)
            continue
        if created > now + CLOCK_SKEW:
            early.add(result.source)
            continue
        for entry in document.images:
            image = planned.get(pinned(entry.image))
            if image is None:
                foreign += 1
            elif image not in chosen or created.isoformat() >= chosen[image][2]:
                chosen[image] = (replace(entry, image=image), result.source, created.isoformat())
    remarks = []
    for sources, what in ((stale, "older than the plan"), (early, "dated in time to come")):
        if sources:
            remarks.append(
                f"{counted(len(sources), 'result')} {'is' if len(sources) == 1 else 'are'} {what} and left out: "
                f"{', '.join(sorted(sources)[:3])}{' …' if len(sources) > 3 else ''}."
            )
    if foreign:
        remarks.append(f"{counted(foreign, 'image')} in the results {'is' if foreign == 1 else 'are'} not in the plan.")
    return chosen, remarks


def _unfinished(results: Sequence[ShardResult], chosen: Mapping[str, _Chosen]) -> dict[str, int]:
    """Return sentence → exit code of each result that counts, and that ended in an error of no single image."""
    sources = {source for _, source, _ in chosen.values()}
    ended = {}
    for result in results:
        document = result.document
        own = max((entry.error.exit_code for entry in document.images if entry.error is not None), default=0)
        if result.source in sources and document.exit_code > own:
            what = document.error.what if document.error is not None else f"exit code {document.exit_code}"
            ended[f"{result.source} ended with: {what}"] = document.exit_code
    return ended


def _patches(patched: Sequence[ShardResult]) -> dict[str, PatchEntry]:
    """Return digest → the patch that made it, as the runs say that patched."""
    return {
        entry.digest: entry.patch
        for result in patched
        for entry in result.document.images
        if entry.patch is not None and entry.digest and entry.patch.reference.endswith(f"@{entry.digest}")
    }


def _admissions(results: Sequence[ShardResult]) -> dict[str, Verdict]:
    """Return pinned reference → what a cluster's gate said of it, the newest answer."""
    answers: dict[str, Verdict] = {}
    for result in sorted(results, key=lambda result: result.document.created):
        document = result.document
        entries = [entry.admission for entry in document.images if entry.admission is not None]
        for admission in (*entries, *(document.deploy.admissions if document.deploy is not None else ())):
            if (reference := pinned(admission.reference)) and admission.verdict != "unknown":
                answers[reference] = admission.verdict
    return answers


class _Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What is gathered over all images.

    Attributes:
        admissions: pinned reference → what a cluster's gate said of it.
        patches: digest → the patch that made it, of runs that only patched.
    """

    catalogue: _Catalogue
    exceptions: _Exceptions
    admissions: Mapping[str, Verdict]
    patches: Mapping[str, PatchEntry]


def _blank(image: str, state: State) -> ReportedImage:
    """Return an image of which nothing else is known."""
    return ReportedImage(
        image=image,
        names=(),
        owner="",
        state=state,
        exit_code=0,
        reason="",
        remedy="",
        reference="",
        shard=0,
        scanned="",
        counts=None,
        fixable=None,
        findings=(),
        fixed=0,
        days_to_fix=None,
        expiring=(),
        signature=None,
        admission="unknown",
    )


def _missing(planned: PlannedImage, results: Sequence[ShardResult]) -> ReportedImage:
    """Return an image that has no result, with the error that ended its shard, where that is known."""
    image = replace(
        _blank(planned.image, "missing"),
        names=planned.names,
        owner=planned.owner,
        shard=planned.shard,
        exit_code=int(Exit.OUTSIDE_FAILED),
        reason=f"It has no result: shard {planned.shard} did not end.",
        remedy=_RUN_AGAIN,
    )
    ended = [
        result.document.error
        for result in results
        if result.document.error is not None
        and result.shard in {0, planned.shard}
        and result.document.command not in OTHER_COMMANDS
    ]
    if not ended:
        return image
    return replace(
        image,
        reason=clip(f"{image.reason} A shard ended with: {ended[0].what}"),
        remedy=clip(ended[0].remedy) or image.remedy,
        exit_code=max(image.exit_code, ended[0].exit_code),
    )


def _reported(planned: PlannedImage, chosen: _Chosen, collected: _Collected) -> ReportedImage:
    """Return the entry of an image, by its result."""
    entry, _, created = chosen
    patch, scan = entry.patch or collected.patches.get(entry.digest), entry.last_scan
    newly = patch is not None and patch.patched and not patch.skipped
    image = replace(_judged(planned, entry), names=planned.names, owner=planned.owner, shard=planned.shard)
    if image.state == "passed" and newly:
        image = replace(image, state="patched")
    if patch is not None and newly:
        days = [collected.catalogue.days_to_fix(finding, created) for finding in patch.fixed]
        known_days = [number for number in days if number is not None]
        image = replace(image, fixed=len(patch.fixed), days_to_fix=max(known_days, default=None))
    if scan is not None and entry.findings is not None:
        numbers = {name: entry.findings.of(name.lower()) for name in _SEVERITIES}
        counts = {name: min(number, MAX_COUNT) for name, number in numbers.items() if number is not None}
        fixable = Counter(finding.severity for finding in entry.remaining if finding.fixable)
        image = replace(
            image,
            scanned=clip(scan.created),
            counts=counts,
            fixable={name: fixable[name] for name in counts},
            findings=collected.catalogue.add(entry.remaining),
            expiring=collected.exceptions.add(planned.policy, entry.remaining),
        )
    return replace(
        image,
        reference=clip(entry.reference),
        signature=_signature(entry),
        admission=collected.admissions.get(pinned(entry.reference), "unknown"),
    )


def _judged(planned: PlannedImage, entry: ImageResult) -> ReportedImage:
    """Return the image in the state that its result proves: what is not proved to have passed has failed."""
    error = entry.error
    if error is None and entry.verdict == "passed":
        if problem := _contradiction(planned, entry):
            failed = _blank(planned.image, "failed")
            return replace(failed, exit_code=int(Exit.OUTSIDE_FAILED), reason=problem, remedy=_RUN_AGAIN)
        judged = entry.judgement is not None or (entry.last_scan is not None and entry.last_scan.gated is True)
        passed = _blank(planned.image, "passed")
        return passed if judged else replace(passed, reason="No gate judged it.")
    code = error.exit_code if error is not None else int(Exit.REFUSED) if entry.verdict == "refused" else 0
    if code == 0 or (entry.verdict == "failed" and code == Exit.REFUSED):
        code = int(Exit.OUTSIDE_FAILED)
    return replace(
        _blank(planned.image, "refused" if code == Exit.REFUSED else "failed"),
        exit_code=code,
        reason=clip(error.what) if error is not None else "Its result gives no reason.",
        remedy=clip(error.remedy) if error is not None else _RUN_AGAIN,
    )


def _entry(image: ReportedImage, result: ImageResult | None) -> ImageResult:
    """Return the entry of an image for `result.json`: its own, with the report's error where it has none."""
    explained = result is not None and result.error is not None and result.verdict != "passed"
    if result is not None and (explained or not image.needs_attention):
        return result
    error = ErrorEntry(
        what=image.reason,
        cause="",
        remedy=image.remedy,
        image=image.image,
        field=None,
        original="",
        exit_code=image.exit_code or int(Exit.OUTSIDE_FAILED),
    )
    verdict: DocumentVerdict = "refused" if image.exit_code == Exit.REFUSED else "failed"
    if result is not None:
        return replace(result, verdict=verdict, error=error, reference="", digest="")
    return ImageResult(
        image=image.image,
        reference="",
        digest="",
        verdict=verdict,
        error=error,
        findings=None,
        remaining=(),
        set_aside=(),
        base=None,
        files={},
        scan=None,
        patch=None,
        rescan=None,
        sign=None,
        attach=None,
        judgement=None,
        verify=None,
        admission=None,
    )


def _contradiction(planned: PlannedImage, entry: ImageResult) -> str:
    """Return why a result that says passed does not prove it, as a sentence; empty when it does."""
    if entry.last_scan is None:
        return "Its result says that it passed, and has no scan."
    try:
        reference = Reference.parse(entry.reference)
        allowed = {planned.reference.name, *([Reference.parse(planned.target).name] if planned.target else [])}
    except InputError:
        return "Its result says that it passed, and names no image by digest."
    if not reference.digest:
        return "Its result says that it passed, and names no image by digest."
    if reference.name not in allowed:
        return clip(f"Its result is about an image of another repository, {reference.name}.")
    return ""


def _signature(entry: ImageResult) -> Signature | None:
    sign, verify = entry.sign, entry.verify
    if sign is not None:
        # With a time-stamp a signature outlives its certificate.
        ends = [sign.expires] if sign.timestamped else [sign.expires, sign.certificate.not_after]
        return Signature(
            signer=clip(sign.certificate.subject), ends=clip(min((end for end in ends if end), default=""))
        )
    return Signature(signer=clip(verify.signer), ends="") if verify is not None else None


def _current(image: CurrentImage, admissions: Mapping[str, Verdict]) -> ReportedImage:
    """Return an image that needs nothing: its signed evidence says so, and the plan judged that."""
    reference = pinned(image.patch) or pinned(image.image)
    return replace(
        _blank(image.image, "current"),
        names=image.names,
        owner=image.owner,
        reason=clip(image.reason),
        reference=reference,
        scanned=clip(image.created),
        counts={name: image.counts[name] for name in _SEVERITIES if name in image.counts},
        signature=Signature(signer="", ends=""),
        admission=admissions.get(reference, "unknown"),
    )


def _unplanned(image: UnplannedImage) -> ReportedImage:
    return replace(
        _blank(image.image, "unplanned"),
        owner=image.owner,
        exit_code=image.exit_code,
        reason=clip(image.what),
        remedy=clip(image.remedy),
    )


class _Catalogue:
    """The findings of all images, each id and package once, and how long those that were fixed had been known."""

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
                _SEVERITIES.index(self.entries[place].severity),
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
    return -_SEVERITIES.index(finding.severity), finding.fixable


class _Exceptions:
    """The exceptions of all policies that end soon or have ended, and the images that rely on them."""

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


def _owners(images: Iterable[ReportedImage]) -> list[OwnerFigures]:
    """Return the figures of each owner, those with most to decide first."""
    by_owner: dict[str, list[ReportedImage]] = {}
    for image in images:
        by_owner.setdefault(image.owner, []).append(image)
    figures = [
        OwnerFigures(
            owner=owner,
            images=len(owned),
            attention=sum(image.needs_attention for image in owned),
            fixable=_sum_counts(image.fixable for image in owned),
            expiring=sum(bool(image.expiring) for image in owned),
        )
        for owner, owned in by_owner.items()
    ]
    return sorted(
        figures,
        key=lambda owner: (
            -owner.attention,
            *(-owner.fixable.get(name, 0) for name in _SEVERITIES),
            -owner.images,
            owner.owner,
        ),
    )


def _trend(earlier: FleetReport | None, figures: TrendPoint) -> tuple[TrendPoint, ...]:
    """Return the earlier points, the oldest first; a report on the same plan takes the place of the one before."""
    if earlier is None:
        return ()
    points = {point.plan: point for point in (*earlier.trend, earlier.figures) if point.plan != figures.plan}
    times = [(time, point) for point in points.values() if (time := parse_moment(point.created)) is not None]
    past = [(time, point) for time, point in times if time <= datetime.fromisoformat(figures.created)]
    past.sort(key=lambda entry: entry[0])
    return tuple(point for _, point in past[-(MAX_TREND - 1) :])


def _urgency(image: ReportedImage) -> tuple[object, ...]:
    states: Sequence[State] = (*ATTENTION, "patched", "passed", "current")
    fixable = image.fixable or {}
    return (
        states.index(image.state),
        *(-fixable.get(name, 0) for name in _SEVERITIES),
        image.image,
    )


def _exploited(entries: Iterable[ImageResult]) -> int | None:
    """Return how many findings of all images are exploited; None where no run looked it up."""
    numbers = [entry.findings.exploited for entry in entries if entry.findings is not None]
    known = [number for number in numbers if number is not UNSET]
    return min(sum(known), MAX_COUNT) if known else None


def _losing(images: Iterable[ReportedImage]) -> int | None:
    """Return how many images their policy refuses at the next start; None where none was asked."""
    known = [bool(image.losses) for image in images if image.losses is not None]
    return sum(known) if known else None


def _sum_counts(counts: Iterable[Counts | None]) -> Counts:
    """Return the sums by severity, the most severe first; of what is not known nothing is added."""
    sums: Counter[SeverityName] = Counter()
    for known in counts:
        sums.update(known or {})
    return {name: sums[name] for name in _SEVERITIES}


def describe(report: FleetReport) -> str:
    """Return the verdict on a fleet as a sentence without its full stop."""
    figures = report.figures
    if not figures.attention:
        return f"All {counted(figures.images, 'image')} are in order" if figures.images else "The fleet has no image"
    parts = [f"{figures.states[state]:,} {_WORDS[state]}" for state in ATTENTION if figures.states.get(state)]
    need = "needs" if figures.attention == 1 else "need"
    return f"{figures.attention:,} of {counted(figures.images, 'image')} {need} a decision: {', '.join(parts)}"
