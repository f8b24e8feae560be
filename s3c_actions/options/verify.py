"""Inputs of `verify`."""

from __future__ import annotations

from s3c_actions.options import other_actions
from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, JobOptions, OutputOptions
from s3c_actions.options.programs import NotationProgram, ProgramsMirror
from s3c_actions.options.registry import REGISTRY_INPUTS, NotationOptions
from s3c_actions.options.sign import CertificateOptions, MetadataOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.options.vault import VaultCertificateOptions


class VerifyingOptions(TrustOptions, MetadataOptions, NotationOptions):
    """How signatures are verified."""


class VouchingOptions(CertificateOptions, TrustOptions, NotationOptions):
    """The signers whose signatures on an earlier run's image count: the trusted ones, else the certificate's."""


class VerifyInputs(VerifyingOptions, JobOptions, ImageOptions, OutputOptions):
    """The inputs of `verify`."""

    order = (
        ImageOptions.image,
        *TrustOptions.own(),
        *VaultCertificateOptions.own(),
        MetadataOptions.user_metadata,
        *REGISTRY_INPUTS,
        *NotationProgram.own(),
        ProgramsMirror.programs_mirror,
        *JobOptions.own(),
    )


COMMAND = Command(
    name="verify",
    help="Verifies the signatures of images with notation, by a trust store and a trust policy, given or made. "
    "A verdict of no is exit code 1, wrong input 2, a registry that fails 3.",
    options=VerifyInputs,
    implementation="s3c_actions.commands.verify:run",
    others=other_actions.NOTATION_VERIFY,
    examples=(
        "s3c verify localhost:5000/voting-app@sha256:… --trust-store signing.crt",
        "s3c verify acr.example/app:1.2 --trust-store root.crt --trusted-identity 'C=US, ST=WA, O=example'",
        "s3c verify acr.example/app:1.2 --vault kv-voting --vault-certificate signing",
    ),
)
