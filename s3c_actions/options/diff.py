"""Inputs of `diff`: the two images."""

from __future__ import annotations

from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.command import Command
from s3c_actions.options.common import path_text
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.parse import choice
from s3c_actions.options.registry import CredentialOptions, RegistryOptions

FORMATS = ("table", "markdown")


class PrintOptions(Group):
    """The form of the answer."""

    format: Input[str] = Input(
        name="format",
        basic=("diff",),
        metavar="FORMAT",
        short="f",
        help="What is printed: a table, or GitHub's Markdown. `--json` prints everything.",
        parse=choice(*FORMATS),
        default="table",
        absent="table",
        choices=FORMATS,
    )


class DiffInputs(PrintOptions, RegistryOptions):
    """The inputs of `diff`."""

    before: Input[str] = Input(
        name="before",
        basic=("diff",),
        metavar="IMAGE",
        help="The earlier image: a reference in a registry; an OCI image layout, as a folder or a tar archive "
        "(`./layout`, `image.tar`, `image.tar:1.4` of several); or an image of the local Docker (`docker:app:1.4`).",
        parse=path_text,
        absent="",
        required=True,
        positional=True,
        example="registry.example/app:1.4",
    )
    after: Input[str] = Input(
        name="after",
        basic=("diff",),
        metavar="IMAGE",
        help="The later image, as `before`. Images of several platforms are compared platform by platform.",
        parse=path_text,
        absent="",
        required=True,
        positional=True,
        example="registry.example/app:1.4-patched",
    )
    order = (before, after, PrintOptions.format, *CredentialOptions.own(), *IdentityOptions.own())


COMMAND = Command(
    name="diff",
    help="Compares two images: packages, licences, how they run, rights of files, layers, and every file that no "
    "package that changed accounts for. That nothing else changed is proved by their layers.",
    options=DiffInputs,
    implementation="s3c_actions.commands.diff:run",
    examples=(
        "s3c diff registry.example/app:1.4 registry.example/app:1.4-patched",
        "s3c diff registry.example/app:1.4 ./build/layout --format markdown",
        "s3c diff docker:app:dev image.tar --json",
    ),
)
