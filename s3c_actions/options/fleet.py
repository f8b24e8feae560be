"""Inputs that the commands of a fleet have in common."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from s3c_actions.options.common import path, path_text
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.github import UploadInputs

DEFAULT_FLEET = "fleet.yaml"


class FleetOptions(Group):
    """The fleet."""

    fleet: Input[Path | None] = Input(
        name="fleet",
        basic=("fleet plan",),
        metavar="FILE",
        help="The fleet: which images are kept patched and signed. Without it, `fleet.yaml` in the working folder.",
        parse=path,
        absent=None,
        positional=True,
        example="fleet.yaml",
    )


class PlanOptions(Group):
    """The plan."""

    plan = Input(
        name="plan",
        basic=("fleet run", "fleet report"),
        metavar="PLAN",
        help="The plan that `s3c fleet plan` made: a file's path, or `oci://registry/repository:tag` where it is "
        "published.",
        parse=path_text,
        required=True,
        example="plan.json",
    )


class WaitOptions(Group):
    """How long another worker is waited for."""

    wait = replace(
        UploadInputs.wait,
        help="How long to wait for what another worker publishes; `0` does not wait.",
        default="0",
        absent=0.0,
        example="30m",
    )
