"""Inputs on what to patch, with which BuildKit, and to which tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from s3c_actions.core import tag_template
from s3c_actions.core.tag_template import TagTemplate
from s3c_actions.options import other_actions, removed
from s3c_actions.options.command import Command
from s3c_actions.options.common import ImageOptions, JobOptions, TimeoutOptions, path, paths
from s3c_actions.options.declare import Input
from s3c_actions.options.parse import boolean, choice, choices, items
from s3c_actions.options.programs import BuildkitdProgram, CopaProgram, NotationProgram, ProgramsMirror
from s3c_actions.options.registry import RegistryOptions
from s3c_actions.options.report import ExitCodeOptions, ReportFileOptions
from s3c_actions.options.scan import SCAN_INPUTS, SCOPE_INPUTS, ScanningOptions
from s3c_actions.options.sign import CertificateOptions
from s3c_actions.options.smoke import SMOKE_INPUTS, SmokeOptions
from s3c_actions.options.trusted_signers import TrustOptions
from s3c_actions.options.vault import VaultCertificateOptions
from s3c_actions.options.verify import VouchingOptions

REUSE_CHOICES = ("signed", "content", "never")

BUILDKIT_SCHEMES = (
    "unix",
    "tcp",
    "docker",
    "docker-container",
    "buildx",
    "podman-container",
    "nerdctl-container",
    "kube-pod",
    "ssh",
)
"""The schemes of the addresses that BuildKit and Copa accept."""


def buildkit_address(value: str) -> str:
    """Parse `auto` or an address of a known scheme; a path alone is a socket's."""
    if value == "auto":
        return value
    if value.startswith("/"):
        value = f"unix://{value}"
    scheme, separator, location = value.partition("://")
    if not separator or scheme not in BUILDKIT_SCHEMES or not value.isprintable() or " " in value:
        raise ValueError(f"auto, or an address that begins with {'://, '.join(BUILDKIT_SCHEMES)}://")
    if scheme not in {"docker", "buildx"} and not location:
        raise ValueError(f"complete: something has to follow {scheme}://")
    return value


def buildkit_addresses(value: str) -> tuple[str, ...]:
    """Parse `auto`, or addresses of one or several BuildKits."""
    addresses = tuple(dict.fromkeys(buildkit_address(item) for item in items(value)))
    if not addresses or ("auto" in addresses and len(addresses) > 1):
        raise ValueError("auto alone, or addresses")
    return addresses


class PatchingOptions(SmokeOptions, CopaProgram, BuildkitdProgram, RegistryOptions, TimeoutOptions):
    """What to patch, with which BuildKit, and to which tag."""

    patched_tag: Input[TagTemplate] = Input(
        name="patched-tag",
        basic=("patch", "chain"),
        metavar="TAG",
        help="Tag of the patched image, in the original's repository. `{tag}` is the original's tag, `{n}` the next "
        "free number. A fixed tag moves from one patch of the same original to the next.",
        parse=TagTemplate.parse,
        default=tag_template.DEFAULT_TEMPLATE,
        example="{tag}-patched",
        aliases={"tag": "Copa"},
    )
    overwrite_tag = Input(
        name="overwrite-tag",
        help="Let `patched-tag` replace whatever it stands for, even the original itself.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    allow_partial = Input(
        name="allow-partial",
        help="Take an image in which only some packages could be upgraded. Otherwise that is a failure (exit code 3).",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
        aliases={"ignore-errors": "Copa"},
    )
    unexpected_changes: Input[str] = Input(
        name="unexpected-changes",
        basic=("patch",),
        metavar="WHAT",
        help="What to do when the patched image differs from the original in more than upgraded and added packages: "
        "`warn`; `fail`, and nothing is signed (exit code 1); `ignore`, and the two are not compared.",
        parse=choice("warn", "fail", "ignore"),
        default="warn",
        absent="warn",
        choices=("warn", "fail", "ignore"),
    )
    patch_types: Input[tuple[str, ...]] = Input(
        name="patch-types",
        metavar="TYPE,…",
        help="What is upgraded: packages of the operating system, and language packages (`library`, experimental in "
        "Copa).",
        parse=choices("os", "library"),
        default="os",
        choices=("os", "library"),
    )
    buildkit_addr: Input[tuple[str, ...]] = Input(
        name="buildkit-addr",
        basic=("patch",),
        metavar="ADDRESS",
        many=True,
        help="BuildKit to build with: `unix://SOCKET`, `tcp://HOST:PORT`, `docker-container://NAME`, `buildx://NAME`, "
        "`docker://` (Docker with the containerd image store). `auto` takes one that is there (`BUILDKIT_HOST`, "
        "/run/buildkit, buildx), else runs one in a container where Docker answers, or its own (needs root and runc). "
        "Of several, an image is built with the one that its base layer chooses, and with the next while that is down.",
        parse=buildkit_addresses,
        default="auto",
        example="docker-container://buildx_buildkit_default",
        aliases={"addr": "Copa"},
    )
    buildkit_config: Input[Path | None] = Input(
        name="buildkit-config",
        help="`buildkitd.toml` for a BuildKit that s3c starts itself, for example with mirrors for docker.io and "
        "ghcr.io.",
        parse=path,
        example="buildkitd.toml",
    )
    buildkit_ca: Input[Path | None] = Input(
        name="buildkit-ca",
        help="CA certificate of a `tcp://` BuildKit with TLS.",
        parse=path,
    )
    buildkit_certificate: Input[Path | None] = Input(
        name="buildkit-certificate",
        help="Client certificate for a `tcp://` BuildKit with TLS.",
        parse=path,
    )
    buildkit_key: Input[Path | None] = Input(
        name="buildkit-key",
        help="Path of the client certificate's key.",
        parse=path,
    )


