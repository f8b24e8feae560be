"""Inputs of `policy`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from s3c_actions.options import Input, boolean, choice
from s3c_actions.options.common import IMAGE, ImageOptions, OutputOptions
from s3c_actions.options.programs import NOTATION, PROGRAMS_MIRROR
from s3c_actions.options.registry import REGISTRY_INPUTS
from s3c_actions.options.report import POLICY as GIVEN
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.sign import NotationOptions

TASKS = ("check", "export", "schema")
TASK: Input[str] = Input(
    name="task",
    help="`check` reads the policy, and judges the images given by the evidence in their registry, as the cluster "
    "would. `export` prints what the cluster's gate is told. `schema` prints the file's JSON Schema.",
    parse=choice(*TASKS),
    default="check",
    absent="check",
    choices=TASKS,
    positional=True,
)
JUDGED: Input[tuple[str, ...]] = replace(IMAGE, required=False, absent=())
POLICY: Input[Path | None] = replace(
    GIVEN,
    help="The policy to judge by, or to export.",
    default="s3c-policy.yaml",
)
RATIFY = Input(
    name="ratify",
    help="Export for Ratify and Gatekeeper: keys, verifiers, policy, constraint template and constraint, in YAML.",
    parse=boolean,
    default="true",
    absent=True,
    switch=True,
)

INPUTS: tuple[Input[Any], ...] = (
    TASK,
    JUDGED,
    POLICY,
    RATIFY,
    *REGISTRY_INPUTS,
    *NOTATION.all,
    PROGRAMS_MIRROR,
)


class PolicyInputs(NotationOptions, PolicyOptions, ImageOptions, OutputOptions, order=INPUTS):
    """Of `policy`."""

    task = TASK
    image = JUDGED
    policy = POLICY
    ratify = RATIFY
