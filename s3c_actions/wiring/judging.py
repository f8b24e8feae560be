"""Create the judge of images from a policy, and read the certificates that the policy names."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec.structs import replace as changed

from s3c_actions.azure.vault import Vault
from s3c_actions.core.errors import InputError
from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.registry import NotationOptions
from s3c_actions.policy.model import vault_certificate
from s3c_actions.signing import certificate_chains, certificate_identities, certificates
from s3c_actions.signing.identities import PREFIX
from s3c_actions.steps import judge
from s3c_actions.wiring.azure import identity_from_inputs
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.signing import create_notation, signing_registry

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from s3c_actions.policy.model import Policy, TrustedSigner
    from s3c_actions.steps.judge import PolicyJudge


@contextmanager
def open_policy_judge(
    options: NotationOptions, context: Context, policy: Policy, registries: Collection[str]
) -> Iterator[PolicyJudge]:
    """Open the judge of images of some registries by a policy.

    Raises:
        InputError: the policy names no signer, or a certificate in it is none.
        OutsideError: notation could not be obtained, or a vault denied access.
    """
    with judge.prepare(
        read_certificates(policy, options, context),
        registry=signing_registry(options, context, registries),
        notation=create_notation(options, context, registries),
        temp=context.temp,
        now=context.now,
    ) as ready:
        yield ready


def read_certificates(policy: Policy, options: IdentityOptions, context: Context) -> Policy:
    """Return the policy with the text of the certificates that it names by their vault.

    Args:
        policy: from `policy.model.read`.
        options: the identity that reads the vault.
        context: the command's.

    Raises:
        InputError: a certificate does not exist, or its issuers are not available.
        OutsideError: Azure gave no token, or the vault denied access.
    """
    signers = tuple(
        _resolve_vault_signer(signer, options, context) if signer.in_vault else signer for signer in policy.signers
    )
    return policy if signers == policy.signers else changed(policy, signers=signers)


def _resolve_vault_signer(signer: TrustedSigner, options: IdentityOptions, context: Context) -> TrustedSigner:
    """Return a signer with what makes its certificates trusted: each itself, or its issuer and subject."""
    texts, chains = [], []
    for source in signer.certificates:
        location = vault_certificate(source)
        if location is None:
            texts.append(source)
            continue
        chain = _read_vault_certificate(signer, location, options, context)
        chains.append(chain)
        texts.append(certificates.encode_pem(certificate_chains.trust_anchor(chain)).decode())
    identities = signer.identities
    if not identities and not all(certificates.is_own_anchor(chain[0]) for chain in chains):
        try:
            identities = tuple(
                entry.removeprefix(PREFIX) for entry in certificate_identities.pinned_identities(chains, "policy")
            )
        except InputError as error:
            error.what = error.what.replace("policy: ", f"policy: signer {signer.name}: ", 1)
            raise
    unique = tuple(dict.fromkeys(texts))
    return changed(signer, certificate=unique[0] if len(unique) == 1 else unique, identities=identities)


def _read_vault_certificate(
    signer: TrustedSigner, location: tuple[str, str, str], options: IdentityOptions, context: Context
) -> tuple[Certificate, ...]:
    host, name, version = location
    with context.progress.step("vault") as step:
        identity = identity_from_inputs(options, context)
        try:
            chain = Vault(host, identity, context.progress).certificate(name, version).chain
        except InputError as error:
            error.what = f"signer {signer.name} of the policy: {error.what}"
            if error.field == "vault-ca-certs":
                error.remedy = (
                    "Name the authority's certificate, a PEM file, and the signer's identities in the policy."
                )
            raise
        step.done(f"{name} of {host}, read with {identity.description}")
    return chain
