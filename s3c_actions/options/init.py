"""Inputs of `init`."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.options.command import Command
from s3c_actions.options.common import path
from s3c_actions.options.declare import Input
from s3c_actions.options.deploy import DeployingOptions
from s3c_actions.options.gate import GateInputs
from s3c_actions.options.github import TokenOptions
from s3c_actions.options.parse import boolean
from s3c_actions.options.sign import whole_seconds
from s3c_actions.options.vault import VaultCertificateOptions
from s3c_actions.signing.identities import parse_subject

TAG = "tag"


def _pin(value: str) -> str:
    """Parse a commit, or `tag`."""
    text = value.strip().lower()
    if text != TAG and not re.fullmatch(r"[0-9a-f]{40}", text):
        raise ValueError("a commit (40 hexadecimal digits), or `tag`")
    return text


def _prefix(value: str) -> str:
    """Parse registry and path that the names of images begin with."""
    text = value.strip().rstrip("/")
    try:
        reference = Reference.parse(text)
    except InputError:
        reference = None
    if reference is None or reference.tag or reference.digest or text != text.lower() or "/" not in text or "$" in text:
        raise ValueError("a registry and a path in it, such as ghcr.io/acme/shop")
    return text


class InitInputs(TokenOptions):
    """The inputs of `init`."""

    key: Input[bool] = Input(
        name="key",
        basic=("init",),
        help="Create a signing key and a self-signed certificate (`keys/signing.key`, `keys/signing.crt`), and the "
        "workflow that signs. With `vault`, print the command that creates the certificate there instead.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    subject = Input(
        name="subject",
        metavar="NAME",
        help="Subject of the certificate: C, ST and O at least, as verifiers ask for. Without it, it names the "
        "repository.",
        parse=parse_subject,
        absent="",
        example="C=US, ST=WA, O=example, CN=release",
    )
    valid_for = Input(
        name="valid-for",
        help="How long the certificate is valid.",
        parse=whole_seconds,
        default="365d",
        absent=365 * 86400.0,
        example="90d",
    )
    vault = VaultCertificateOptions.vault
    vault_certificate = VaultCertificateOptions.vault_certificate
    image_prefix = Input(
        name="image-prefix",
        basic=("init",),
        metavar="REPOSITORY",
        help="Registry and path that the names of the images begin with. Without it, GitHub's registry for a "
        "repository on github.com whose workflows push to no other.",
        parse=_prefix,
        absent="",
        example="ghcr.io/acme/shop",
    )
    from_trivy_action: Input[Path | None] = Input(
        name="from-trivy-action",
        basic=("init",),
        metavar="FILE",
        help="Change the steps of trivy-action in a workflow into s3c's scan, and list what is left to do; nothing "
        "else is written.",
        parse=path,
        absent=None,
        example=".github/workflows/scan.yml",
    )
    pin = Input(
        name="pin",
        metavar="COMMIT",
        help="The commit of s3c that workflows name; `tag` names the tag. Without it, GitHub is asked for the commit "
        "of this version.",
        parse=_pin,
        absent="",
        example="0123456789abcdef0123456789abcdef01234567",
    )
    dry_run = replace(
        DeployingOptions.dry_run, basic=("init",), help="Show what would change as a diff, and write nothing."
    )
    yes: Input[bool] = replace(
        GateInputs.yes,
        basic=("init",),
        help="Replace files that somebody else wrote without asking. Needed for that where no terminal is there to ask "
        "at.",
    )
    keep = Input(
        name="keep",
        basic=("init",),
        help="Leave files that somebody else wrote as they are, without asking.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    order = (
        dry_run,
        yes,
        keep,
        key,
        subject,
        valid_for,
        vault,
        vault_certificate,
        image_prefix,
        from_trivy_action,
        pin,
        TokenOptions,
    )


COMMAND = Command(
    name="init",
    help="Looks through the repository (Dockerfiles, compose files, manifests, charts, workflows) and writes the "
    "workflows, the policy and the ignore file that fit it. A file that you change is yours: a second run brings only "
    "those up to date that are as they were written.",
    options=InitInputs,
    implementation="s3c_actions.commands.init:run",
    examples=(
        "s3c init --dry-run",
        "s3c init",
        "s3c init --key",
        "s3c init --vault kv-voting --vault-certificate signing --image-prefix myregistry.azurecr.io/shop",
        "s3c init --from-trivy-action .github/workflows/scan.yml --dry-run",
    ),
)
