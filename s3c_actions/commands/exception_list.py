"""`s3c exception list`: the break-glass exceptions beside images, and which of them count."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.core.reference import Reference
from s3c_actions.options import exception_list as inputs
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps import judge as step
from s3c_actions.wiring import exceptions
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.images import for_each_image
from s3c_actions.wiring.judging import open_policy_judge
from s3c_actions.wiring.signing import registries_of, resolve_images


def run(options: inputs.ExceptionListInputs, context: Context) -> Outcome:
    """List the exceptions of each image; whether the policy admits the image closes nothing here.

    Raises:
        InputError: the policy is invalid or lets nobody grant exceptions, or an image is malformed or does not exist.
        OutsideError: the registry failed.
    """
    policy = exceptions.read_policy(options.policy)
    lines = []
    with open_policy_judge(options, context, policy, registries_of(options.image)) as judge:
        pinned = resolve_images(options.image, options, context)

        def describe(image: str) -> ImageOutcome:
            judgement = step.run(judge, Reference.parse(pinned[image]))
            lines.append(exceptions.describe_exceptions(pinned[image], judgement.exceptions, context.now))
            return replace(ImageOutcome(image=image, reference=pinned[image]), judgement=judgement)

        outcomes = for_each_image(options.image, context.progress, describe)
    return Outcome(command="exception list", images=outcomes, text="".join(lines))
