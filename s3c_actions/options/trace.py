"""Inputs of `trace`."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, OutputOptions
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.deploy import ClusterOptions
from s3c_actions.options.parse import choice
from s3c_actions.options.programs import NotationProgram, ProgramsMirror
from s3c_actions.options.registry import REGISTRY_INPUTS, NotationOptions
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.options.vault import VaultCertificateOptions

SHOW_CHOICES = ("text", "json")


class PrintOptions(Group):
    """The format printed."""

    format: Input[str] = Input(
        name="format",
        basic=("scan", "report", "patch", "trace"),
        metavar="FORMAT,…",
        short="f",
        help="What is printed. The page `trace.html` and `trace.json` are written whatever is printed.",
        parse=choice(*SHOW_CHOICES),
        default="text",
        absent="text",
        choices=SHOW_CHOICES,
    )


class TraceInputs(
    PrintOptions, TrustOptions, NotationOptions, PolicyOptions, ClusterOptions, ImageOptions, OutputOptions
):
    """The inputs of `trace`."""

    policy: Input[Path | None] = replace(
        PolicyOptions.policy,
        help="The policy, `s3c-policy.yaml`: its signers are trusted, and its verdict is the one that `s3c policy "
        "check` and the cluster give. It takes the place of `trust-store` and `vault`.",
    )
    trust_store = replace(
        TrustOptions.trust_store,
        help="Certificates to trust, as in `s3c verify`. Without it and without `vault`, signatures are shown and not "
        "verified.",
        required=False,
    )
    kubeconfig = replace(
        ClusterOptions.kubeconfig,
        help="A cluster whose gate is looked at as well: while it is paused, no verdict counts there. A file's path, "
        "or the kubeconfig itself, also in base64. Without it and without `context` and `aks-cluster`, none is asked.",
    )
    order = (
        ImageOptions.image,
        PrintOptions,
        policy,
        *TrustOptions.own(),
        *VaultCertificateOptions.own(),
        *ClusterOptions.own(),
        *REGISTRY_INPUTS,
        *NotationProgram.own(),
        ProgramsMirror.programs_mirror,
    )


COMMAND = Command(
    name="trace",
    help="Tells the whole story of a digest from the registry alone: where it came from, what was found, what the "
    "patch changed, who signed what and when, and whether it would be admitted today. Prints it, and writes it as one "
    "self-contained page and as JSON.",
    options=TraceInputs,
    implementation="s3c_actions.commands.trace:run",
    examples=(
        "s3c trace registry.example/app:1.2 --trust-store signing-root.crt",
        "s3c trace registry.example/app:1.2 --vault kv-voting --vault-certificate signing",
        "s3c trace registry.example/app@sha256:… --policy s3c-policy.yaml --format json",
    ),
)
