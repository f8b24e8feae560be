"""From options to what is trusted: trust stores, identities and trust policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.options import Values
from s3c_actions.options import verify as inputs
from s3c_actions.options.sign import USER_METADATA
from s3c_actions.programs.notation.home import private_file
from s3c_actions.wiring import vault
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read

if TYPE_CHECKING:
    from s3c_actions.steps.verify import VerifySettings


def trusting(values: Values) -> bool:
    """Whether the inputs say whom to trust: by a trust store, or by a certificate in a vault.

    Raises:
        InputError: they say how to trust and not whom, or name half a certificate.
    """
    if vault.wanted(values) or values[inputs.TRUST_STORE]:
        return True
    for one in inputs.TRUST_INPUTS:
        if values.given(one):
            raise InputError(
                inputs.TRUST_STORE.name,
                f"it is missing, and {one.name} is given.",
                remedy="Give both, or the certificate in a vault with `vault` and `vault-certificate`.",
            )
    return False


def trusted(values: Values, context: Context, *, metadata: bool = True) -> VerifySettings:
    """What is to be trusted: what the inputs say, or the certificate in a vault that they name; else no store.

    Args:
        values: of a command that has the inputs of trust and of a certificate in a vault.
        context: of the command.
        metadata: as in `trust`.

    Raises:
        InputError: an input is wrong, both are given, or the certificate is not there or cannot sign images.
        OutsideError: Azure gave no token, or the vault does not let us in.
    """
    from s3c_actions.signing import certificates

    settings = trust(values, metadata=metadata)
    if not vault.wanted(values):
        return settings
    if settings.stores or settings.policy is not None:
        raise InputError("vault", "it is given beside trust-store or trust-policy.", remedy="Give one of them.")
    chain = vault.opened(values, context).chain
    anchor = private_file(context.temp / "vault-anchor.pem", certificates.pem(certificates.anchor(chain)))
    own = (certificates.pinned_identity(chain, "vault-certificate"),)
    return replace(settings, stores=(anchor,), identities=settings.identities or own)


def trust(values: Values, *, metadata: bool = True) -> VerifySettings:
    """What the inputs say is to be trusted, as the step's settings.

    Args:
        values: of a command that has the inputs of trust.
        metadata: whether it also has the one of what a signature has to hold.

    Raises:
        InputError: the policy cannot be read, or is given beside what it would say itself.
    """
    from s3c_actions.steps.verify import VerifySettings

    policy = _policy(values)
    if policy is not None:
        for one in (inputs.TRUSTED_IDENTITY, inputs.LEVEL, inputs.TIMESTAMP_ROOTS):
            if values.given(one):
                raise InputError(
                    one.name, "it is given beside trust-policy, which says the same.", remedy="Give one of both."
                )
    return VerifySettings(
        stores=values[inputs.TRUST_STORE],
        policy=policy,
        level=values[inputs.LEVEL],
        identities=values[inputs.TRUSTED_IDENTITY],
        timestamp_roots=values[inputs.TIMESTAMP_ROOTS],
        metadata=values[USER_METADATA] if metadata else {},
    )


def _policy(values: Values) -> Mapping[str, Any] | None:
    path = values[inputs.TRUST_POLICY]
    if path is None:
        return None
    try:
        document = reading.json_value(read(path, "trust-policy"))
    except ValueError as error:
        raise InputError("trust-policy", f"{path} is not JSON.", remedy=_TRUST_POLICY, original=str(error)) from error
    if not isinstance(document, dict):
        raise InputError("trust-policy", f"{path} is no JSON object.", remedy=_TRUST_POLICY)
    return document


_TRUST_POLICY = "Give notation's trustpolicy.json, as docs/sign.md shows it, or leave it out: one is made."
