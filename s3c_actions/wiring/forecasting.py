"""From the options: which running images the gate would refuse at their next start, and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.policy import judge as judging
from s3c_actions.policy.forecast import Change, describe_changes
from s3c_actions.steps import forecast
from s3c_actions.wiring.judging import open_policy_judge

if TYPE_CHECKING:
    from s3c_actions.options.registry import NotationOptions
    from s3c_actions.policy.model import Policy
    from s3c_actions.steps.judge import PolicyJudge
    from s3c_actions.wiring.context import Context

_RENEWED = frozenset({"stale-report", "ended-signature"})
"""What every run fixes, as it attaches a new report; the image's own signatures are told apart."""


def forecast_losses(
    options: NotationOptions,
    context: Context,
    policy: Policy | None,
    references: Iterable[str],
    *,
    until: datetime,
    renewed: bool,
) -> dict[str, tuple[str, ...]]:
    """Return reference → clauses on why the policy refuses it, `today: …` or `from 2026-12-09 …`.

    Args:
        options: of the command.
        context: of the run.
        policy: the cluster's; without it, or without signers in it, nothing is said.
        references: pinned, of what runs.
        until: the last moment.
        renewed: whether this run renews reports; that they will be old is then no loss to come.

    Raises:
        InputError: a certificate in the policy is none.
        OutsideError: notation could not be obtained, or a vault denied access.
    """
    images = [Reference.parse(reference) for reference in dict.fromkeys(references)]
    if policy is None or not policy.signers or not images:
        return {}
    losses = {}
    with open_policy_judge(options, context, policy, {image.registry for image in images}) as judge:
        for image in images:
            try:
                lines = _losses(judge, image, until, renewed=renewed)
            except S3CError as error:
                context.progress.warning(f"{image.pinned}: what the gate will refuse is not known: {error.what}")
                continue
            if lines:
                losses[image.pinned] = lines
    return losses


def _losses(judge: PolicyJudge, image: Reference, until: datetime, *, renewed: bool) -> tuple[str, ...]:
    evidence = judge.evidence(image)
    now = [f"today: {objection.text}" for objection in judging.judge_evidence(judge.policy, evidence, judge.now)]
    coming = forecast.changes(judge, image, evidence, until)
    lines = describe_changes([_without_renewed(change) for change in coming] if renewed else coming)
    return (*now, *(f"from {line}" for line in lines))


def _without_renewed(change: Change) -> Change:
    return Change(
        at=change.at, objections=tuple(objection for objection in change.objections if objection.code not in _RENEWED)
    )
