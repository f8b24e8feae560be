"""`s3c chain`: scan, patch, rescan, sign and verify one or several images in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from s3c_actions.commands import Command, Context, folders
from s3c_actions.errors import InputError, S3CError
from s3c_actions.image import Reference
from s3c_actions.inputs import Values
from s3c_actions.inputs import chain as inputs
from s3c_actions.inputs.common import IMAGE
from s3c_actions.inputs.sign import KEY
from s3c_actions.inputs.verify import TRUST_INPUTS
from s3c_actions.steps.results import Outcome, SignResult, VerifyResult

if TYPE_CHECKING:
    from s3c_actions.programs.notation import Notation
    from s3c_actions.programs.notation_home import Home
    from s3c_actions.steps.chain import ChainSteps
    from s3c_actions.steps.sign import Signer
    from s3c_actions.steps.verify import VerifySettings


def run(values: Values, context: Context) -> Outcome:
    """Take every image through the chain; what becomes of one does not keep the others from going on.

    Raises:
        InputError: an input, the certificate or an image is wrong: nothing has been pushed.
        OutsideError: a program could not be had, or a registry could not be reached: nothing has been pushed.
    """
    from s3c_actions.commands.patch import refuse_platform
    from s3c_actions.commands.scan import gate
    from s3c_actions.steps import chain

    started = time.monotonic()
    images = values[IMAGE]
    for image in images:
        Reference.parse(image)
    if values[inputs.PATCH]:
        refuse_platform(values)
    settings = chain.ChainSettings(images=images, gate=gate(values, context))
    with ExitStack() as stack:
        outcomes = chain.run(settings, _steps(values, context, stack), context.progress)
    return Outcome(command="chain", images=outcomes, seconds=time.monotonic() - started)


def _steps(values: Values, context: Context, stack: ExitStack) -> ChainSteps:
    """The steps that the inputs ask for, bound. The key is checked first: a wrong one ends the run soonest."""
    from s3c_actions.commands.patch import patching
    from s3c_actions.commands.scan import scanning
    from s3c_actions.commands.sign import signing
    from s3c_actions.steps.chain import ChainSteps

    images = values[IMAGE]
    places = folders(context.output, images)
    try:
        signer = stack.enter_context(signing(values, context)) if values[inputs.SIGN] else None
    except InputError as error:
        if error.field == KEY.name and not values.given(KEY):
            error.remedy += " To stop before signing, set `sign` to false."
        raise
    verify = _verify(values, context, signer, stack) if signer is not None else None
    scanner = stack.enter_context(scanning(values, context, images))
    patcher = stack.enter_context(patching(values, context, scanner, images)) if values[inputs.PATCH] else None

    return ChainSteps(
        resolve=lambda image: scanner.registry.resolve(Reference.parse(image)),
        scan=lambda image: scanner.scan(image, places[image]),
        patch=(lambda scan: patcher.patch(scan.image, places[scan.image], scan)) if patcher is not None else None,
        sign=_sign(signer, context) if signer is not None else None,
        verify=verify,
    )


def _sign(signer: Signer, context: Context) -> Callable[[str], SignResult]:
    def sign_one(reference: str) -> SignResult:
        from s3c_actions.steps import sign

        with context.progress.step("sign") as step:
            try:
                result = sign.run(signer, reference, context.progress)
            except S3CError as error:
                step.done(error.what)
                raise
            how = "already signed by" if result.skipped else "signed by"
            step.done(f"{how} {result.certificate.subject}")
        return result

    return sign_one


def _verify(values: Values, context: Context, signer: Signer, stack: ExitStack) -> Callable[[str], VerifyResult]:
    """Verification as a consumer would do it: by the trust store given, else by the signing certificate's anchor."""
    from s3c_actions.commands.verify import trust
    from s3c_actions.steps import verify

    notation: Notation = signer.notation
    settings: VerifySettings = trust(values)
    home: Home = signer.trust
    for one in TRUST_INPUTS:
        if values.given(one) and not settings.stores:
            raise InputError(
                "trust-store",
                f"it is missing, and {one.name} is given.",
                remedy="Give the certificates to trust, or leave both out to trust the signing certificate's anchor.",
            )
    if settings.stores:
        home = stack.enter_context(verify.prepare(settings, context.temp, context.progress))
        if not verify.leads_to(settings, signer.chain):
            raise InputError(
                "trust-store",
                f"it does not lead to the certificate that signs, {signer.certificate.subject}.",
                cause="Every image would be signed, and then refused by this trust store.",
                remedy="Give the root of the signing certificate, or sign with a key that this trust store trusts.",
            )

    def verify_one(reference: str) -> VerifyResult:
        with context.progress.step("verify") as step:
            try:
                result = verify.run(settings, notation, home, reference, context.progress)
            except S3CError as error:
                step.done(error.what)
                raise
            step.done(f'valid, trusted by policy "{result.policy}"')
        return result

    return verify_one


COMMAND = Command(
    name="chain",
    help="Takes images from vulnerable to patched, signed and verified: scan, patch, rescan, gate, sign, verify. "
    "Nothing is signed that does not pass the gate; a second run on the same image pushes nothing.",
    inputs=inputs.INPUTS,
    run=run,
    comments=True,
    examples=(
        "s3c chain localhost:5000/voting-db:15.0 --key signing.key --certificate signing.crt",
        "s3c chain registry.example/app:1.4 registry.example/db:15.0 --key-name release --fail-on HIGH",
        "s3c chain registry.example/app:1.4 --sign false",
    ),
)
