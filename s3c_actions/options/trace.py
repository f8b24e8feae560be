"""Inputs of `trace`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from s3c_actions.options import Input, choice
from s3c_actions.options.common import IMAGE, ImageOptions, OutputOptions
from s3c_actions.options.programs import NOTATION, PROGRAMS_MIRROR
from s3c_actions.options.registry import REGISTRY_INPUTS
from s3c_actions.options.report import POLICY as GIVEN
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.sign import NotationOptions
from s3c_actions.options.vault import CERTIFICATE_INPUTS
from s3c_actions.options.verify import TRUST_INPUTS, TRUST_STORE, TrustOptions

SHOWN = ("text", "json")

SHOW: Input[str] = Input(
    name="format",
    help="What is printed. The page `trace.html` and `trace.json` are written whatever is printed.",
    parse=choice(*SHOWN),
    default="text",
    absent="text",
    choices=SHOWN,
)
OPTIONAL_TRUST_STORE = replace(
    TRUST_STORE,
    help="Certificates to trust, as in `s3c verify`. Without it and without `vault`, signatures are shown and not "
    "verified.",
    required=False,
)

POLICY: Input[Path | None] = replace(
    GIVEN,
    help="The policy, `s3c-policy.yaml`: its signers are trusted, and its verdict is the one that `s3c policy check` "
    "and the cluster give. It takes the place of `trust-store` and `vault`.",
)

INPUTS: tuple[Input[Any], ...] = (
    IMAGE,
    SHOW,
    POLICY,
    *(OPTIONAL_TRUST_STORE if one is TRUST_STORE else one for one in TRUST_INPUTS),
    *CERTIFICATE_INPUTS,
    *REGISTRY_INPUTS,
    *NOTATION.all,
    PROGRAMS_MIRROR,
)


class TraceInputs(TrustOptions, NotationOptions, PolicyOptions, ImageOptions, OutputOptions, order=INPUTS):
    """Of `trace`."""

    format = SHOW
    policy = POLICY
    trust_store = OPTIONAL_TRUST_STORE
