"""Whether an image needs nothing, on the strength of the signed evidence beside it alone.

The policy has to admit the image as the cluster would, without waiting for graces to end, so that image and newest
report are signed by whom it trusts and nothing that it refuses is in it; and that report has to be younger than
`rescan-after`. Whatever is missing, unsigned, unreadable or about another image means work.
Where nothing but its age is against the report, `match_rules` says when the image's SBOM may stand in for a new one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from s3c_actions.core.moments import format_moment
from s3c_actions.core.text import counted
from s3c_actions.fleet.match_rules import Unchanged
from s3c_actions.policy import judge
from s3c_actions.policy.judge import Evidence, SignerStatus
from s3c_actions.policy.model import Policy

SeverityName = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]
SEVERITIES: tuple[SeverityName, ...] = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")


class Current(Struct, frozen=True, kw_only=True):
    """An image that needs nothing.

    Attributes:
        report: digest of the signed report's manifest.
        created: RFC 3339 time of the scan.
        counts: findings of the report by severity, of the severities that it counts, without those it suppresses.
        reason: a clause.
        patch: pinned, the patch that the evidence is of; empty for the image's own.
    """

    report: str
    created: str
    counts: dict[SeverityName, int]
    reason: str
    patch: str = ""


def presume_signed(evidence: Evidence) -> Evidence:
    """Return evidence as if whoever is not known to have signed it were trusted.

    What is not current even so needs no signature verified; it decides nothing else.
    """
    return replace(
        evidence,
        trust=SignerStatus.ALLOWED,
        reports=tuple(replace(report, trust=SignerStatus.ALLOWED) for report in evidence.reports),
        sboms=tuple(replace(sbom, trust=SignerStatus.ALLOWED) for sbom in evidence.sboms),
    )


def judge_currency(policy: Policy, evidence: Evidence, now: datetime, within: timedelta) -> Current | str:
    """Return what makes an image current, or a clause on why it has work to do.

    A break-glass exception admits an image for hours; its findings are to be fixed all the same.

    Args:
        policy: the one in force; it names the signers that count.
        evidence: beside the image, with who signed it.
        now: the time of the plan.
        within: the age from which on a report is too old.
    """
    # What has a grace is admitted, and is to be patched before that is over; so is what an exception excuses.
    strict = replace(policy, findings=policy.findings.without_graces())
    objections = judge.judge_evidence(strict, replace(evidence, exceptions=()), now)
    if objections:
        first = objections[0].text.partition(": ")[0]
        rest = len(objections) - 1
        return first + (f", and {counted(rest, 'more objection')}" if rest else "")
    newest = judge.newest_reports(evidence.reports)
    if not newest:
        return "it has no scan report"
    oldest = min(report.created for report in newest)
    age = now - oldest
    if age >= within:
        return f"its report of {format_moment(oldest)} is older than {_duration(within)}"
    # Several of the same moment: each admits the image, and the one that counts most is shown.
    report = max(newest, key=lambda candidate: (sum(candidate.counts.values()), candidate.digest))
    return Current(
        report=report.digest,
        created=format_moment(oldest),
        counts={severity: report.counts[severity] for severity in SEVERITIES if severity in report.counts},
        reason=f"its signed report of {format_moment(oldest)} has nothing to fix",
    )


def with_match(current: Current, unchanged: Unchanged) -> Current:
    """Return what makes an image current whose report is older, and whose SBOM shows nothing new."""
    return replace(
        current,
        reason=f"its signed report of {current.created} has nothing to fix, and its SBOM matched against the database "
        f"of {unchanged.database} shows nothing new",
    )


def _duration(duration: timedelta) -> str:
    hours = duration.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 72 else f"{hours:g} hours"
