"""Inputs of `mirror`: the image to copy, and its target."""

from __future__ import annotations

import re

from msgspec.structs import replace

from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.command import Command
from s3c_actions.options.common import OutputOptions, path_text
from s3c_actions.options.declare import Input
from s3c_actions.options.parse import boolean, items, text
from s3c_actions.options.registry import RegistryOptions


def platforms(value: str) -> tuple[str, ...]:
    """Parse platforms, each once."""
    listed = tuple(dict.fromkeys(items(value)))
    if not all(re.fullmatch(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?", platform) for platform in listed):
        raise ValueError("made of platforms such as linux/amd64 or linux/arm/v7")
    return listed


class MirrorInputs(RegistryOptions, OutputOptions):
    """The inputs of `mirror`; the credentials of the registry are those of the target."""

    source: Input[str] = Input(
        name="source",
        basic=("mirror",),
        metavar="IMAGE",
        help="Image to copy: of a registry, or of an OCI image layout in a tar archive (a path, or a name that ends in "
        "`.tar`). A tag is looked up once, and what it stands for is copied by digest.",
        parse=path_text,
        absent="",
        required=True,
        positional=True,
        example="docker.io/library/postgres:15.0",
    )
    target: Input[str] = Input(
        name="target",
        basic=("mirror",),
        metavar="IMAGE",
        help="Where to: registry, repository and tag. Without a tag, the source's; a source that has none, as an "
        "archive, gets none.",
        parse=text,
        absent="",
        required=True,
        positional=True,
        example="registry.example/mirror/postgres:15.0",
    )
    source_image: Input[str] = Input(
        name="source-image",
        basic=("mirror",),
        metavar="IMAGE",
        help="Which image of an archive, when it has several: its digest, or its name or tag there.",
        parse=text,
        absent="",
        example="1.4.0",
    )
    platforms: Input[tuple[str, ...]] = Input(
        name="platforms",
        basic=("mirror",),
        metavar="PLATFORM,…",
        help="Copy these alone of a multi-platform image; all by default. One comes as the image it is, with its own "
        "digest; of several a new index is made.",
        parse=platforms,
        absent=(),
        many=True,
        example="linux/amd64,linux/arm64",
    )
    referrers = Input(
        name="referrers",
        basic=("mirror",),
        help="Copy signatures, reports and whatever else refers to the image as well.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    registry_username = replace(
        RegistryOptions.registry_username,
        help="User name for the target. Without it, Docker's own configuration is used.",
    )
    registry_password = replace(RegistryOptions.registry_password, help="Password or token for the target.")
    insecure_registry = replace(
        RegistryOptions.insecure_registry,
        help="Talk to the target by plain HTTP, or without checking its certificate. `localhost` is plain by itself.",
    )
    source_username = Input(
        name="source-username",
        metavar="USER",
        help="User name for the source. Without it, Docker's own configuration is used.",
        parse=text,
        absent="",
    )
    source_password = Input(
        name="source-password",
        help="Password or token for the source.",
        parse=text,
        absent="",
        secret=True,
    )
    source_insecure = Input(
        name="source-insecure",
        help="The same for the source.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    order = (
        source,
        target,
        source_image,
        platforms,
        referrers,
        registry_username,
        registry_password,
        insecure_registry,
        source_username,
        source_password,
        source_insecure,
        *IdentityOptions.own(),
        OutputOptions.output_dir,
    )


COMMAND = Command(
    name="mirror",
    help="Copies an image of a registry or of an OCI archive to a registry, by digest and to the byte, with all its "
    "platforms. Only what is missing there is sent; in the end the target is read back and its digest compared.",
    options=MirrorInputs,
    implementation="s3c_actions.commands.mirror:run",
    examples=(
        "s3c mirror docker.io/library/postgres:15.0 registry.example/mirror/postgres",
        "s3c mirror postgres@sha256:… registry.example/mirror/postgres:15.0 --platforms linux/amd64,linux/arm64",
        "s3c mirror registry.example/team/app:1.4 registry.example/release/app:1.4 --referrers",
        "s3c mirror image.tar registry.example/team/app:1.4",
    ),
)
