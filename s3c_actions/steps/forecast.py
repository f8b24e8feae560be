"""Forecast when the policy will begin to refuse an image, by the evidence and the signatures in its registry."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.evidence import signatures
from s3c_actions.policy import break_glass
from s3c_actions.policy import judge as judging
from s3c_actions.policy.forecast import Change, forecast
from s3c_actions.result.model import PolicyJudgement

if TYPE_CHECKING:
    from s3c_actions.core.reference import Reference
    from s3c_actions.policy.judge import Evidence
    from s3c_actions.steps.judge import PolicyJudge


def run(judge: PolicyJudge, reference: Reference, until: datetime) -> PolicyJudgement:
    """Judge one image now, and forecast what the policy will have against it.

    Args:
        judge: as `steps.judge.prepare` returned it.
        reference: with a digest.
        until: the last moment of the forecast.

    Raises:
        OutsideError: the registry could not be reached, or gave an invalid answer.
    """
    evidence = judge.evidence(reference)
    refusals = judging.judge_evidence(judge.policy, evidence, judge.now)
    judgement = PolicyJudgement(
        reference=reference.pinned,
        policy=judge.policy.digest,
        refusals=refusals,
        exceptions=break_glass.judge_exceptions(judge.policy, evidence.exceptions, reference.digest, judge.now),
    )
    return replace(judgement, forecast=changes(judge, reference, evidence, until))


def changes(
    judge: PolicyJudge, reference: Reference, evidence: Evidence, until: datetime, *, renewed: bool = False
) -> tuple[Change, ...]:
    """Return what the policy will have against an image up to a moment; other arguments and errors as `run`.

    Args:
        judge: as of `run`.
        reference: with a digest.
        evidence: beside the image, with who signed it.
        until: the last moment.
        renewed: whether its documents are made and signed anew before they are old; only the image's own signature ends
            then.
    """
    ends = signature_ends(judge, reference, evidence)
    if renewed:
        ends = {digest: end for digest, end in ends.items() if digest == evidence.subject}
    coming = forecast(judge.policy, evidence, judge.now, until, ends)
    return _without_stale(coming) if renewed else coming


def _without_stale(coming: tuple[Change, ...]) -> tuple[Change, ...]:
    kept = (
        (change.at, tuple(objection for objection in change.objections if objection.code != "stale-report"))
        for change in coming
    )
    return tuple(Change(at=at, objections=objections) for at, objections in kept if objections)


def signature_ends(judge: PolicyJudge, reference: Reference, evidence: Evidence) -> dict[str, datetime]:
    """Return digest → end of the last signature, of the image and of what decides; without those that do not end.

    The ends are what the signatures claim.
    """
    last_ends = {}
    decisive = judging.decisive_documents(evidence.reports)
    attached = {document.digest for document in (*evidence.reports, *evidence.sboms)}
    for digest in (evidence.subject, *sorted(decisive & attached)):
        ends = list(signatures.find_ends(judge.registry, reference.at(digest)).values())
        known = [end for end in ends if end is not None]
        if known and len(known) == len(ends):
            last_ends[digest] = max(known)
    return last_ends
