"""Bind the steps of the chain that sign and verify, for one image after another or for many."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import InputError, S3CError
from s3c_actions.options.chain import ProofOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.programs.notation.home import write_private_file
from s3c_actions.result.model import SignResult, VerifyResult
from s3c_actions.signing import certificate_chains, certificate_identities, certificates
from s3c_actions.steps import sign, verify
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.verifying import given_trust_settings

if TYPE_CHECKING:
    from s3c_actions.programs.notation.home import NotationHome
    from s3c_actions.steps.protocols import Verifier
    from s3c_actions.steps.sign import SigningKey
    from s3c_actions.steps.verify import VerifySettings


def sign_step(signer: SigningKey, context: Context) -> Callable[[str], SignResult]:
    """Wrap a signature in a step that is shown."""

    def sign_image(reference: str) -> SignResult:
        with context.progress.step("sign") as step:
            try:
                result = sign.run(signer, reference, context.progress)
            except S3CError as error:
                step.done(error.what)
                raise
            how = "already signed by" if result.skipped else "signed by"
            step.done(f"{how} {result.certificate.subject}")
        return result

    return sign_image


def prepare_verification(
    options: ProofOptions, context: Context, signer: SigningKey, stack: ExitStack
) -> tuple[Callable[[str], VerifyResult], NotationHome]:
    """Verify as a consumer would: by the trust store given, else by the signing certificate's anchor."""
    notation: Verifier = signer.notation
    settings: VerifySettings = given_trust_settings(options, options.user_metadata)
    home: NotationHome = signer.trust
    if settings.timestamp_roots and not settings.stores:
        anchor = write_private_file(
            context.temp / "signing-anchor.pem", certificates.encode_pem(certificate_chains.trust_anchor(signer.chain))
        )
        pinned = (certificate_identities.pinned_identity(signer.chain),)
        settings = replace(settings, stores=(anchor,), identities=settings.identities or pinned)
    for option in TrustOptions.own():
        if options.given(option) and not settings.stores:
            raise InputError(
                "trust-store",
                f"it is missing, and `{option.name}` is given.",
                remedy="Give the certificates to trust, or leave both out to trust the signing certificate's anchor.",
            )
    if settings.stores:
        home = stack.enter_context(verify.prepare(settings, context.temp, context.progress))
        if not verify.chains_to_store(settings, signer.chain):
            raise InputError(
                "trust-store",
                f"it does not lead to the certificate that signs, {signer.certificate.subject}.",
                cause="Every image would be signed, and then refused by this trust store.",
                remedy="Give the root of the signing certificate, or sign with a key that this trust store trusts.",
            )
        if not verify.matches_identities(settings, signer.chain[0]):
            raise InputError(
                "trusted-identity",
                f"it does not name the certificate that signs, {signer.certificate.subject}.",
                cause="Every image would be signed, and then refused for its signer.",
                remedy="Add the signer's subject, or sign with a key whose certificate is named.",
            )
    return lambda reference: verify.run(settings, notation, home, reference, context.progress), home


def verify_step(verify: Callable[[str], VerifyResult], context: Context) -> Callable[[str], VerifyResult]:
    """Wrap a verification in a step that is shown."""

    def verify_image(reference: str) -> VerifyResult:
        with context.progress.step("verify") as step:
            try:
                result = verify(reference)
            except S3CError as error:
                step.done(error.what)
                raise
            step.done(f'valid, trusted by policy "{result.policy}"')
        return result

    return verify_image
