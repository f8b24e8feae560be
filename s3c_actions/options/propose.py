"""Inputs of `propose`: which manifests get which images, in which pull request."""

from __future__ import annotations

import re

from msgspec.structs import replace

from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions
from s3c_actions.options.declare import Input
from s3c_actions.options.deploy import DeployInputs, ImagePathOptions, ManifestOptions
from s3c_actions.options.github import CommentInputs, RepositoryOptions, TokenOptions


def branch_name(value: str) -> str:
    """Parse a branch's name, by the rules of git-check-ref-format that such a name can break."""
    invalid = value.startswith(("-", "/", ".")) or value.endswith(("/", ".", ".lock")) or ".." in value or "//" in value
    if invalid or not re.fullmatch(r"[A-Za-z0-9._/-]{1,200}", value):
        raise ValueError("a branch's name: letters, digits and . _ - /")
    return value


def one_line(value: str) -> str:
    """Parse text on one line."""
    if not value.strip() or len(value) > 200 or not value.isprintable():
        raise ValueError("one line of 1 to 200 characters")
    return value.strip()


class ProposeInputs(ManifestOptions, RepositoryOptions, TokenOptions, ImageOptions):
    """The inputs of `propose`."""

    manifests: Input[tuple[str, ...]] = replace(
        ManifestOptions.manifests,
        help="Kubernetes manifests of the checkout whose images get new digests: files, folders (with all below them) "
        "and globs; several by commas or lines.",
    )
    results: Input[tuple[str, ...]] = replace(
        CommentInputs.results,
        help="`result.json` files of `chain`, `patch` or `sign`, or folders that have some: the images that passed are "
        "proposed, and the pull request says what was found and fixed.",
        positional=False,
    )
    image: Input[tuple[str, ...]] = replace(
        DeployInputs.image,
        help="Images by digest, `registry/repository@sha256:…`, on top of those in `results`: each takes the place of "
        "every image of its repository. `NAME=REFERENCE` takes the place of the image NAME instead.",
    )
    image_paths: Input[tuple[str, ...]] = replace(ImagePathOptions.image_paths)
    branch: Input[str] = Input(
        name="branch",
        basic=("propose",),
        metavar="BRANCH",
        help="Branch of the pull request. It belongs to s3c: what it held before is replaced.",
        parse=branch_name,
        default="s3c/images",
        absent="s3c/images",
    )
    base: Input[str] = Input(
        name="base",
        basic=("propose",),
        metavar="BRANCH",
        help="Branch that the pull request is for; without it, the repository's default branch.",
        parse=branch_name,
        absent="",
        example="main",
    )
    title: Input[str] = Input(
        name="title",
        basic=("propose",),
        metavar="TEXT",
        help="Title of the pull request and of its commit.",
        parse=one_line,
        default="Deploy patched images",
        absent="Deploy patched images",
    )
    order = (
        manifests,
        results,
        image,
        image_paths,
        branch,
        base,
        title,
        RepositoryOptions.repository,
        TokenOptions.github_token,
    )


COMMAND = Command(
    name="propose",
    help="Proposes patched images: a pull request that writes their digests into the manifests, opened once and kept "
    "up to date. It is made through the API, so no git credentials are needed.",
    options=ProposeInputs,
    implementation="s3c_actions.commands.propose:run",
    examples=(
        "s3c propose k8s/ --results s3c-out/result.json",
        "s3c propose k8s/ --image registry.example/voting-app@sha256:… --base main",
    ),
)
