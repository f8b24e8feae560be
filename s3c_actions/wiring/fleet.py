"""Read a fleet's plan from where the input names it: a file, or a registry."""

from __future__ import annotations

from pathlib import Path

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.fleet import plan as plans
from s3c_actions.fleet import store
from s3c_actions.fleet.plan import Plan
from s3c_actions.options.registry import RegistryOptions
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.logins import create_logins, create_registry


def read_any(text: str, options: RegistryOptions, context: Context) -> tuple[Plan, Reference | None]:
    """Read a plan.

    Args:
        text: path of `plan.json`, or `oci://registry/repository:tag`.
        options: how to reach the registry.
        context: of the command.

    Returns:
        The plan, and its place by digest; None for a file.

    Raises:
        InputError: it is not there, or is no plan.
        OutsideError: the registry could not be reached, or gave an invalid answer.
    """
    if not store.is_stored(text):
        return plans.read(Path(text).expanduser()), None
    reference = store.parse_place(text)
    registry = create_registry(options, create_logins(options, context, {reference.registry}))
    stored = store.find_stored_plan(registry, reference)
    if stored is None:
        raise InputError("plan", f"{text} is not there.", remedy="Publish it with `s3c fleet plan --publish`.")
    return stored
