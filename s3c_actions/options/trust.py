"""Inputs of `trust`."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec.structs import replace

from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, OutputOptions, TimeoutOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.gate import GateInputs
from s3c_actions.options.parse import choice, items
from s3c_actions.options.registry import REGISTRY_INPUTS, RegistryOptions
from s3c_actions.options.sign import CertificateOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.options.vault import VaultCertificateOptions, VaultOptions

TASKS = ("export", "list-signed")


def trust_store_name(value: str) -> str:
    """Parse the name of a trust store, which is also a folder's name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value.strip()):
        raise ValueError("a name: letters, digits, dots, dashes and underscores")
    return value.strip()


class TrustInputs(VaultOptions, RegistryOptions, ImageOptions, TimeoutOptions, OutputOptions):
    """The inputs of `trust`."""

    task: Input[str] = Input(
        name="task",
        basic=("trust", "policy", "gate"),
        metavar="TASK",
        help="`export` writes what a verifier has to have: notation's trust store and policy, and Ratify's manifests. "
        "`list-signed` lists what the certificate's key has signed, such as when somebody else has it.",
        parse=choice(*TASKS),
        default="export",
        absent="export",
        choices=TASKS,
        positional=True,
    )
    image: Input[tuple[str, ...]] = replace(
        ImageOptions.image,
        help="`list-signed`: images, or whole repositories: `registry/repository` without tag and digest.",
        required=False,
        positional=False,
        example="registry.example/voting-app",
    )
    certificate: Input[Path | None] = replace(
        CertificateOptions.certificate,
        help="Certificates of the signer, a file's path or the PEM itself, instead of `vault`: the signing "
        "certificate first, each issuer after it. While it is renewed, the new one follows with its issuers.",
    )
    trusted_vault_version = TrustOptions.trusted_vault_version
    trusted_timestamp_root = TrustOptions.trusted_timestamp_root
    verify_timestamp = TrustOptions.verify_timestamp
    trust_name = Input(
        name="trust-name",
        basic=("trust",),
        metavar="NAME",
        help="What the trust store and the statement of the policy are called.",
        parse=trust_store_name,
        default="s3c",
        absent="s3c",
    )
    registry_scope: Input[tuple[str, ...]] = Input(
        name="registry-scope",
        basic=("trust",),
        metavar="REPOSITORY,…",
        help="Repositories that the policy is for, as `registry/repository`; `*` is every one.",
        parse=items,
        default="*",
        absent=("*",),
        many=True,
        example="myregistry.azurecr.io/voting-app",
    )
    ratify_client_id = replace(
        GateInputs.ratify_client_id,
        help="Client of Ratify's managed identity: with it and `vault`, Ratify fetches the certificate itself and "
        "finds a renewed one. Without it, the certificate stands in the manifest.",
    )
    order = (
        task,
        image,
        *VaultCertificateOptions.own(),
        trusted_vault_version,
        certificate,
        trusted_timestamp_root,
        verify_timestamp,
        trust_name,
        registry_scope,
        ratify_client_id,
        *REGISTRY_INPUTS,
    )


COMMAND = Command(
    name="trust",
    help="Writes what a verifier has to have to trust a signer, from the certificate itself: notation's trust store "
    "and trust policy, and Ratify's KeyManagementProvider, Verifier and Policy. Or lists what its key has signed.",
    options=TrustInputs,
    implementation="s3c_actions.commands.trust:run",
    examples=(
        "s3c trust export --vault kv-voting --vault-certificate signing",
        "s3c trust export --certificate signing.crt --registry-scope registry.example/voting-app",
        "s3c trust list-signed --image registry.example/voting-app --certificate signing.crt",
    ),
)
