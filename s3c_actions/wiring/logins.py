"""The credentials for each registry: from inputs, Docker's configuration or the Azure identity."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.registry import CredentialOptions, RegistryOptions
from s3c_actions.wiring.azure import identity_from_inputs
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.azure.container_registry import AzureLogin
    from s3c_actions.registry import Registry
    from s3c_actions.registry.credentials import Logins


def create_logins(options: RegistryOptions, context: Context, registries: Collection[str]) -> Logins:
    """The logins of a command.

    Args:
        options: of the command.
        context: the command's.
        registries: that the credentials given are for; nobody else is sent them.

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
    """The logins by a user name and a password.

    Args:
        given: user name and password; empty when not.
        field: what the two inputs' names begin with.
        identity: that logs in where no password is needed.
        context: the command's.
        registries: that the credentials given are for; nobody else is sent them.

    Raises:
        InputError: one of the two is given without the other.
    """
    from s3c_actions.registry import credentials

    login = credentials.input_credentials(*given, field)
    return credentials.Logins(
        environment=context.environment,
        given=dict.fromkeys(registries, login) if login else {},
        exchange=_azure(identity, context),
        hide=context.secrets.add,
    )


def create_registry(options: CredentialOptions, logins: Logins, *, timeout: float = 30.0) -> Registry:
    """A client with these logins, which talks as `insecure-registry` says; `timeout` in seconds for one answer."""
    from s3c_actions.registry import Registry

    return Registry(logins, insecure=options.insecure_registry, timeout=timeout)


def _azure(options: IdentityOptions, context: Context) -> AzureLogin:
    """One for the whole run: what it exchanged once is valid for every step."""
    from s3c_actions.azure.container_registry import AzureLogin

    made = context.shared.get("azure login")
    if not isinstance(made, AzureLogin):
        made = AzureLogin(lambda: identity_from_inputs(options, context), context.secrets, context.progress)
        context.shared["azure login"] = made
    return made
