"""Azure's libraries, imported when they are first used (`core.libraries`): together they take 0.1 s.

`retries` has a class of theirs as its base and imports them itself; it is imported where a client is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.core.libraries import late

__all__ = [
    "azure_core",
    "azure_exceptions",
    "azure_identity",
    "azure_policies",
    "azure_rest",
    "azure_transport",
    "vault_certificates",
    "vault_crypto",
    "vault_keys",
]

if TYPE_CHECKING:
    from azure import core as azure_core
    from azure import identity as azure_identity
    from azure.core import exceptions as azure_exceptions
    from azure.core import rest as azure_rest
    from azure.core.pipeline import policies as azure_policies
    from azure.core.pipeline import transport as azure_transport
    from azure.keyvault import certificates as vault_certificates
    from azure.keyvault import keys as vault_keys
    from azure.keyvault.keys import crypto as vault_crypto
else:
    azure_core = late("azure.core")
    azure_exceptions = late("azure.core.exceptions")
    azure_identity = late("azure.identity")
    azure_rest = late("azure.core.rest")
    azure_transport = late("azure.core.pipeline.transport")
    azure_policies = late("azure.core.pipeline.policies")
    vault_certificates = late("azure.keyvault.certificates")
    vault_crypto = late("azure.keyvault.keys.crypto")
    vault_keys = late("azure.keyvault.keys")
