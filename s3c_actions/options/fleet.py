"""Inputs that the commands of a fleet have in common."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.core.reference import is_tag
from s3c_actions.options.common import path_text
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.github import UploadInputs


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


def _tag(value: str) -> str:
    if value and not is_tag(value):
        raise ValueError("a tag: letters, digits, _ . and -, at most 128 of them")
    return value


class LatestTagOptions(Group):
    """What leads from one night to the next."""

    latest_tag = Input(
        name="latest-tag",
        metavar="TAG",
        help="A tag that leads from one plan to the next where each has a tag of its own, such as its night's. `fleet "
        "plan` takes from the plan that it means how long images take, and has it mean the new one, once that is "
        "published; `fleet report` keeps its report by this tag with `-report` after it. Without it, the plan's own.",
        parse=_tag,
        absent="",
        example="latest",
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
