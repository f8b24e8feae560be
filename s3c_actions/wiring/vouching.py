"""Whether a signature that the run trusts covers an image that an earlier run pushed; no private key is needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from s3c_actions.core.errors import InputError, Refused
from s3c_actions.options.sign import CertificateOptions
from s3c_actions.options.verify import VouchingOptions
from s3c_actions.programs.notation.home import private_file
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read
from s3c_actions.wiring.signing import notation
from s3c_actions.wiring.verifying import trusted, trusting

if TYPE_CHECKING:
    from s3c_actions.programs.notation.home import Home
    from s3c_actions.steps.protocols import Verifier
    from s3c_actions.steps.verify import VerifySettings

Vouched = Callable[[str], bool]
"""Whether a trusted signature covers a pinned reference; raises S3CError when that could not be found out."""


def by(program: Verifier, home: Home) -> Vouched:
    """By a trust policy that is there.

    Args:
        program: notation.
        home: whom to trust.
    """

    def vouched(reference: str) -> bool:
        try:
            program.verify(home, reference)
        except Refused:
            return False
        return True

    return vouched


@contextmanager
def by_options(options: VouchingOptions, context: Context, registries: Collection[str]) -> Iterator[Vouched | None]:
    """By whom the options name: a trust store, the certificate in a vault, or a certificate alone.

    Args:
        options: of the command.
        context: of the run.
        registries: of the images.

    Yields:
        None when they name nobody.

    Raises:
        InputError: what they name cannot be used, or not everything is there that names it.
        OutsideError: the vault does not let us in, or notation could not be had.
    """
    from s3c_actions.steps import verify

    settings = _trust(options, context)
    if settings is None:
        yield None
        return
    program = notation(options, context, registries)
    with verify.prepare(settings, context.temp, context.progress) as home:
        yield by(program, home)


def _trust(options: VouchingOptions, context: Context) -> VerifySettings | None:
    from s3c_actions.signing import certificates
    from s3c_actions.steps.verify import VerifySettings

    if trusting(options):
        return trusted(options, context, {})
    path = options.certificate
    if path is None:
        return None
    chain = certificates.read_chain(
        read(path, CertificateOptions.certificate.name), CertificateOptions.certificate.name
    )
    identity = certificates.trusted_identity(chain[0])
    if not identity and not certificates.self_signed(chain[0]):
        raise InputError(
            CertificateOptions.certificate.name,
            "its subject cannot be named in a trust policy, and its authority has issued others.",
            remedy="Name whom to trust with `trust-store` and `trusted-identity`.",
        )
    anchor = private_file(context.temp / "certificate-anchor.pem", certificates.pem(certificates.anchor(chain)))
    return VerifySettings(stores=(anchor,), identities=(identity,) if identity else ())
