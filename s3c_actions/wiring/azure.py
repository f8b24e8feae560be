"""The Azure identity that a command's inputs ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3c_actions.options import Values
from s3c_actions.options import azure as inputs
from s3c_actions.wiring.context import Context

if TYPE_CHECKING:
    from s3c_actions.azure.identity import Identity


def azure_identity(values: Values, context: Context) -> Identity:
    """The identity, chosen by what is there; which one is told.

    Args:
        values: of a command that takes `inputs.azure.IDENTITY_INPUTS`.
        context: the command's.

    Raises:
        InputError: an id is missing, or the source asked for is not there.
        OutsideError: there is no identity at all.
    """
    from s3c_actions.azure import clouds, identity

    made = context.shared.get("azure identity")
    if isinstance(made, identity.Identity):
        return made
    settings = identity.IdentitySettings(
        tenant=values[inputs.TENANT_ID],
        client=values[inputs.CLIENT_ID],
        cloud=clouds.named(values[inputs.AZURE_CLOUD]),
        authority=values[inputs.AUTHORITY_HOST],
        source=values[inputs.AZURE_IDENTITY],
    )
    chosen = identity.choose(settings, context.environment, context.secrets)
    context.progress.note(f"Azure: {chosen.told} ({chosen.cloud.name} cloud)")
    context.shared["azure identity"] = chosen
    return chosen
