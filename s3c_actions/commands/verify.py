"""`s3c verify`: verify one or several images, each with its verdict."""

from __future__ import annotations

from s3c_actions.core.errors import InputError, Refused
from s3c_actions.options import verify as inputs
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps import verify
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.signing import create_notation, prefix_image, registries_of, resolve_images
from s3c_actions.wiring.verifying import trust_settings


def run(options: inputs.VerifyInputs, context: Context) -> Outcome:
    """Verify every image; a refusal of one does not stop the others.

    Raises:
        InputError: an input, the trust store or the trust policy is wrong.
        OutsideError: the registry failed.
    """
    settings = trust_settings(options, context, options.user_metadata)
    if not settings.stores:
        raise InputError(
            inputs.TrustOptions.trust_store.name,
            "nothing is given that could be trusted.",
            remedy="Give certificates with `trust-store`, or the one in a vault with `vault` and `vault-certificate`.",
        )
    program = create_notation(options, context, registries_of(options.image))
    outcomes = []
    with verify.prepare(settings, context.temp, context.progress) as home:
        pinned = resolve_images(options.image, options, context)
        for image, reference in pinned.items():
            with context.progress.step("verify") as step:
                try:
                    result = verify.run(settings, program, home, reference, context.progress)
                except Refused as refused:
                    refused.image = refused.image or reference
                    outcomes.append(ImageOutcome(image=image, reference=reference, failure=refused))
                    step.done(prefix_image(refused.what, reference, pinned))
                    continue
                outcomes.append(ImageOutcome(image=image, reference=reference, verify=result))
                step.done(
                    prefix_image(f'signed by {result.signer}, trusted by policy "{result.policy}"', reference, pinned)
                )
    refusals = [outcome.failure for outcome in outcomes if outcome.failure]
    return Outcome(
        command="verify",
        images=tuple(outcomes),
        exit_code=int(Refused.exit_code) if refusals else 0,
        error=refusals[0].what if refusals else "",
    )
