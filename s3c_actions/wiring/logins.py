"""The credentials for each registry: from inputs, Docker's configuration or the Azure identity."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from s3c_actions.options import Input, Values
from s3c_actions.options.common import INSECURE, REGISTRY_PASSWORD, REGISTRY_USERNAME
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.azure.container_registry import AzureLogin
    from s3c_actions.registry import Registry
    from s3c_actions.registry.credentials import Logins


def logins(
    values: Values,
    context: Context,
    registries: Collection[str],
    username: Input[str] = REGISTRY_USERNAME,
    password: Input[str] = REGISTRY_PASSWORD,
) -> Logins:
    """The logins of a command.

    Args:
        values: of a command that takes the two inputs, and `inputs.azure.IDENTITY_INPUTS`.
        context: the command's.
        registries: that the credentials given are for; nobody else is sent them.
        username: the input with the user's name.
        password: the input with the password.

    Raises:
        InputError: one of the two inputs is given without the other.
    """
    from s3c_actions.registry import credentials

    login = credentials.given(values[username], values[password], username.name.removesuffix("-username"))
    return credentials.Logins(
        environment=context.environment,
        given=dict.fromkeys(registries, login) if login else {},
        exchange=_azure(values, context),
        hide=context.secrets.add,
    )


def registry(values: Values, logins: Logins, *, timeout: float = 30.0) -> Registry:
    """A client with these logins, which talks as `insecure-registry` says; `timeout` in seconds for one answer."""
    from s3c_actions.registry import Registry

    return Registry(logins, insecure=values[INSECURE], timeout=timeout)


def _azure(values: Values, context: Context) -> AzureLogin:
    """One for the whole run: what it exchanged once is valid for every step."""
    from s3c_actions.azure.container_registry import AzureLogin
    from s3c_actions.wiring.azure import azure_identity

    made = context.shared.get("azure login")
    if not isinstance(made, AzureLogin):
        made = AzureLogin(lambda: azure_identity(values, context), context.secrets, context.progress)
        context.shared["azure login"] = made
    return made
