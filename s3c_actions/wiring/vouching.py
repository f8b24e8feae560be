"""Check whether a trusted signature covers an image that an earlier run pushed; no private key is needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import InputError, Refused
from s3c_actions.options.sign import CertificateOptions
from s3c_actions.options.verify import VouchingOptions
from s3c_actions.programs.notation.home import write_private_file
from s3c_actions.signing import certificate_chains, certificate_identities, certificates, key_files
from s3c_actions.steps import verify
from s3c_actions.steps.verify import VerifySettings
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read_input_file
from s3c_actions.wiring.signing import create_notation
from s3c_actions.wiring.verifying import TIMESTAMP_INPUTS, given_trust_settings, names_trust, trust_settings

if TYPE_CHECKING:
    from s3c_actions.programs.notation.home import NotationHome
    from s3c_actions.steps.protocols import Verifier

VouchCheck = Callable[[str], bool]
"""Whether a trusted signature covers a pinned reference; raises S3CError when that could not be determined."""


def vouch_by_policy(program: Verifier, home: NotationHome) -> VouchCheck:
    """Return a check by an existing trust policy.

    Args:
        program: notation.
        home: with the trust policy.
    """

    def vouched(reference: str) -> bool:
        try:
            program.verify(home, reference)
        except Refused:
            return False
        return True

    return vouched


@contextmanager
def by_options(options: VouchingOptions, context: Context, registries: Collection[str]) -> Iterator[VouchCheck | None]:
    """Open a check by the trust store, the certificate in a vault, or the certificate that the options name.

    Args:
        options: of the command.
        context: of the run.
        registries: of the images.

    Yields:
        None when they name no signer.

    Raises:
        InputError: what they name cannot be used, or an input is missing.
        OutsideError: the vault denied access, or notation could not be obtained.
    """
    settings = _trust_settings(options, context)
    if settings is None:
        yield None
        return
    program = create_notation(options, context, registries)
    with verify.prepare(settings, context.temp, context.progress) as home:
        yield vouch_by_policy(program, home)


def _trust_settings(options: VouchingOptions, context: Context) -> VerifySettings | None:
    path = options.certificate
    # A certificate alone says who is trusted, not whose time-stamps.
    if names_trust(options, TIMESTAMP_INPUTS if path is not None else ()):
        return trust_settings(options, context, {})
    if path is None:
        return None
    field = CertificateOptions.certificate.name
    chain = key_files.read_signing_chain(read_input_file(path, field), field=field)
    identity = certificate_identities.trusted_identity(chain[0])
    if not identity and not certificates.is_self_signed(chain[0]):
        raise InputError(
            field,
            "its subject cannot be named in a trust policy, and its authority has issued others.",
            remedy="Name whom to trust with `trust-store` and `trusted-identity`.",
        )
    anchor = write_private_file(
        context.temp / "certificate-anchor.pem", certificates.encode_pem(certificate_chains.trust_anchor(chain))
    )
    return replace(given_trust_settings(options, {}), stores=(anchor,), identities=(identity,) if identity else ())
