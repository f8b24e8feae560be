"""Inputs of `doctor`."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, TimeoutOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.deploy import ClusterOptions
from s3c_actions.options.github import RepositoryOptions, TokenOptions
from s3c_actions.options.parse import boolean
from s3c_actions.options.patch import PatchingOptions
from s3c_actions.options.programs import EveryProgram, ProgramsMirror
from s3c_actions.options.registry import CredentialOptions, RegistryOptions
from s3c_actions.options.vault import VaultCertificateOptions, VaultOptions


class DoctorInputs(
    EveryProgram, VaultOptions, RegistryOptions, ClusterOptions, TokenOptions, RepositoryOptions, ImageOptions
):
    """The inputs of `doctor`."""

    image: Input[tuple[str, ...]] = replace(
        ImageOptions.image,
        help="Images whose registries are asked whether they may be pulled and pushed to, as "
        "`registry/repository:tag`. Nothing is pushed.",
        required=False,
        basic=("doctor",),
    )
    push: Input[bool] = Input(
        name="push",
        basic=("doctor",),
        help="Ask whether the images' repositories may be pushed to: an upload is begun and cancelled.",
        parse=boolean,
        default="true",
        absent=True,
        switch=True,
    )
    buildkit_addr = PatchingOptions.buildkit_addr
    timeout: Input[float] = replace(
        TimeoutOptions.timeout,
        basic=("doctor",),
        help="Time limit of each check.",
        default="30s",
        absent=30.0,
        example="1m",
    )
    order = (
        image,
        push,
        timeout,
        *CredentialOptions.own(),
        *VaultCertificateOptions.own(),
        *IdentityOptions.own(),
        *ClusterOptions.own(),
        RepositoryOptions,
        TokenOptions,
        buildkit_addr,
        *(option for option in EveryProgram.inputs() if option is not ProgramsMirror.programs_mirror),
        ProgramsMirror.programs_mirror,
    )


COMMAND = Command(
    name="doctor",
    help="Checks what the other commands need: programs, BuildKit, registries, GitHub's token, Azure, the cluster and "
    "its gate, clock, disk, proxy and certificates. One line each with a remedy; it changes nothing. What is not "
    "configured is no failure.",
    options=DoctorInputs,
    implementation="s3c_actions.commands.doctor:run",
    examples=(
        "s3c doctor",
        "s3c doctor ghcr.io/acme/voting-app:1.4.0",
        "s3c doctor myregistry.azurecr.io/voting-app:1.4.0 --vault kv-voting --vault-certificate signing",
        "s3c doctor --aks-cluster aks-voting --resource-group rg-voting --json",
    ),
)
