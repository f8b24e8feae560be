"""Fleets of any size: the plan of one, and the results that its shards leave."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from s3c_actions.core.errors import OutsideError, Refused
from s3c_actions.findings.model import Finding, Severity, rank_findings
from s3c_actions.fleet import summarize
from s3c_actions.fleet.outlook import Outlook, Subject
from s3c_actions.fleet.plan import CurrentImage, Plan, PlannedImage, UnplannedImage
from s3c_actions.fleet.report_document import FleetReport, TrendPoint
from s3c_actions.fleet.shard_results import ShardResult
from s3c_actions.policy import model as policies
from s3c_actions.policy.forecast import Change
from s3c_actions.policy.model import Policy
from s3c_actions.policy.objection import Objection
from s3c_actions.report.document import ResultDocument
from s3c_actions.result.model import Admission, ImageOutcome, LeftFinding, Outcome, PatchResult
from tests.support import outcomes

TEAMS = ("payments", "search", "web", "platform", "data", "mobile", "identity", "logistics")
KINDS = ("api", "worker", "web", "db", "batch", "proxy")
PLANNED = "2026-11-23T06:30:00Z"
POLICY = policies.parse(
    """
version: 1
findings: {refuse: [CRITICAL, HIGH], fixable-only: true}
exceptions:
  - {id: CVE-2024-0104, package: libssl1, until: 2026-11-28, why: "the parser is not reachable", who: "ada@example.com"}
  - {id: CVE-2024-0107, until: 2026-11-20, why: "waits for the vendor", who: "web team"}
  - {id: CVE-2024-0110, until: 2027-06-30, why: "not used", who: "web team"}
"""
)


def digest(number: int, patched: bool = False) -> str:
    """The digest of an image of the fleet."""
    return f"sha256:{hashlib.sha256(f'{number} {patched}'.encode()).hexdigest()}"


def name(number: int) -> str:
    """Registry and repository of an image."""
    return f"registry.example/{TEAMS[number % len(TEAMS)]}/{KINDS[number % len(KINDS)]}-{number:04d}"


def owner(number: int) -> str:
    """Whose it is; nobody's, of every fortieth."""
    return "" if number % 40 == 39 else f"team-{TEAMS[number % len(TEAMS)]}"


def planned(number: int, shards: int, **changes: Any) -> PlannedImage:
    """An image with work to do."""
    image = f"{name(number)}:{1 + number % 3}.{number % 10}@{digest(number)}"
    facts: dict[str, Any] = {
        "image": image,
        "names": (image.partition("@")[0],),
        "owner": owner(number),
        "seconds": 30.0,
        "reason": "its report is older than a day",
        "shard": 1 + number % shards,
    }
    return PlannedImage(**facts | changes)


def current(number: int) -> CurrentImage:
    """An image that needs nothing."""
    image = f"{name(number)}:{1 + number % 3}.{number % 10}@{digest(number)}"
    return CurrentImage(
        image=image,
        names=(image.partition("@")[0],),
        owner=owner(number),
        reason="its signed report is younger than a day, and has nothing to fix",
        report=digest(number, patched=True),
        created=(outcomes.NOW - timedelta(hours=1 + number % 30)).isoformat(),
        counts={"MEDIUM": number % 7, "LOW": number % 23},
    )


def plan(images: int, *, working: int, shards: int = 4, unplanned: int = 1) -> Plan:
    """A plan of so many images, so many of which have work to do."""
    return Plan(
        created=PLANNED,
        fleet="f" * 64,
        shards=shards,
        images=tuple(sorted((planned(number, shards) for number in range(working)), key=lambda image: image.shard)),
        current=tuple(current(number) for number in range(working, images - unplanned)),
        unplanned=tuple(
            UnplannedImage(
                image=f"{name(number)}:latest",
                owner=owner(number),
                what=f"{name(number)}:latest does not exist.",
                remedy="Look at the tag, or leave it out of fleet.yaml.",
                exit_code=2,
            )
            for number in range(images - unplanned, images)
        ),
    )


