"""`s3c trust`: write the files that a verifier needs to trust a signer, or list what its key has signed."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from s3c_actions.core import writing
from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.core.reference import Reference
from s3c_actions.core.text import counted
from s3c_actions.options import trust as inputs
from s3c_actions.options.common import no_task_error
from s3c_actions.options.declare import Input
from s3c_actions.result.model import Outcome
from s3c_actions.signing import certificate_chains, certificate_rules, certificates, key_files
from s3c_actions.steps import list_signed, trust
from s3c_actions.steps.trust import TrustSettings, VaultTrust
from s3c_actions.steps.verify import timestamp_authorities
from s3c_actions.wiring import vault
from s3c_actions.wiring.azure import find_tenant
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.files import read_input_file
from s3c_actions.wiring.signing import signing_registry
from s3c_actions.wiring.verifying import require_timestamp_roots

LISTING_FILE = "signed.json"


def run(options: inputs.TrustInputs, context: Context) -> Outcome:
    """Write the files for the certificate that the inputs name, or list what its key has signed.

    Raises:
        InputError: an input is wrong, the certificate cannot sign images, or an image does not exist.
        OutsideError: the vault denied access, or the registry failed.
    """
    asked: tuple[Input[Any], ...] = (inputs.TrustInputs.task, inputs.TrustInputs.certificate, inputs.TrustInputs.vault)
    if not any(options.given(option) for option in asked):
        raise no_task_error("trust", inputs.TrustInputs.task)
    if options.task == "list-signed":
        return _list_signed(options, context)
    if options.image:
        raise InputError("image", "it goes with `list-signed`.", remedy="Leave it out, or run `s3c trust list-signed`.")

    files = trust.export(_settings(options, context), context.output)
    listing = "\n".join(f"{name:<12} {path}" for name, path in files.items())
    return Outcome(command="trust", images=(), files=files, text=listing)


def _list_signed(options: inputs.TrustInputs, context: Context) -> Outcome:
    if not options.image:
        raise InputError(
            "image", "`list-signed` needs a repository or an image to look through.", remedy="Give one with `image`."
        )
    references = [Reference.parse(image) for image in options.image]
    path = options.certificate
    _require_one_source(options)
    if path is not None:
        chains = certificate_chains.split_chains(key_files.read_chain(read_input_file(path, "certificate")))
        leaves = tuple(chain[0] for chain in chains)
    else:
        versions = options.trusted_vault_version or (options.vault_certificate_version,)
        leaves = vault.read_leaves(options, context, versions)
    registry = signing_registry(options, context, {reference.registry for reference in references})
    listing = list_signed.run(references, leaves, registry, context.progress)
    content = msgspec.json.format(msgspec.json.encode(listing.signed), indent=2)
    file = writing.write(context.output / LISTING_FILE, content + b"\n")
    lines = [
        "  ".join(
            part
            for part in (entry.reference, entry.kind, ",".join(entry.tags), entry.signed_at or "at no time stated")
            if part
        )
        for entry in listing.signed
    ]
    count = f"{counted(len(lines), 'signature')} of this key, {counted(listing.searched, 'digest')} searched"
    unknown = f"{counted(len(listing.unreadable), 'signature')} could not be read" if listing.unreadable else ""
    summary = ", ".join(filter(None, (count, unknown)))
    return Outcome(
        command="trust",
        images=(),
        files={"signed": file},
        text="\n".join([*lines, f"{summary}: {file}"]),
        # Whose the others are is unknown, so the list may lack some of this key.
        exit_code=int(OutsideError.exit_code) if unknown else 0,
        error=f"{unknown}." if unknown else "",
    )


def _require_one_source(options: inputs.TrustInputs) -> None:
    """Raise InputError unless either a certificate or one in a vault is given."""
    given = options.certificate is not None
    if vault.names_certificate(options) == given:
        raise InputError(
            "certificate" if given else "vault",
            "it is given beside vault." if given else "no certificate is given.",
            remedy="Give `vault` and `vault-certificate`, or `certificate`.",
        )


def _settings(options: inputs.TrustInputs, context: Context) -> TrustSettings:
    path = options.certificate
    _require_one_source(options)
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
            chains = certificate_chains.split_chains(key_files.read_chain(read_input_file(path, "certificate")))
        for chain in chains:
            # With trust in time-stamps, what a certificate signed is trusted after its end.
            certificate_rules.check(chain, None if settings.timestamp_roots else context.now)
        return replace(settings, chains=chains)
    versions = options.trusted_vault_version or (options.vault_certificate_version,)
    opened = vault.open_versions(options, context, versions, valid_now=not settings.timestamp_roots)
    fetched = None
    if client:
        tenant = opened[0].identity.tenant or find_tenant(options, context)
        if not tenant:
            raise InputError("tenant-id", "it is missing, and `ratify-client-id` is given.", remedy="Give both.")
        fetched = VaultTrust(
            vault=f"https://{opened[0].vault.host}",
            certificate=opened[0].certificate.name,
            versions=versions,
            issuers=certificates.encode_pem(opened[0].chain[1:]) if options.vault_ca_certs is not None else b"",
            tenant=tenant,
            client=client,
        )
    return replace(
        settings, chains=tuple(version.chain for version in opened), field="vault-certificate", fetched=fetched
    )
