"""When the policy will begin to refuse an image if nothing is done: graces, exceptions, reports, bases, signatures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from s3c_actions.core.artifact_types import STATEMENT
from s3c_actions.options.parse import duration
from s3c_actions.policy import break_glass, finding_judge, judge
from s3c_actions.policy.image_rules import parse_time
from s3c_actions.policy.judge import Evidence
from s3c_actions.policy.model import Policy, exception_end
from s3c_actions.policy.objection import Objection

_AFTERWARDS = timedelta(seconds=1)
"""Ages may be reached and not exceeded; times in statements have whole seconds."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A moment from which the policy has more against an image.

    Attributes:
        at: the moment, in UTC.
        objections: those that there were not before.
    """

    at: datetime
    objections: tuple[Objection, ...]


def forecast(
    policy: Policy, evidence: Evidence, now: datetime, until: datetime, ends: Mapping[str, datetime]
) -> tuple[Change, ...]:
    """Return what the policy will have against an image, in the order of time, if nothing is done.

    What becomes known later, such as new vulnerabilities, is not in it.

    Args:
        policy: the one in force.
        evidence: of now, with who signed it.
        now: the time from which on; what is refused already is not in the result.
        until: the last moment.
        ends: digest of the image and of what is attached to it → when the last of its signatures ends.
    """
    known = set(judge.judge_evidence(policy, evidence, now))
    changes = []
    for moment in sorted({moment for moment in _moments(policy, evidence, ends, now) if now < moment <= until}):
        after = {
            *judge.judge_evidence(policy, evidence, moment + _AFTERWARDS),
            *_ended_signatures(evidence, ends, moment),
        }
        if new := after - known:
            changes.append(Change(at=moment, objections=tuple(sorted(new))))
        known |= after
    return tuple(changes)


def _moments(policy: Policy, evidence: Evidence, ends: Mapping[str, datetime], now: datetime) -> Iterator[datetime]:
    """Yield the moments at which a judgement may change, in UTC; some change nothing."""
    yield from (end.astimezone(UTC) for end in ends.values())
    yield from (exception_end(exception.until) for exception in policy.exceptions)
    if policy.report.accept_previous_until is not None:
        yield exception_end(policy.report.accept_previous_until)
    yield from (
        exception.grant.until
        for exception in break_glass.judge_exceptions(policy, evidence.exceptions, evidence.subject, now)
        if exception.grant is not None and exception.counts
    )
    for run in judge.decisive_runs(evidence.reports):
        yield from _run_moments(policy, run)


def _run_moments(policy: Policy, run: Mapping[str, Any]) -> Iterator[datetime]:
    stated = run["properties"][STATEMENT]
    limits = [(stated["created"], policy.maximum_age)]
    if policy.base.maximum_age is not None:
        limits.append((stated.get("base-created"), timedelta(seconds=duration(policy.base.maximum_age))))
    for text, limit in limits:
        start = parse_time(text)
        if start is not None:
            yield start + limit
    for result in run["results"]:
        end = finding_judge.grace_end(policy, result["properties"])
        if end is not None:
            yield end


def _ended_signatures(evidence: Evidence, ends: Mapping[str, datetime], moment: datetime) -> list[Objection]:
    remedy = "sign again, with a certificate that is valid for longer"
    ended = [digest for digest, end in ends.items() if end <= moment]
    return [
        Objection("ended-signature", f"the signature of {_name(digest, evidence)} ends: {remedy}") for digest in ended
    ]


def _name(digest: str, evidence: Evidence) -> str:
    if digest == evidence.subject:
        return "the image"
    kind = "report" if any(report.digest == digest for report in evidence.reports) else "SBOM"
    return f"its {kind} ({digest[:19]})"


def describe_changes(changes: Sequence[Change]) -> list[str]:
    """Return a line on each objection to come, `2026-12-13 08:00 UTC: its base is …`; names are untrusted."""
    return [
        f"{change.at:%Y-%m-%d %H:%M} UTC: {objection.text}" for change in changes for objection in change.objections
    ]
