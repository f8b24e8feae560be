"""Inputs of a scan. The names are Trivy's and trivy-action's where they have one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.core.reference import Reference
from s3c_actions.options import other_actions, removed
from s3c_actions.options.azure import IdentityOptions
from s3c_actions.options.base_image import BaseAdviceOptions, BaseImageOptions
from s3c_actions.options.command import Command
from s3c_actions.options.common import (
    OFFLINE,
    ImageOptions,
    JobOptions,
    OutputOptions,
    PlatformOptions,
    TimeoutOptions,
    path,
    path_items,
    path_lines,
)
from s3c_actions.options.declare import Group, Input
from s3c_actions.options.exploitation import ExploitationOptions
from s3c_actions.options.parse import boolean, choice, choices, items, or_none, patterns
from s3c_actions.options.programs import ProgramsMirror, TrivyProgram
from s3c_actions.options.registry import CredentialOptions, RegistryOptions
from s3c_actions.options.report import (
    SEVERITIES,
    BaselineNameOptions,
    CodeScanningOptions,
    ExitCodeOptions,
    FormatOptions,
    PolicyOptions,
    ReportFileOptions,
    ReportInputs,
    ThresholdOptions,
    UnscannedOptions,
)

SCANNER_NAMES = ("vuln", "secret", "misconfig", "license")


def repository(value: str) -> str:
    """Parse a repository in a registry, with a tag or a digest or without."""
    try:
        Reference.parse(value.strip())
    except InputError:
        raise ValueError("a repository, such as registry.example/mirror/trivy-db:2") from None
    return value.strip()


def repositories(value: str) -> tuple[str, ...]:
    """Parse repositories."""
    return tuple(repository(item) for item in items(value))


class TrivyOptions(Group):
    """What Trivy scans for, and how. Every input here is part of the key of a stored report."""

    scanners = Input(
        name="scanners",
        basic=("scan",),
        metavar="SCANNER,…",
        help="What is looked for.",
        parse=choices(*SCANNER_NAMES, "config"),
        default="vuln,secret",
        choices=SCANNER_NAMES,
        example="vuln,secret,misconfig,license",
        aliases={"security-checks": "Trivy"},
        many=True,
    )
    pkg_types = Input(
        name="pkg-types",
        metavar="TYPE,…",
        help="Packages that are looked at: of the operating system, of programming languages.",
        parse=choices("os", "library"),
        default="os,library",
        choices=("os", "library"),
        example="os",
        aliases={"vuln-type": "trivy-action"},
        many=True,
    )
    image_config_scanners: Input[tuple[str, ...]] = Input(
        name="image-config-scanners",
        metavar="SCANNER,…",
        help="What is looked for in the image's configuration: its history as a Dockerfile, its environment.",
        parse=choices("misconfig", "secret"),
        absent=(),
        choices=("misconfig", "secret"),
        many=True,
    )
    skip_dirs: Input[tuple[str, ...]] = Input(
        name="skip-dirs",
        metavar="DIR",
        help="Folders or glob patterns in the image that are skipped, separated by commas or lines.",
        parse=patterns,
        absent=(),
        example="usr/share/doc",
        many=True,
    )
    skip_files: Input[tuple[str, ...]] = Input(
        name="skip-files",
        metavar="FILE",
        help="Files or glob patterns in the image that are skipped, separated by commas or lines.",
        parse=patterns,
        absent=(),
        example="**/testdata/*.pem",
        many=True,
    )
    ignore_files: Input[tuple[str, ...]] = Input(
        name="ignore-files",
        basic=("scan",),
        metavar="FILE,…",
        help="Findings that are set aside: `.trivyignore` (an id a line, `exp:2027-01-31`) or `.trivyignore.yaml` "
        "(`id`, `expired_at`, `statement`) files. What has expired, or soon will, is reported. Without this, a "
        "`.trivyignore` in the working folder is taken; `none` takes none.",
        parse=or_none(path_items, ()),
        absent=(),
        example=".trivyignore.yaml",
        aliases={"trivyignores": "trivy-action", "ignorefile": "Trivy"},
        many=True,
    )
    ignore_policy = Input(
        name="ignore-policy",
        metavar="FILE",
        help="A Rego policy that sets findings aside (`package trivy`, rule `ignore`).",
        parse=or_none(path, None),
        absent=None,
        example="policies/ignore.rego",
    )
    vex: Input[tuple[str, ...]] = Input(
        name="vex",
        metavar="FILE,…",
        help="VEX documents (OpenVEX, CSAF, CycloneDX) or `repo`. What they say is not affected is set aside. `oci`, "
        "the VEX beside the image, is not used: nobody verified it.",
        parse=or_none(path_items, ()),
        absent=(),
        example="app.openvex.json",
        many=True,
    )
    trivy_config: Input[Path | None] = Input(
        name="trivy-config",
        metavar="FILE",
        help="A Trivy configuration file: mirrors, repositories of databases, credentials, limits. What in it would "
        "leave findings out is not used, and named. Without this, a `trivy.yaml` in the working folder is taken; "
        "`none` takes none.",
        parse=or_none(path, None),
        absent=None,
        example="trivy.yaml",
    )
    secret_config: Input[Path | None] = Input(
        name="secret-config",
        metavar="FILE",
        help="Trivy's configuration of the search for secrets: rules of your own, and which are left out. Without "
        "this, a `trivy-secret.yaml` in the working folder is taken; `none` takes none.",
        parse=or_none(path, None),
        absent=None,
        example="trivy-secret.yaml",
    )
    offline = OFFLINE
    db_repository: Input[tuple[str, ...]] = Input(
        name="db-repository",
        metavar="REPOSITORY,…",
        help="Repositories of the vulnerability database, tried in this order. Without it, Trivy's own.",
        parse=repositories,
        absent=(),
        example="registry.example/mirror/trivy-db:2",
        many=True,
    )
    java_db_repository: Input[tuple[str, ...]] = Input(
        name="java-db-repository",
        metavar="REPOSITORY,…",
        help="Repositories of the Java database, tried in this order. Without it, Trivy's own.",
        parse=repositories,
        absent=(),
        example="registry.example/mirror/trivy-java-db:1",
        many=True,
    )
    checks_bundle_repository = Input(
        name="checks-bundle-repository",
        metavar="REPOSITORY",
        help="Repository of the checks for misconfigurations. Without it, Trivy's own.",
        parse=repository,
        absent="",
        example="registry.example/mirror/trivy-checks:2",
    )


class ShownOptions(Group):
    """The findings to show."""

    severity = Input(
        name="severity",
        short="s",
        basic=("scan", "patch", "chain"),
        metavar="SEVERITY,…",
        help="Severities that are shown: in summary, tables, CSV and HTML. Trivy's JSON stays complete, and so does "
        "SARIF unless `limit-severities-for-sarif` is set; what closes the gate is `fail-on`.",
        parse=choices(*SEVERITIES),
        default="UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL",
        choices=SEVERITIES,
        example="HIGH,CRITICAL",
        many=True,
    )
    limit_severities_for_sarif = Input(
        name="limit-severities-for-sarif",
        help="Leave severities out of SARIF too that `severity` does not name.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
    )
    ignore_unfixed = Input(
        name="ignore-unfixed",
        basic=("scan",),
        help="Vulnerabilities without a fix are not shown, not in SARIF, and do not close the gate. Trivy's JSON has "
        "them.",
        parse=boolean,
        default="false",
        absent=False,
        switch=True,
        aliases={"only-fixed": "scan-action"},
    )


class BaselineOptions(BaselineNameOptions):
    """The baselines that images are compared with."""

    baseline: Input[tuple[str, ...]] = Input(
        name="baseline",
        basic=("scan", "report"),
        metavar="FILE",
        help=ReportInputs.baseline.help.rstrip(".")
        + ", or an image, which is then scanned too. One for each image, or one "
        "`result.json` that has them all.",
        parse=path_items,
        absent=(),
        example="registry.example/voting-app:main",
        many=True,
    )


class ScanningOptions(
    TrivyOptions,
    ShownOptions,
    UnscannedOptions,
    ExploitationOptions,
    PlatformOptions,
    FormatOptions,
    BaselineOptions,
    ThresholdOptions,
    BaseImageOptions,
    CodeScanningOptions,
    TrivyProgram,
    RegistryOptions,
    TimeoutOptions,
    OutputOptions,
):
    """How images in registries are scanned and judged."""

    trivy_cache_dir = Input(
        name="trivy-cache-dir",
        metavar="DIR",
        help="Trivy's cache: its databases, and the layers it has looked at. Without it, `TRIVY_CACHE_DIR` or a "
        "folder in the toolkit's cache.",
        parse=path,
        absent=None,
        aliases={"cache-dir": "trivy-action"},
    )
    reuse = Input(
        name="reuse",
        help="Take the kept report of the same digest, settings, Trivy and database instead of scanning again.",
        parse=boolean,
        default="true",
        absent=True,
    )


SCOPE_INPUTS: tuple[Input[Any], ...] = (
    TrivyOptions.scanners,
    ShownOptions.severity,
    ShownOptions.limit_severities_for_sarif,
    TrivyOptions.pkg_types,
    ShownOptions.ignore_unfixed,
    TrivyOptions.image_config_scanners,
    TrivyOptions.skip_dirs,
    TrivyOptions.skip_files,
    TrivyOptions.ignore_files,
    TrivyOptions.ignore_policy,
    TrivyOptions.vex,
    TrivyOptions.trivy_config,
    TrivyOptions.secret_config,
    TrivyOptions.offline,
    TrivyOptions.db_repository,
    TrivyOptions.java_db_repository,
    TrivyOptions.checks_bundle_repository,
    ScanningOptions.trivy_cache_dir,
    ScanningOptions.reuse,
    UnscannedOptions.unscanned,
    *ExploitationOptions.own(),
)
"""Inputs on how to scan, which every command that scans takes."""

SCAN_INPUTS: tuple[Input[Any], ...] = (
    PlatformOptions.platform,
    FormatOptions.format,
    OutputOptions.output_dir,
    BaselineOptions.baseline,
    BaselineNameOptions.baseline_name,
    ThresholdOptions.fail_on,
    ThresholdOptions.fixable_only,
    *BaseImageOptions.own(),
    PolicyOptions.policy,
    ExitCodeOptions.exit_code,
    CodeScanningOptions.dockerfile,
    CodeScanningOptions.sarif_category,
    TimeoutOptions.timeout,
    *CredentialOptions.own(),
    *IdentityOptions.own(),
    *TrivyProgram.own(),
)
"""Inputs that a scan shares with other steps, which every command that scans takes too."""


class SourceOptions(Group):
    """The sources of the images to scan."""

    input: Input[tuple[str, ...]] = Input(
        name="input",
        short="i",
        basic=("scan",),
        help="Images in files instead of a registry: archives as `docker save` writes them, or folders in OCI layout "
        "(`folder:tag`).",
        parse=path_lines,
        absent=(),
        example="image.tar",
        aliases={"tarball": ""},
        many=True,
    )
    image_source = Input(
        name="image-source",
        metavar="SOURCE",
        help="Where images are taken from. `auto` asks the registry first and the local Docker for what it does not "
        "have. Only an image from a registry can be patched and signed.",
        parse=choice("auto", "registry", "docker", "containerd", "podman"),
        default="auto",
        choices=("auto", "registry", "docker", "containerd", "podman"),
        aliases={"image-src": "Trivy"},
    )


class ScanInputs(
    ScanningOptions, BaseAdviceOptions, ReportFileOptions, SourceOptions, ExitCodeOptions, JobOptions, ImageOptions
):
    """The inputs of `scan`."""

    image = replace(ImageOptions.image, required=False)
    order = (
        image,
        SourceOptions,
        *SCOPE_INPUTS,
        *SCAN_INPUTS,
        *BaseAdviceOptions.inputs(),
        ReportFileOptions.output,
        ProgramsMirror.programs_mirror,
        *JobOptions.own(),
    )


COMMAND = Command(
    name="scan",
    help="Scans images with Trivy, once each, and writes every report asked for from that one scan. What is reported "
    "and what closes the gate (`fail-on`) are set apart.",
    options=ScanInputs,
    removed=removed.SIGNING,
    implementation="s3c_actions.commands.scan:run",
    others=(*other_actions.TRIVY_ACTION, *other_actions.SCAN_ACTION),
    comments=True,
    submits=True,
    examples=(
        "s3c scan nginx:1.27 --severity HIGH,CRITICAL",
        "s3c scan registry.example/app:1.0 --fail-on HIGH --fixable-only --format sarif,html,cyclonedx",
        "s3c scan --input image.tar --scanners vuln,secret,misconfig,license",
        "s3c scan registry.example/app:pr-7 --baseline registry.example/app:main",
    ),
)
