"""Inputs of `policy`."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from msgspec.structs import replace

from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, OutputOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.parse import boolean, choice, some_time
from s3c_actions.options.programs import NotationProgram, ProgramsMirror
from s3c_actions.options.registry import REGISTRY_INPUTS, NotationOptions
from s3c_actions.options.report import PolicyOptions


def last_moment(value: str) -> timedelta | date:
    """Parse a day, or a duration from now."""
    text = value.strip()
    try:
        if "-" in text:
            return date.fromisoformat(text)
        return timedelta(seconds=some_time(text))
    except ValueError:
        raise ValueError("a day such as 2027-01-31, or a time such as 14d") from None


TASKS = ("check", "export", "schema")


class PolicyInputs(NotationOptions, PolicyOptions, ImageOptions, OutputOptions):
    """The inputs of `policy`."""

    task: Input[str] = Input(
        name="task",
        basic=("trust", "policy", "gate"),
        metavar="TASK",
        help="`check` reads the policy, and judges the images given by the evidence in their registry, as the cluster "
        "would. `export` prints the rules of the cluster's gate. `schema` prints the file's JSON Schema.",
        parse=choice(*TASKS),
        default="check",
        absent="check",
        choices=TASKS,
        positional=True,
    )
    image: Input[tuple[str, ...]] = replace(ImageOptions.image, required=False, absent=())
    policy: Input[Path | None] = replace(
        PolicyOptions.policy,
        help="The policy to judge by, or to export.",
        default="s3c-policy.yaml",
    )
    at: Input[timedelta | date | None] = Input(
        name="at",
        basic=("policy",),
        metavar="DATE",
        help="With `check`, tell what the policy will refuse up to the end of this day in UTC (`2027-01-31`), or in "
        "this time (`14d`), and when: graces, exceptions, reports, bases and signatures that end. An image that will "
        "be refused by then fails. What becomes known later is not in it.",
        parse=last_moment,
        absent=None,
        example="14d",
    )
    ratify = Input(
        name="ratify",
        help="Export for Ratify and Gatekeeper: keys, verifiers, policy, constraint template and constraint, in YAML.",
        parse=boolean,
        default="true",
        absent=True,
        switch=True,
    )
    order = (
        task,
        image,
        policy,
        at,
        ratify,
        *REGISTRY_INPUTS,
        *NotationProgram.own(),
        ProgramsMirror.programs_mirror,
    )


COMMAND = Command(
    name="policy",
    help="Reads a policy, judges images by the evidence in their registry exactly as the cluster's gate would, and "
    "exports the policy for that gate.",
    options=PolicyInputs,
    implementation="s3c_actions.commands.policy:run",
    examples=(
        "s3c policy check registry.example/app@sha256:…",
        "s3c policy check --policy s3c-policy.yaml",
        "s3c policy check registry.example/app@sha256:… --at 14d",
        "s3c policy export --ratify > gate.yaml",
        "s3c policy schema > s3c-policy.schema.json",
    ),
)
