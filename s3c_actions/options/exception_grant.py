"""Inputs of `exception grant`."""

from __future__ import annotations

from datetime import datetime, timedelta

from s3c_actions.options.command import Command
from s3c_actions.options.common import OutputOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.exception import (
    ExceptionOptions,
    ExceptionSigningOptions,
    ExceptionStatementOptions,
    exception_end,
    exception_findings,
)
from s3c_actions.options.registry import REGISTRY_INPUTS
from s3c_actions.options.sign import SIGNING_INPUTS


class ExceptionGrantInputs(ExceptionStatementOptions, ExceptionSigningOptions, OutputOptions):
    """The inputs of `exception grant`."""

    findings: Input[tuple[str, ...]] = Input(
        name="findings",
        basic=("exception grant",),
        metavar="ID,…",
        help="The findings that are excused, by identifier, in every package; several by commas or lines. `all` is "
        "every finding that the policy refuses by a rule, those that a later scan brings included. What the policy "
        "denies by name (`findings.deny`) is never excused.",
        parse=exception_findings,
        required=True,
        absent=(),
        many=True,
        example="CVE-2024-5535",
    )
    until: Input[timedelta | datetime | None] = Input(
        name="until",
        basic=("exception grant",),
        metavar="END",
        help="When the exception ends by itself: a duration from now, such as `24h`, or a time with its zone, such as "
        "`2026-12-01T08:00Z`. 72 hours at most, less where the policy's `break-glass.maximum` says so.",
        parse=exception_end,
        required=True,
        absent=None,
        example="24h",
    )
    order = (
        ExceptionOptions.image,
        findings,
        until,
        *ExceptionStatementOptions.own(),
        ExceptionOptions.policy,
        *SIGNING_INPUTS,
        *REGISTRY_INPUTS,
    )


COMMAND = Command(
    name="exception grant",
    help="Break-glass: signs an exception beside an image, so that the gate admits it in spite of findings, for 72 "
    "hours at most. The policy says whose key may grant one (`may: [grant-exceptions]`). It ends by itself.",
    options=ExceptionGrantInputs,
    implementation="s3c_actions.commands.exception_grant:run",
    examples=(
        "s3c exception grant registry.example/app@sha256:… --findings CVE-2024-5535 --until 24h "
        "--why 'checkout is down, INC-1234' --who 'Ada, on call' --key oncall.key --certificate oncall.crt",
        "s3c exception grant registry.example/app:1.4 --findings all --until 2026-12-01T08:00Z "
        "--why 'no fix before Monday' --who 'platform team' --vault kv-oncall --vault-certificate oncall",
    ),
)
