"""Inputs of commands that work on images in a registry: credentials, time limit and output."""

from __future__ import annotations

from typing import Any

from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.common import OutputOptions, TimeoutOptions
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.parse import boolean, text
from s3c_actions.options.programs import NotationProgram


class CredentialOptions(Group):
    """The connection to the image's registry."""

    registry_username = Input(
        name="registry-username",
        basic=("verify", "mirror"),
        metavar="USER",
        help="User name for the image's registry. Without it, Docker's own configuration is used.",
        parse=text,
        absent="",
    )
    registry_password = Input(
        name="registry-password",
        basic=("verify", "mirror"),
        help="Password or token for the image's registry.",
        parse=text,
        absent="",
        secret=True,
    )
    insecure_registry = Input(
        name="insecure-registry",
        help="Talk to the registry by plain HTTP, or without checking its certificate. `localhost` is plain by itself.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )


class RegistryOptions(CredentialOptions, IdentityOptions):
    """The connection to the image's registry, with its credentials or an Azure identity."""


class NotationOptions(NotationProgram, RegistryOptions, TimeoutOptions):
    """How notation runs on images in a registry."""


REGISTRY_INPUTS: tuple[Input[Any], ...] = (
    *CredentialOptions.own(),
    *IdentityOptions.own(),
    TimeoutOptions.timeout,
    OutputOptions.output_dir,
)
"""In README order."""
