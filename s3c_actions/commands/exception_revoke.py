"""`s3c exception revoke`: end break-glass exceptions before their time, by a signed revocation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import InputError, Refused
from s3c_actions.core.exception_document import Revocation
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.options import exception_revoke as inputs
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps import judge as step
from s3c_actions.wiring import exceptions
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.images import for_each_image

if TYPE_CHECKING:
    from s3c_actions.policy.break_glass import JudgedException


def run(options: inputs.ExceptionRevokeInputs, context: Context) -> Outcome:
    """Find the exceptions, then attach and sign a revocation image by image.

    Raises:
        InputError: an input is wrong, or the key may not grant exceptions: nothing has been attached.
        OutsideError: the registry, the vault or notation failed before anything was attached.
    """
    policy = exceptions.read_policy(options.policy)
    lines = []
    with exceptions.open_granter(options, policy, context) as granter:
        judge = granter.judge

        def revoke(image: str) -> ImageOutcome:
            reference = Reference.parse(granter.pinned[image])
            outcome = ImageOutcome(image=image, reference=reference.pinned)
            chosen = _choose(options.exceptions, judge.exceptions(reference))
            if not chosen:
                lines.append(f"✔ {reference.pinned}: no exception counts, so nothing was revoked\n")
                return replace(outcome, judgement=step.run(judge, reference))
            statement = Revocation(
                subject=reference.digest,
                revokes=chosen,
                created=context.now.replace(microsecond=0),
                who=options.who,
                why=options.why,
            )
            with context.progress.step("exception") as progress_step:
                attached = exceptions.attach_statement(statement, reference, granter.key, context)
                counting = {exception.digest for exception in judge.exceptions(reference) if exception.counts}
                still = counting & set(chosen) if options.exceptions else counting
                if still:
                    raise Refused(
                        f"The revocation {attached.documents[0].digest} is beside {reference.pinned}, and does not "
                        f"count: {', '.join(sorted(still))} still excuses findings.",
                        cause="The policy does not trust its signer with exceptions.",
                        remedy="Sign with a key that the policy lets grant exceptions.",
                        image=reference.pinned,
                    )
                progress_step.done(f"{counted(len(chosen), 'exception')} revoked")
            lines.append(f"✔ {reference.pinned}: {', '.join(chosen)} revoked\n")
            return replace(outcome, attach=attached, judgement=step.run(judge, reference))

        outcomes = for_each_image(options.image, context.progress, revoke)
    return Outcome(command="exception revoke", images=outcomes, text="".join(lines))


def _choose(starts: Sequence[str], beside: Sequence[JudgedException]) -> tuple[str, ...]:
    """Return the digests of the exceptions that the beginnings name; without any, of all that count or may later.

    Raises:
        InputError: a beginning names none of the exceptions, or several.
    """
    if not starts:
        return tuple(exception.digest for exception in beside if exception.may_count)
    chosen = []
    for start in starts:
        named = [exception.digest for exception in beside if exception.digest.startswith(start)]
        if len(named) != 1:
            raise InputError(
                "exceptions",
                f"{start} names {'none' if not named else 'several'} of the {counted(len(beside), 'exception')} beside "
                "the image.",
                remedy="Give the digest as `s3c exception list` shows it.",
            )
        chosen += named
    return tuple(dict.fromkeys(chosen))
