"""The credentials for each registry: from inputs, Docker's configuration or the Azure identity."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.registry import CredentialOptions, RegistryOptions
from s3c_actions.registry import Registry, credentials
from s3c_actions.wiring.azure import identity_from_inputs
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.azure.container_registry import AzureLogin
    from s3c_actions.registry.credentials import Logins


def create_logins(options: RegistryOptions, context: Context, registries: Collection[str]) -> Logins:
    """Create the logins of a command.

    Args:
        options: of the command.
        context: the command's.
        registries: that the credentials given are for; they are sent to no other.

    Raises:
        InputError: one of user name and password is given without the other.
    """
    return logins_of((options.registry_username, options.registry_password), "registry", options, context, registries)


def logins_of(
    given: tuple[str, str],
    field: str,
    identity: IdentityOptions,
    context: Context,
    registries: Collection[str],
) -> Logins:
    """Create the logins by a user name and a password.

    Args:
        given: user name and password; empty when not given.
        field: what the two inputs' names begin with.
        identity: the Azure identity that logs in where no password is given.
        context: the command's.
        registries: that the credentials given are for; they are sent to no other.

    Raises:
        InputError: one of the two is given without the other.
    """
    login = credentials.input_credentials(*given, field)
    return credentials.Logins(
        environment=context.environment,
        given=dict.fromkeys(registries, login) if login else {},
        exchange=_azure_login(identity, context),
        hide=context.secrets.add,
        warn=context.progress.warning,
    )


def create_registry(options: CredentialOptions, logins: Logins, *, timeout: float = 30.0, retries: int = 3) -> Registry:
    """Create a client with these logins and the input `insecure-registry`.

    Args:
        options: of the command.
        logins: the credentials.
        timeout: in seconds for a response.
        retries: how often a 429 or 5xx is retried.
    """
    return Registry(logins, insecure=options.insecure_registry, timeout=timeout, retries=retries)


def _azure_login(options: IdentityOptions, context: Context) -> AzureLogin:
    """Return the Azure login shared by the run: a token that was exchanged once is valid for every step."""
    from s3c_actions.azure.container_registry import AzureLogin

    login = context.shared.get("azure login")
    if not isinstance(login, AzureLogin):
        login = AzureLogin(lambda: identity_from_inputs(options, context), context.secrets, context.progress)
        context.shared["azure login"] = login
    return login
