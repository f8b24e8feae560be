"""Join a plan with the results of its shards: what every image of the fleet has come to, and what waits for a decision.

Results come from other jobs. A result counts for the image of the plan that it names by digest, and only when it could
be one of this plan's run; what is missing, contradicts itself or is about something else is a failure, never a pass.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from s3c_actions import __version__
from s3c_actions.core.text import counted
from s3c_actions.fleet import break_glass, outlook
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet.figures import (
    SEVERITIES,
    Catalogue,
    Exceptions,
    count_exploited,
    count_losing,
    extend_trend,
    owner_figures,
    sum_counts,
)
from s3c_actions.fleet.outlook import clip
from s3c_actions.fleet.plan import Plan
from s3c_actions.fleet.report_document import (
    ATTENTION,
    FleetReport,
    ReportedImage,
    State,
    TrendPoint,
)
from s3c_actions.fleet.reported_images import (
    Collected,
    describe_current,
    describe_missing,
    describe_reported,
    describe_unplanned,
    result_entry,
)
from s3c_actions.fleet.shard_results import ShardResult, choose_results, find_unfinished, list_admissions, list_patches
from s3c_actions.report.document import ImageResult

if TYPE_CHECKING:
    from s3c_actions.policy.model import Policy


_WORDS: dict[State, str] = {
    "failed": "failed",
    "missing": "without a result",
    "unplanned": "not planned",
    "refused": "refused",
}


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
    chosen, remarks = choose_results(plan, results, now)
    unfinished = find_unfinished(results, chosen)
    catalogue = Catalogue(earlier, now)
    exceptions = Exceptions(policies or {}, default_policy, now)
    collected = Collected(
        catalogue=catalogue, exceptions=exceptions, admissions=list_admissions(results), patches=list_patches(patched)
    )
    images = [
        *(
            describe_reported(image, chosen[image.image], collected)
            if image.image in chosen
            else describe_missing(image, results)
            for image in plan.images
        ),
        *(describe_current(image, collected.admissions) for image in plan.current),
        *(describe_unplanned(image) for image in plan.unplanned),
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
        fixable=sum_counts(image.fixable for image in images),
        fixed=sum(image.fixed for image in images),
        days_to_fix=round(median(catalogue.days), 1) if catalogue.days else None,
        exploited=count_exploited(entry for entry, *_ in chosen.values()),
        losing=count_losing(images),
    )
    report = FleetReport(
        s3c=__version__,
        created=figures.created,
        planned=plan.created,
        exit_code=max([*unfinished.values(), *(image.exit_code for image in images)], default=0),
        figures=figures,
        owners=tuple(owner_figures(images)),
        exceptions=listed,
        findings=findings,
        images=tuple(images),
        trend=extend_trend(earlier, figures),
        notes=tuple(clip(note) for note in (*notes, *remarks, *unfinished, *unknown)),
    )
    return Joined(
        report=report,
        entries=tuple(
            result_entry(image, chosen[image.image][0] if image.image in chosen else None)
            for image in images
            if image.state != "current"
        ),
        sources={image: source for image, (_, source, _) in chosen.items()},
    )


def _urgency(image: ReportedImage) -> tuple[object, ...]:
    states: Sequence[State] = (*ATTENTION, "patched", "passed", "current")
    fixable = image.fixable or {}
    return (
        states.index(image.state),
        *(-fixable.get(name, 0) for name in SEVERITIES),
        image.image,
    )


def describe(report: FleetReport) -> str:
    """Return the verdict on a fleet as a sentence without its full stop."""
    figures = report.figures
    if not figures.attention:
        return f"All {counted(figures.images, 'image')} are in order" if figures.images else "The fleet has no image"
    parts = [f"{figures.states[state]:,} {_WORDS[state]}" for state in ATTENTION if figures.states.get(state)]
    need = "needs" if figures.attention == 1 else "need"
    return f"{figures.attention:,} of {counted(figures.images, 'image')} {need} a decision: {', '.join(parts)}"
