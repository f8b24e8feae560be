"""`s3c smoke`: start two images beside each other and compare what they do."""

from __future__ import annotations

from s3c_actions.core.errors import S3CError
from s3c_actions.core.reference import Reference
from s3c_actions.options import smoke as inputs
from s3c_actions.registry import Registry
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.result.smoke import SmokeRefused
from s3c_actions.steps import smoke
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.images import failed
from s3c_actions.wiring.logins import create_logins
from s3c_actions.wiring.smoking import create_comparison


def run(options: inputs.SmokeInputs, context: Context) -> Outcome:
    """Compare the images.

    Raises:
        InputError: an input is wrong, or an image does not exist.
        OutsideError: the registry failed.
    """
    original = Reference.parse(options.original, field="original")
    compared = Reference.parse(options.compared, field="compared")
    registry = Registry(
        create_logins(options, context, {original.registry, compared.registry}), insecure=options.insecure_registry
    )
    comparison = create_comparison(options, context, registry, programs_mirror=options.programs_mirror)
    original, compared = (
        _pin(reference, field, registry) for reference, field in ((original, "original"), (compared, "compared"))
    )
    outcome = ImageOutcome(image=options.compared, reference=compared.pinned)
    if comparison is not None:
        try:
            result = comparison(original, compared, smoke.find_pairs(original, compared, registry))
        except SmokeRefused as error:
            return Outcome(command="smoke", images=(failed(outcome, error),))
        outcome = ImageOutcome(image=options.compared, reference=compared.pinned, smoke=result)
    return Outcome(command="smoke", images=(outcome,))


def _pin(reference: Reference, field: str, registry: Registry) -> Reference:
    try:
        return reference.at(registry.resolve(reference, field=field).digest)
    except S3CError as error:
        error.image = error.image or str(reference)
        raise
