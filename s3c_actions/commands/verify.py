"""`s3c verify`: verify one or several images, each with its verdict."""

from __future__ import annotations

from s3c_actions.core.errors import InputError, OutsideError, Refused
from s3c_actions.options import verify as inputs
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.steps import verify
from s3c_actions.wiring.context import Context, with_jobs
from s3c_actions.wiring.images import for_each_reference
from s3c_actions.wiring.signing import create_notation, prefix_image, registries_of, resolve_images
from s3c_actions.wiring.verifying import trust_settings


def run(options: inputs.VerifyInputs, context: Context) -> Outcome:
    """Verify every image, several at once; neither a refusal of one nor its registry's failure stops the others.

    Raises:
        InputError: an input, an image, the trust store or the trust policy is wrong.
        OutsideError: a registry failed before anything was verified, or notation could not be obtained.
    """
    settings = trust_settings(options, context, options.user_metadata)
    if not settings.stores:
        raise InputError(
            TrustOptions.trust_store.name,
            "nothing is given that could be trusted.",
            remedy="Give certificates with `trust-store`, or the one in a vault with `vault` and `vault-certificate`.",
        )
    context = with_jobs(options, context, len(options.image))
    jobs = context.limits.jobs
    program = create_notation(options, context, registries_of(options.image))
    with verify.prepare(settings, context.temp, context.progress) as home:
        pinned = resolve_images(options.image, options, context)
        names = pinned if jobs <= 1 else ()

        def verify_image(image: str, reference: str) -> ImageOutcome:
            with context.progress.step("verify") as step:
                try:
                    result = verify.run(settings, program, home, reference, context.progress)
                except (Refused, OutsideError) as error:
                    error.image = error.image or reference
                    step.done(prefix_image(error.what, reference, names))
                    return ImageOutcome(image=image, reference=reference, failure=error)
                trusted = f'signed by {result.signer}, trusted by policy "{result.policy}"'
                step.done(prefix_image(trusted, reference, names))
                return ImageOutcome(image=image, reference=reference, verify=result)

        outcomes = for_each_reference(pinned, context.progress, verify_image, jobs=jobs)
    failures = [outcome.failure for outcome in outcomes if outcome.failure]
    return Outcome(
        command="verify",
        images=outcomes,
        exit_code=max((int(error.exit_code) for error in failures), default=0),
        error=failures[0].what if failures else "",
    )