def findings(number: int, count: int) -> list[Finding]:
    """Findings with a fix of an image; neighbours share most of them."""
    severities = (Severity.CRITICAL, Severity.HIGH, Severity.HIGH, Severity.MEDIUM, Severity.MEDIUM, Severity.LOW)
    return [
        outcomes.vulnerability(
            100 + (number // 5 * 3 + place) % 400,
            severities[(number // 5 * 3 + place) % 6],
            published=f"2026-{1 + place % 10:02d}-12T00:15:00Z",
        )
        for place in range(count)
    ]


def looked_at(image: PlannedImage, number: int) -> ImageOutcome:
    """What a shard makes of an image: every tenth is refused, every fifteenth fails, most are patched."""
    reference = image.reference
    before = outcomes.report(*findings(number, 4 + number % 9), digest=reference.digest, image=image.image)
    scan = outcomes.scan(before, image=image.image, reference=reference.pinned)
    asked = ImageOutcome(image=image.image, reference=reference.pinned, scan=scan)
    if number % 15 == 14:
        return ImageOutcome(
            image=image.image,
            failure=OutsideError(
                f"The registry answered 429 to {reference.name} for 60 s.",
                remedy="Run the shard again later, or ask for a higher limit.",
            ),
        )
    if number % 10 == 9:
        return replace(
            asked,
            failure=Refused(
                f"The gate is closed for {reference.pinned}: 2 critical findings have a fix: bump libssl1.",
                remedy="Build the image on a newer base.",
            ),
        )
    signed = replace(outcomes.SIGNED, reference=f"{reference.name}@{digest(number, patched=True)}")
    if number % 3 == 0:
        left = outcomes.report(
            *(finding for finding in before.findings if finding.severity < Severity.MEDIUM), digest=reference.digest
        )
        return replace(asked, scan=replace(scan, report=left), sign=replace(signed, reference=reference.pinned))
    kept = before.findings[-1 - number % 2 :]
    after = outcomes.report(*kept, digest=digest(number, patched=True), image=image.image)
    patched = f"{reference.name}@{after.digest}"
    fixed = tuple(finding for finding in before.findings if finding not in kept)
    return ImageOutcome(
        image=image.image,
        reference=patched,
        scan=scan,
        patch=PatchResult(
            image=image.image,
            original=reference.pinned,
            reference=patched,
            tag=f"{reference.tag}-1",
            patched=True,
            skipped=False,
            before=scan,
            after=outcomes.scan(after, image=image.image, reference=patched, files={"sarif": Path("report.sarif")}),
            fixed=rank_findings(fixed),
            left=tuple(LeftFinding(finding=finding, reason="a language package") for finding in kept),
        ),
        sign=replace(
            signed,
            certificate=outcomes.certificate(
                "CN=fleet.example", not_after="2026-12-10T00:00:00Z" if number % 11 == 0 else "2027-06-23T00:00:00Z"
            ),
        ),
        admission=Admission(image=image.image, reference=patched, verdict="admitted") if number % 2 else None,
    )


def results(of: Plan, *, without: Sequence[int] = ()) -> list[ShardResult]:
    """What the shards of a plan left; those in `without` left nothing."""
    numbers = {f"{name(number)}": number for number in range(len(of.images))}
    return [
        ShardResult(
            source=f"shard-{shard}/result.json",
            document=document(
                *(looked_at(image, numbers[image.reference.name]) for image in of.shard(shard)),
            ),
            shard=shard,
        )
        for shard in range(1, of.shards + 1)
        if shard not in without
    ]


def document(*images: ImageOutcome) -> ResultDocument:
    """The result of a shard."""
    return outcomes.document(Outcome(command="chain", images=images))


def look_ahead(subjects: Sequence[Subject]) -> dict[str, Outlook]:
    """What policies refuse of every seventh image: of some already, of others when a grace or a signature ends."""
    texts = (
        "it has 1 refused finding, CVE-2026-1187 (HIGH, libssl3, fixed in 3.0.15): patch it",
        "the grace of CVE-2026-2204 (HIGH, libcurl4, fixed in 8.5.0) ends: patch it",
        "the signature of the image ends: sign again, with a certificate that is valid for longer",
    )

    def outlook(number: int) -> Outlook:
        if number % 7:
            return Outlook()
        code = ("finding", "finding", "ended-signature")[number % 3]
        days = (number % 3) * (1 + number % 5)
        objection = Objection(code, texts[number % 3])
        return Outlook(changes=(Change(at=outcomes.NOW + timedelta(days=days), objections=(objection,)),))

    return {subject.image: outlook(number) for number, subject in enumerate(subjects)}


def report(
    images: int = 40,
    *,
    working: int = 30,
    shards: int = 4,
    without: Sequence[int] = (4,),
    nights: int = 0,
    unplanned: int = 1,
    forecast: bool = False,
) -> FleetReport:
    """The report on a fleet, with a trend of so many nights; with what the policies will refuse where that is asked."""
    of = plan(images, working=working, shards=shards, unplanned=unplanned)
    fleet_report = summarize.join(
        of,
        results(of, without=without),
        now=outcomes.NOW,
        policies={"s3c-policy.yaml": POLICY},
        default_policy="s3c-policy.yaml",
        look_ahead=look_ahead if forecast else None,
    ).report
    return replace(fleet_report, trend=tuple(trend(fleet_report, night) for night in range(nights, 0, -1)))


def trend(of: FleetReport, night: int) -> TrendPoint:
    """The figures of a report so many nights before."""
    figures = of.figures
    return replace(
        figures,
        created=(outcomes.NOW - timedelta(days=night)).isoformat(),
        plan=digest(night),
        states={**figures.states, "failed": figures.states.get("failed", 0) + night % 4},
        fixable={severity: count + count * night // 20 + night % 3 for severity, count in figures.fixable.items()},
    )


def policy() -> Policy:
    """The policy with the exceptions that end."""
    return POLICY
