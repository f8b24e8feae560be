"""Inputs of `gate`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from s3c_actions.inputs import Input, choice
from s3c_actions.inputs.common import INSECURE, OUTPUT_DIR, REGISTRY_PASSWORD, REGISTRY_USERNAME, TIMEOUT
from s3c_actions.inputs.deploy import CLUSTER, IMAGES, NAMESPACE

TASKS = ("check", "demo")
TASK: Input[str] = Input(
    name="task",
    help="`check` fails when an image given is denied; `demo` shows what becomes of each.",
    parse=choice(*TASKS),
    default="check",
    absent="check",
    choices=TASKS,
    positional=True,
)
TRIED: Input[tuple[str, ...]] = replace(
    IMAGES,
    help="Images to try. Of a signed one, the unsigned counterpart for the proof is found by itself: its signature, "
    "which is something in its repository that nobody signed.",
    required=True,
)

INPUTS: tuple[Input[Any], ...] = (
    TASK,
    TRIED,
    *CLUSTER,
    NAMESPACE,
    REGISTRY_USERNAME,
    REGISTRY_PASSWORD,
    INSECURE,
    TIMEOUT,
    OUTPUT_DIR,
)
