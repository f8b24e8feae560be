"""`s3c trust export`: write the files that a verifier needs to trust one signer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.options import trust as inputs
from s3c_actions.result.model import Outcome
from s3c_actions.signing import certificates, key_files
from s3c_actions.wiring import vault
from s3c_actions.wiring.azure import find_tenant
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read_input_file
from s3c_actions.wiring.verifying import require_timestamp_roots

if TYPE_CHECKING:
    from s3c_actions.steps.trust import TrustSettings


def run(options: inputs.TrustInputs, context: Context) -> Outcome:
    """Write the files for the certificate that the inputs name.

    Raises:
        InputError: an input is wrong, or the certificate cannot sign images.
        OutsideError: the vault denied access.
    """
    from s3c_actions.steps import trust

    files = trust.export(_settings(options, context), context.output)
    listing = "\n".join(f"{name:<12} {path}" for name, path in files.items())
    return Outcome(command="trust", images=(), files=files, text=listing)


def _settings(options: inputs.TrustInputs, context: Context) -> TrustSettings:
    from s3c_actions.steps.trust import TrustSettings, VaultTrust
    from s3c_actions.steps.verify import timestamp_authorities

    path = options.certificate
    if vault.names_certificate(options) == (path is not None):
        raise InputError(
            "certificate" if path is not None else "vault",
            "it is given beside vault." if path is not None else "nothing is given that could be trusted.",
            remedy="Give `vault` and `vault-certificate`, or `certificate`.",
        )
    require_timestamp_roots(options)
    settings = TrustSettings(
        chains=(),
        name=options.trust_name,
        scopes=options.registry_scope,
        timestamp_roots=timestamp_authorities(options.trusted_timestamp_root),
        timestamp_check=options.verify_timestamp,
    )
    client = options.ratify_client_id
    if path is not None:
        for option in (inputs.TrustInputs.ratify_client_id, inputs.TrustInputs.trusted_vault_version):
            if options.given(option):
                raise InputError(option.name, "it goes with vault, which is not given.", remedy="Leave it out.")
        with certificates.reject_unreadable("certificate"):
            chains = certificates.split_chains(key_files.read_chain(read_input_file(path, "certificate")))
        for chain in chains:
            # With trust in time-stamps, what a certificate signed is trusted after its end.
            certificates.check(chain, None if settings.timestamp_roots else context.now)
        return replace(settings, chains=chains)
    versions = options.trusted_vault_version or (options.vault_certificate_version,)
    opened = vault.open_versions(options, context, versions, valid_now=not settings.timestamp_roots)
    fetched = None
    if client:
        tenant = opened[0].identity.tenant or find_tenant(options, context)
        if not tenant:
            raise InputError("tenant-id", "it is missing, and ratify-client-id is given.", remedy="Give both.")
        fetched = VaultTrust(
            vault=f"https://{opened[0].vault.host}",
            certificate=opened[0].certificate.name,
            versions=versions,
            tenant=tenant,
            client=client,
        )
    return replace(
        settings, chains=tuple(version.chain for version in opened), field="vault-certificate", fetched=fetched
    )