PATCH_INPUTS: tuple[Input[Any], ...] = (
    PatchingOptions.patched_tag,
    PatchingOptions.overwrite_tag,
    PatchingOptions.allow_partial,
    PatchingOptions.unexpected_changes,
    PatchingOptions.patch_types,
    PatchingOptions.buildkit_addr,
    PatchingOptions.buildkit_config,
    PatchingOptions.buildkit_ca,
    PatchingOptions.buildkit_certificate,
    PatchingOptions.buildkit_key,
    *SMOKE_INPUTS,
    *CopaProgram.own(),
    *BuildkitdProgram.own(),
)
"""Inputs on how to patch, which every command that patches takes."""


class PatchInputs(
    PatchingOptions, ScanningOptions, ReportFileOptions, ExitCodeOptions, VouchingOptions, JobOptions, ImageOptions
):
    """The inputs of `patch`."""

    without_format = "openvex"
    output = replace(
        ReportFileOptions.output,
        help="A file for one document besides those in `output-dir`: the first report that `format` names, or without "
        "`format` the OpenVEX document, which exists when something was fixed. `-` is standard output. For one image "
        "only.",
        example="patch.vex.json",
    )

    report: Input[tuple[Path, ...]] = Input(
        name="report",
        basic=("report", "patch", "attach"),
        help="Trivy's JSON report of the image, made with `--pkg-types os` (or os,library) and all packages listed; "
        "of an image for several platforms one of each, one a line. What it does not cover is scanned first. For one "
        "image only.",
        parse=paths,
        absent=(),
        many=True,
        example="s3c-out/voting-db/trivy.json",
        aliases={"image-report": "copa-action"},
    )
    reuse_patched: Input[str] = Input(
        name="reuse-patched",
        metavar="CONDITION",
        help="Which patch of an earlier run may be the result when nothing is left to patch in it: `signed`, one that "
        "a trusted signature covers; `content`, one that is a patch of the image by its layers and configuration, "
        "whoever pushed it; `never`. By default `signed` where a certificate is named (`trust-store`, `certificate`, "
        "`vault`), else `content`.",
        parse=choice(*REUSE_CHOICES),
        absent="",
        choices=REUSE_CHOICES,
        example="never",
    )
    trust_store = replace(
        TrustOptions.trust_store,
        help="Certificates whose signature an earlier patch has to have, to be used again; as in `s3c verify`.",
    )
    certificate: Input[Path | None] = replace(
        CertificateOptions.certificate,
        help="Certificates of the key that signs what is patched, a file's path or the PEM itself, instead of "
        "`trust-store`: the signing certificate first, each issuer after it, the root last.",
    )
    order = (
        ImageOptions.image,
        report,
        reuse_patched,
        *TrustOptions.own(),
        certificate,
        VaultCertificateOptions,
        *PATCH_INPUTS,
        *SCOPE_INPUTS,
        *SCAN_INPUTS,
        output,
        *NotationProgram.own(),
        ProgramsMirror.programs_mirror,
        *JobOptions.own(),
    )


COMMAND = Command(
    name="patch",
    help="Patches the operating-system packages of images with Copa, pushes the result under a tag of its own, and "
    "proves by a rescan what is gone. With nothing to fix, nothing is pushed.",
    options=PatchInputs,
    removed=removed.SIGNING,
    implementation="s3c_actions.commands.patch:run",
    others=other_actions.COPA_ACTION,
    comments=True,
    examples=(
        "s3c patch localhost:5000/voting-db:15.0",
        "s3c patch acr.example/app:1.4 --patched-tag '{tag}-patched' --buildkit-addr docker-container://builder",
        "s3c patch acr.example/app@sha256:… --report trivy.json --fail-on HIGH --fixable-only",
    ),
)
