"""Inputs of `exception revoke`."""

from __future__ import annotations

import re

from s3c_actions.options.command import Command
from s3c_actions.options.common import OutputOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.exception import ExceptionOptions, ExceptionSigningOptions, ExceptionStatementOptions
from s3c_actions.options.parse import items
from s3c_actions.options.registry import REGISTRY_INPUTS
from s3c_actions.options.sign import SIGNING_INPUTS

_START = re.compile(r"(sha256:)?[0-9a-f]{7,64}")


def _digests(value: str) -> tuple[str, ...]:
    """Parse digests of exceptions, or their beginnings."""
    digests = tuple(dict.fromkeys(items(value)))
    if not all(_START.fullmatch(digest) for digest in digests):
        raise ValueError("digests as `s3c exception list` shows them, such as sha256:0123456789ab")
    return tuple(digest if digest.startswith("sha256:") else f"sha256:{digest}" for digest in digests)


class ExceptionRevokeInputs(ExceptionStatementOptions, ExceptionSigningOptions, OutputOptions):
    """The inputs of `exception revoke`."""

    exceptions: Input[tuple[str, ...]] = Input(
        name="exceptions",
        basic=("exception revoke",),
        metavar="DIGEST,…",
        help="The exceptions to revoke, by digest or its beginning as `s3c exception list` shows it. Without it, every "
        "exception of the image that counts.",
        parse=_digests,
        absent=(),
        many=True,
        example="sha256:0123456789ab",
    )
    order = (
        ExceptionOptions.image,
        exceptions,
        *ExceptionStatementOptions.own(),
        ExceptionOptions.policy,
        *SIGNING_INPUTS,
        *REGISTRY_INPUTS,
    )


COMMAND = Command(
    name="exception revoke",
    help="Ends break-glass exceptions before their time: signs a revocation beside the image, by a key that may grant "
    "exceptions. Nothing has to be deleted, and pushing a revoked exception again does not bring it back.",
    options=ExceptionRevokeInputs,
    implementation="s3c_actions.commands.exception_revoke:run",
    examples=(
        "s3c exception revoke registry.example/app@sha256:… --why 'fixed in 1.4.1' --who 'Ada, on call' "
        "--key oncall.key --certificate oncall.crt",
    ),
)
