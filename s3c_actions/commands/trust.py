"""`s3c trust export`: write the files that a verifier needs to trust one signer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.core.errors import InputError
from s3c_actions.options import trust as inputs
from s3c_actions.result.model import Outcome
from s3c_actions.signing import certificates
from s3c_actions.wiring import vault
from s3c_actions.wiring.azure import find_tenant
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read_input_file

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

    path = options.certificate
    if vault.names_certificate(options) == (path is not None):
        raise InputError(
            "certificate" if path is not None else "vault",
            "it is given beside vault." if path is not None else "nothing is given that could be trusted.",
            remedy="Give `vault` and `vault-certificate`, or `certificate`.",
        )
    name, scopes = options.trust_name, options.registry_scope
    client = options.ratify_client_id
    if path is not None:
        if client:
            raise InputError("ratify-client-id", "it goes with vault, which is not given.", remedy="Leave it out.")
        chain = certificates.read_chain(read_input_file(path, "certificate"))
        certificates.check(chain, context.now)
        return TrustSettings(chain=chain, name=name, scopes=scopes)
    opened = vault.open_vault(options, context)
    fetched = None
    if client:
        tenant = opened.identity.tenant or find_tenant(options, context)
        if not tenant:
            raise InputError("tenant-id", "it is missing, and ratify-client-id is given.", remedy="Give both.")
        fetched = VaultTrust(
            vault=f"https://{opened.vault.host}",
            certificate=opened.certificate.name,
            tenant=tenant,
            client=client,
        )
    return TrustSettings(chain=opened.chain, field="vault-certificate", name=name, scopes=scopes, fetched=fetched)
