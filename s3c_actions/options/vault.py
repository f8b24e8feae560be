"""Inputs that name a certificate in Azure Key Vault: its key signs, and it is trusted."""

from __future__ import annotations

import re

from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.common import path
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.parse import items

OFFICIAL_PLUGIN = "azure-kv"

VAULT_PLUGINS = ("s3c-azure", OFFICIAL_PLUGIN)


def vault_name(value: str) -> str:
    """Parse the name of a vault, or its address, and return the name or host; a host contains a dot.

    https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftkeyvault
    """
    match = re.fullmatch(r"(?:https://)?([A-Za-z](?:-?[A-Za-z0-9]){2,23}(?:\.[A-Za-z0-9.-]+)?)/?", value.strip())
    if not match or len(match[1].partition(".")[0]) > 24:
        raise ValueError("the name of a key vault, or its address")
    return match[1].lower()


def object_name(value: str) -> str:
    """Parse the name of an object in a vault."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,127}", value.strip()):
        raise ValueError("a certificate's name: up to 127 letters, digits and dashes")
    return value.strip()


def object_version(value: str) -> str:
    """Parse the version of an object in a vault."""
    if not re.fullmatch(r"[0-9a-fA-F]{32}", value.strip()):
        raise ValueError("a version: 32 hexadecimal digits")
    return value.strip().lower()


NEWEST = "newest"


def trusted_versions(value: str) -> tuple[str, ...]:
    """Parse versions of a certificate; an empty one is the newest."""
    return tuple("" if version == NEWEST else object_version(version) for version in items(value))


class VaultCertificateOptions(Group):
    """A certificate in Azure Key Vault."""

    vault = Input(
        name="vault",
        basic=("chain", "sign", "attach", "verify", "trust", "trace"),
        metavar="VAULT",
        help="Azure Key Vault with the signing certificate: its name, or its address. The key never leaves it. Goes "
        "with `vault-certificate`.",
        parse=vault_name,
        absent="",
        example="kv-voting",
    )
    vault_certificate = Input(
        name="vault-certificate",
        basic=("chain", "sign", "attach", "verify", "trust", "trace"),
        metavar="NAME",
        help="Name of the certificate in the vault.",
        parse=object_name,
        absent="",
        example="signing",
    )
    vault_certificate_version = Input(
        name="vault-certificate-version",
        metavar="VERSION",
        help="Version of the certificate. Without it, the newest.",
        parse=object_version,
        absent="",
        example="0123456789abcdef0123456789abcdef",
    )
    vault_ca_certs = Input(
        name="vault-ca-certs",
        help="The issuers of the vault's certificate in PEM, the root last. Without it, they are read from the vault's "
        "secret of the same name, unless the key is exportable and would come along.",
        parse=path,
        example="ca.pem",
    )


class VaultOptions(VaultCertificateOptions, IdentityOptions):
    """A certificate in Azure Key Vault, and the identity that reads it."""
