"""Inputs of `find`."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, OutputOptions
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.deploy import ClusterOptions, ImagePathOptions, ManifestOptions
from s3c_actions.options.fleet import FleetOptions, PlanOptions
from s3c_actions.options.parse import boolean, choice, text
from s3c_actions.options.programs import NotationProgram, ProgramsMirror
from s3c_actions.options.refresh import RefreshInputs
from s3c_actions.options.registry import REGISTRY_INPUTS
from s3c_actions.options.report import PolicyOptions
from s3c_actions.options.sign import KEY_INPUTS, SIGNATURE_INPUTS, SigningOptions
from s3c_actions.options.trusted_signers import TrustOptions

FORMATS = ("table", "csv")


class PrintOptions(Group):
    """The form of the answer."""

    format: Input[str] = Input(
        name="format",
        basic=("find",),
        metavar="FORMAT,…",
        short="f",
        help="What is printed: a table, or CSV with a row for each finding and each image that cannot be answered for. "
        "`--json` prints everything.",
        parse=choice(*FORMATS),
        default="table",
        absent="table",
        choices=FORMATS,
    )


class FindInputs(
    PrintOptions,
    TrustOptions,
    SigningOptions,
    PolicyOptions,
    ClusterOptions,
    ManifestOptions,
    ImageOptions,
    OutputOptions,
):
    """The inputs of `find`."""

    query: Input[str] = Input(
        name="query",
        basic=("find",),
        metavar="QUERY",
        help="What is looked for: a vulnerability (`CVE-2024-5535`), a package (`openssl`, `openssl<3.0.13`, "
        "`npm:lodash>=4,<4.17.21`, `pkg:deb/debian/openssl`), or a licence (`license:GPL-3.0-only`).",
        parse=text,
        absent="",
        positional=True,
        example="openssl<3.0.13",
    )
    image: Input[tuple[str, ...]] = replace(
        ImageOptions.image,
        basic=("find",),
        help="Images, by tag or digest, or whole repositories: `registry/repository` without tag and digest; several "
        "by commas or lines.",
        required=False,
        positional=False,
        example="registry.example/voting-app",
    )
    fleet: Input[Path | None] = replace(
        FleetOptions.fleet,
        basic=("find",),
        help="A fleet: all of its images as its tags mean them now, each with its owner. Without it, and without "
        "`image`, `plan`, `manifests` and `namespaces`: `fleet.yaml` in the working folder.",
        positional=False,
    )
    plan: Input[str] = replace(
        PlanOptions.plan,
        basic=("find",),
        help="A fleet's plan, of `s3c fleet plan`: a file's path, or `oci://registry/repository:tag`. All of its "
        "images are asked about, each with its owner.",
        absent="",
        required=False,
        positional=False,
    )
    manifests: Input[tuple[str, ...]] = replace(
        ManifestOptions.manifests, basic=("find",), required=False, positional=False
    )
    image_paths = ImagePathOptions.image_paths
    namespaces: Input[tuple[str, ...]] = replace(RefreshInputs.namespaces, basic=("find",))
    policy: Input[Path | None] = replace(
        PolicyOptions.policy,
        basic=("find",),
        help="The policy, `s3c-policy.yaml`: documents signed by its signers count, and its `report.maximum-age` says "
        "how old a report may be that proves something absent. It takes the place of `trust-store` and `vault`.",
    )
    trust_store = replace(
        TrustOptions.trust_store,
        basic=("find",),
        help="Certificates of those whose signed documents count, as in `s3c verify`. Reports count for 7 days then.",
        required=False,
    )
    index: Input[str] = Input(
        name="index",
        basic=("find",),
        metavar="REFERENCE",
        help="An index of the images' documents in a registry, as `registry/repository:tag`: it saves reading those in "
        "which nothing is found. It counts only with a signature of a trusted signer, and no finding is taken from it.",
        parse=text,
        absent="",
        example="registry.example/fleet:index",
    )
    publish_index = Input(
        name="publish-index",
        basic=("find",),
        help="Make the index anew from the documents of all the images, push it to `index`, and sign it with the key "
        "given. It needs no query.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    require_complete = Input(
        name="require-complete",
        basic=("find",),
        help="Exit with code 1 when one of the images cannot be answered for.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    order = (
        query,
        image,
        fleet,
        plan,
        manifests,
        image_paths,
        *ClusterOptions.own(),
        namespaces,
        policy,
        *TrustOptions.own(),
        PrintOptions.format,
        index,
        publish_index,
        require_complete,
        *REGISTRY_INPUTS,
        *KEY_INPUTS,
        *SIGNATURE_INPUTS,
        *NotationProgram.own(),
        ProgramsMirror.programs_mirror,
    )


COMMAND = Command(
    name="find",
    help="Finds the images that hold a vulnerability, a package or a licence, by the signed reports and bills of "
    "materials beside them in the registry: without a scan, with where each image runs, and with those that cannot be "
    "answered for.",
    options=FindInputs,
    implementation="s3c_actions.commands.find:run",
    examples=(
        "s3c find CVE-2024-5535 --policy s3c-policy.yaml",
        "s3c find 'openssl<3.0.13' --plan plan.json --policy s3c-policy.yaml",
        "s3c find npm:lodash --image registry.example/voting-app --trust-store signing-root.crt --format csv",
        "s3c find license:AGPL-3.0-only --manifests k8s/ --policy s3c-policy.yaml",
    ),
)
