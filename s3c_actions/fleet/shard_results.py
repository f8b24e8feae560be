"""Which results of other jobs count for a plan, and what they say besides: unfinished shards, patches, admissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec.structs import replace

from s3c_actions.core.moments import parse_moment
from s3c_actions.core.text import counted
from s3c_actions.fleet.outlook import pinned
from s3c_actions.fleet.plan import Plan
from s3c_actions.report.document import ImageResult, PatchEntry, ResultDocument

CLOCK_SKEW = timedelta(minutes=10)
"""By how much the clocks of the jobs of one run may differ."""
OTHER_COMMANDS = frozenset(
    {
        *("deploy", "fleet report", "gate", "policy", "refresh", "trace"),
        *("exception grant", "exception list", "exception revoke"),
    }
)
"""Commands whose results may say what a cluster admits or an exception excuses, and are of no shard."""
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


Chosen = tuple[ImageResult, str, str]
"""Entry of an image, source and time of its result."""


def choose_results(plan: Plan, results: Sequence[ShardResult], now: datetime) -> tuple[dict[str, Chosen], list[str]]:
    """Return the newest entry of each planned image, and sentences on what was left out.

    A result that is dated in time to come would stay the newest, whatever later runs say.

    Args:
        plan: of the fleet.
        results: in any order.
        now: the time of the report.
    """
    planned = {image.reference.pinned: image.image for image in plan.images}
    oldest = parse_moment(plan.created)
    chosen: dict[str, Chosen] = {}
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


def find_unfinished(results: Sequence[ShardResult], chosen: Mapping[str, Chosen]) -> dict[str, int]:
    """Return sentence → exit code of each result that counts, and that ended in an error of no single image.

    Args:
        results: of all shards.
        chosen: those that count.
    """
    sources = {source for _, source, _ in chosen.values()}
    ended = {}
    for result in results:
        document = result.document
        own = max((entry.error.exit_code for entry in document.images if entry.error is not None), default=0)
        if result.source in sources and document.exit_code > own:
            what = document.error.what if document.error is not None else f"exit code {document.exit_code}"
            ended[f"{result.source} ended with: {what}"] = document.exit_code
    return ended


def list_patches(patched: Sequence[ShardResult]) -> dict[str, PatchEntry]:
    """Return digest → the patch that made it, as the runs say that patched.

    Args:
        patched: results of those runs.
    """
    return {
        entry.digest: entry.patch
        for result in patched
        for entry in result.document.images
        if entry.patch is not None and entry.digest and entry.patch.reference.endswith(f"@{entry.digest}")
    }


def list_admissions(results: Sequence[ShardResult]) -> dict[str, Verdict]:
    """Return pinned reference → what a cluster's gate said of it, the newest answer.

    Args:
        results: of shards and of commands that asked a cluster.
    """
    answers: dict[str, Verdict] = {}
    for result in sorted(results, key=lambda result: result.document.created):
        document = result.document
        entries = [entry.admission for entry in document.images if entry.admission is not None]
        for admission in (*entries, *(document.deploy.admissions if document.deploy is not None else ())):
            if (reference := pinned(admission.reference)) and admission.verdict != "unknown":
                answers[reference] = admission.verdict
    return answers
