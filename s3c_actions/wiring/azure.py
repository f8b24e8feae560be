"""The Azure identity that a command's inputs ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.options.azure import IdentityOptions
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.azure.identity import Identity


def identity_from_inputs(options: IdentityOptions, context: Context) -> Identity:
    """Choose the identity by what is available, report which, and keep it for the run.

    Args:
        options: of the command.
        context: the command's.

    Raises:
        InputError: an id is missing, or the requested source is not available.
        OutsideError: there is no identity at all.
    """
    from s3c_actions.azure import clouds, identity

    cached = context.shared.get("azure identity")
    if isinstance(cached, identity.Identity):
        return cached
    settings = identity.IdentitySettings(
        tenant=options.tenant_id,
        client=options.client_id,
        cloud=clouds.find_cloud(options.azure_cloud),
        authority=options.authority_host,
        source=options.azure_identity,
    )
    chosen = identity.choose(settings, context.environment, context.secrets)
    context.progress.note(f"Azure: {chosen.description} ({chosen.cloud.name} cloud)")
    context.shared["azure identity"] = chosen
    return chosen


def find_tenant(options: IdentityOptions, context: Context) -> str:
    """Return the tenant: the input's, else that of `AZURE_TENANT_ID`, else the signed-in az account's; empty: none.

    Raises:
        InputError: the variable's is malformed.
    """
    from s3c_actions.azure import identity

    return options.tenant_id or identity.tenant_of(context.environment)
