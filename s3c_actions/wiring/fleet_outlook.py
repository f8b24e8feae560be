"""From the options: what the policies of a fleet will refuse of its images, by the evidence in their registries."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.fleet.outlook import Outlook, Subject
from s3c_actions.fleet.parallel import run_bounded
from s3c_actions.policy import break_glass
from s3c_actions.policy import judge as judging
from s3c_actions.policy.forecast import Change
from s3c_actions.steps import forecast
from s3c_actions.wiring.fleet import MAX_REPORTS
from s3c_actions.wiring.judging import open_policy_judge

if TYPE_CHECKING:
    from s3c_actions.options.fleet_report import FleetReportInputs
    from s3c_actions.policy.model import Policy
    from s3c_actions.steps.judge import PolicyJudge
    from s3c_actions.wiring.context import Context


class PolicyOutlook:
    """Asks the policies that name signers about the images that they judge.

    Attributes:
        policies: path, as in the plan → the policy.
        hosts: registries that the credentials given are for; None: all that are asked.
    """

    def __init__(
        self,
        options: FleetReportInputs,
        context: Context,
        policies: Mapping[str, Policy],
        hosts: Collection[str] | None = None,
    ) -> None:
        self._options, self._context, self.hosts = options, context, hosts
        self.policies = {path: policy for path, policy in policies.items() if policy.image_signers}
        self.until = context.now + timedelta(days=options.forecast_days)

    def __call__(self, subjects: Sequence[Subject]) -> Mapping[str, Outlook]:
        """Return image → outlook, of the images whose policy names signers; one that cannot be determined says why."""
        asked = [subject for subject in subjects if subject.policy in self.policies]
        if not asked or not self._options.forecast_days:
            return {}
        outlooks: dict[str, Outlook] = {}
        with self._context.progress.step("forecast") as step:
            for path in sorted({subject.policy for subject in asked}):
                outlooks |= self._ask(path, [subject for subject in asked if subject.policy == path])
            losing = sum(bool(outlook.changes) for outlook in outlooks.values())
            step.done(f"{losing:,} of {counted(len(outlooks), 'image')} refused at the next start, now or soon")
        return outlooks

    def _ask(self, path: str, subjects: Sequence[Subject]) -> Iterator[tuple[str, Outlook]]:
        """Yield image and outlook; a policy that cannot be asked is a problem of each of its images."""
        try:
            with self._judge(path, {Reference.parse(subject.reference).registry for subject in subjects}) as judge:
                looked = run_bounded(
                    subjects,
                    lambda subject: Reference.parse(subject.reference).registry,
                    lambda subject: look_ahead(judge, subject, self.until),
                    per_registry=max(2, 2 * (os.cpu_count() or 1)),
                )
        except S3CError as error:
            looked = [error for _ in subjects]
        for subject, outcome in zip(subjects, looked, strict=True):
            yield subject.image, Outlook(problem=outcome.what) if isinstance(outcome, S3CError) else outcome

    @contextmanager
    def _judge(self, path: str, registries: Collection[str]) -> Iterator[PolicyJudge]:
        hosts = registries if self.hosts is None else self.hosts
        with open_policy_judge(self._options, self._context, self.policies[path], hosts) as judge:
            yield judge


def look_ahead(judge: PolicyJudge, subject: Subject, until: datetime) -> Outlook:
    """Return what a policy has and will have against an image.

    Args:
        judge: as `steps.judge.prepare` returned it.
        subject: the image.
        until: the last moment.

    Raises:
        OutsideError: the registry could not be reached, or gave an invalid answer.
    """
    reference = Reference.parse(subject.reference)
    evidence = judge.verify(judge.collect(reference, most=MAX_REPORTS))
    refusals = judging.judge_evidence(judge.policy, evidence, judge.now)
    coming = forecast.changes(judge, reference, evidence, until, renewed=subject.renewed)
    return Outlook(
        changes=((Change(at=judge.now, objections=refusals),) if refusals else ()) + coming,
        exceptions=break_glass.judge_exceptions(judge.policy, evidence.exceptions, reference.digest, judge.now),
    )
