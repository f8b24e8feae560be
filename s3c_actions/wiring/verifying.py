"""Create trust settings from the options: trust stores, identities and trust policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from s3c_actions.core import reading
from s3c_actions.core.doc_links import doc_link
from s3c_actions.core.errors import InputError
from s3c_actions.options.declare import Input
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.programs.notation.home import write_private_file
from s3c_actions.signing import certificate_chains, certificate_identities, certificates
from s3c_actions.steps.verify import VerifySettings
from s3c_actions.wiring import vault
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read_input_file

TIMESTAMP_INPUTS: tuple[Input[Any], ...] = (
    TrustOptions.trusted_timestamp_root,
    TrustOptions.verify_timestamp,
)


class TimestampOptions(Protocol):
    """Options on trust in time-stamps."""

    trusted_timestamp_root: tuple[Path, ...]

    def given(self, option: Input[Any]) -> bool:
        """Return whether an input was given."""


def require_timestamp_roots(options: TimestampOptions) -> None:
    """Raise InputError when the inputs say when to check time-stamps, and trust no authority of time-stamps."""
    option = TrustOptions.verify_timestamp
    if options.given(option) and not options.trusted_timestamp_root:
        raise InputError(
            TrustOptions.trusted_timestamp_root.name,
            f"it is missing, and `{option.name}` is given.",
            remedy="Give the root certificates of the time-stamp authorities, or leave both out.",
        )


def names_trust(options: TrustOptions, anchored: Sequence[Input[Any]] = ()) -> bool:
    """Return whether the inputs name a trusted signer: by a trust store, or by a certificate in a vault.

    Args:
        options: of the command.
        anchored: inputs that may be given without a trusted signer: the command takes the certificate that signs.

    Raises:
        InputError: they say how to verify but name no trusted signer, or one of vault and certificate is missing.
    """
    if vault.names_certificate(options) or options.trust_store:
        return True
    for option in TrustOptions.own():
        if options.given(option) and option not in anchored:
            raise InputError(
                TrustOptions.trust_store.name,
                f"it is missing, and `{option.name}` is given.",
                remedy="Give both, or the certificate in a vault with `vault` and `vault-certificate`.",
            )
    return False


def trust_settings(options: TrustOptions, context: Context, metadata: Mapping[str, str]) -> VerifySettings:
    """Return the trust settings: from the inputs, or from the certificate in a vault; else without a store.

    Args:
        options: the trusted signers.
        context: of the command.
        metadata: as in `given_trust_settings`.

    Raises:
        InputError: an input is wrong, both are given, or the certificate does not exist or cannot sign images.
        OutsideError: Azure gave no token, or the vault denied access.
    """
    settings = given_trust_settings(options, metadata)
    if not vault.names_certificate(options):
        return settings
    if settings.stores or settings.policy is not None:
        raise InputError("vault", "it is given beside `trust-store` or `trust-policy`.", remedy="Give one of them.")
    versions = options.trusted_vault_version or (options.vault_certificate_version,)
    opened = vault.open_versions(options, context, versions, valid_now=not options.trusted_timestamp_root)
    chains = [version.chain for version in opened]
    anchors = dict.fromkeys(anchor for chain in chains for anchor in certificate_chains.trust_anchor(chain))
    store = write_private_file(context.temp / "vault-anchor.pem", certificates.encode_pem(tuple(anchors)))
    pinned = certificate_identities.pinned_identities(chains, "vault-certificate")
    return replace(settings, stores=(store,), identities=settings.identities or pinned)


def given_trust_settings(options: TrustOptions, metadata: Mapping[str, str]) -> VerifySettings:
    """Return the step's trust settings from the inputs alone.

    Args:
        options: the trusted signers.
        metadata: metadata that a signature must contain.

    Raises:
        InputError: the policy cannot be read, or an input is given beside it that the policy sets.
    """
    policy = _read_trust_policy(options)
    if policy is not None:
        for option in (
            TrustOptions.trusted_identity,
            TrustOptions.verification_level,
            TrustOptions.trusted_timestamp_root,
            TrustOptions.verify_timestamp,
        ):
            if options.given(option):
                raise InputError(
                    option.name, "it is given beside `trust-policy`, which says the same.", remedy="Give one of both."
                )
    require_timestamp_roots(options)
    return VerifySettings(
        stores=options.trust_store,
        policy=policy,
        level=options.verification_level,
        identities=options.trusted_identity,
        timestamp_roots=options.trusted_timestamp_root,
        timestamp_check=options.verify_timestamp,
        metadata=metadata,
    )


def _read_trust_policy(options: TrustOptions) -> Mapping[str, Any] | None:
    path = options.trust_policy
    if path is None:
        return None
    try:
        document = reading.parse_json(read_input_file(path, "trust-policy"))
    except ValueError as error:
        raise InputError("trust-policy", f"{path} is not JSON.", remedy=_TRUST_POLICY, original=str(error)) from error
    if not isinstance(document, dict):
        raise InputError("trust-policy", f"{path} is no JSON object.", remedy=_TRUST_POLICY)
    return document


_TRUST_POLICY = f"Give notation's trustpolicy.json, as {doc_link('sign.md')} shows it, or leave it out: one is made."
