"""Inputs that the commands of a fleet have in common."""

from __future__ import annotations

from s3c_actions.options.common import path_text
from s3c_actions.options.declare import Group, Input


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
