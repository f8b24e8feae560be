"""What commands take that work on images in a registry: who we are there, for how long, and where the result goes."""

from __future__ import annotations

from typing import Any

from s3c_actions.options import Group, Input
from s3c_actions.options.azure import IDENTITY_INPUTS, IdentityOptions
from s3c_actions.options.common import INSECURE, OUTPUT_DIR, REGISTRY_PASSWORD, REGISTRY_USERNAME, TIMEOUT

REGISTRY_INPUTS: tuple[Input[Any], ...] = (
    REGISTRY_USERNAME,
    REGISTRY_PASSWORD,
    INSECURE,
    *IDENTITY_INPUTS,
    TIMEOUT,
    OUTPUT_DIR,
)
"""In README order."""


class CredentialOptions(Group):
    """How to talk to the image's registry."""

    registry_username = REGISTRY_USERNAME
    registry_password = REGISTRY_PASSWORD
    insecure_registry = INSECURE


class RegistryOptions(CredentialOptions, IdentityOptions):
    """How to talk to the image's registry, by its credentials or an Azure identity."""
