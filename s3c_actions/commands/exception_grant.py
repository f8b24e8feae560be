"""`s3c exception grant`: sign a break-glass exception beside images, and show what the gate makes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.core.exception_document import ALL, ExceptionGrant
from s3c_actions.core.reference import Reference
from s3c_actions.options import exception_grant as inputs
from s3c_actions.policy import break_glass
from s3c_actions.policy.model import LONGEST_GRANT
from s3c_actions.report.render.terminal import plain_line
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps import judge as step
from s3c_actions.wiring import exceptions
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.images import for_each_image

if TYPE_CHECKING:
    from s3c_actions.policy.model import Policy

_LEAST = timedelta(minutes=1)


def run(options: inputs.ExceptionGrantInputs, context: Context) -> Outcome:
    """Check policy, key and images, then attach and sign the exception image by image.

    Raises:
        InputError: an input is wrong, or the policy does not allow this exception: nothing has been attached.
        OutsideError: the registry, the vault or notation failed before anything was attached.
    """
    policy = exceptions.read_policy(options.policy)
    created = context.now.replace(microsecond=0)
    until = _end(options, policy, created)
    _reject_denied(options.findings, policy)
    lines = []
    with exceptions.open_granter(options, policy, context) as granter:
        judge = granter.judge

        def grant(image: str) -> ImageOutcome:
            reference = Reference.parse(granter.pinned[image])
            outcome = ImageOutcome(image=image, reference=reference.pinned)
            statement = ExceptionGrant(
                subject=reference.digest,
                findings=options.findings,
                created=created,
                until=until,
                who=options.who,
                why=options.why,
            )
            with context.progress.step("exception") as progress_step:
                attached = exceptions.attach_statement(statement, reference, granter.key, context)
                counting = exceptions.require_counting(judge, reference, attached.documents[0].digest)
                described = break_glass.describe(counting, context.now)
                progress_step.done(described)
            judgement = step.run(judge, reference)
            lines.append(plain_line(f"⚠ {reference.pinned}: {described}"))
            for refusal in judgement.refusals:
                context.progress.warning(f"{reference.pinned} is refused nevertheless: {refusal.text}")
            return replace(outcome, attach=attached, judgement=judgement)

        outcomes = for_each_image(options.image, context.progress, grant)
    return Outcome(command="exception grant", images=outcomes, text="".join(f"{line}\n" for line in lines))


def _end(options: inputs.ExceptionGrantInputs, policy: Policy, created: datetime) -> datetime:
    """Return the end of the exception, in whole seconds.

    Raises:
        InputError: it is over already, or further away than the policy allows.
    """
    until = options.until
    if until is None:
        raise InputError("until", "it is missing.", remedy="Give for how long, such as 24h.")
    end = created + until if isinstance(until, timedelta) else until
    longest = min(policy.longest_grant, LONGEST_GRANT)
    if not _LEAST <= end - created <= longest:
        limit = f"{policy.break_glass.maximum} at most by this policy"
        raise InputError(
            "until",
            f"the exception would last {break_glass.describe_left(end - created)}: it may last a minute at least, and "
            f"{limit}.",
            remedy="Give a nearer end; before it is over, another exception can be granted.",
        )
    return end


def _reject_denied(findings: tuple[str, ...], policy: Policy) -> None:
    """Raise InputError for a finding that no exception excuses."""
    denied = {name.upper() for name in policy.findings.deny}
    for finding in findings:
        if finding != ALL and finding.upper() in denied:
            raise InputError(
                "findings",
                f"{finding} is denied by name in the policy (`findings.deny`), which no exception excuses.",
                remedy="Take it out of `deny` on the target branch and install the gate again, if it has to pass.",
            )
