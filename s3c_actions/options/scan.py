"""Inputs of a scan. The names are Trivy's and trivy-action's where they have one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from s3c_actions.options import Group, Input, boolean, choice, choices, items, lines, or_none, text
from s3c_actions.options.azure import IDENTITY_INPUTS
from s3c_actions.options.common import IMAGE as ANY_IMAGE
from s3c_actions.options.common import (
    INSECURE,
    OUTPUT_DIR,
    PLATFORM,
    REGISTRY_PASSWORD,
    REGISTRY_USERNAME,
    TIMEOUT,
    ImageOptions,
    OutputOptions,
    PlatformOptions,
    TimeoutOptions,
    path,
    path_items,
    path_lines,
)
from s3c_actions.options.programs import PROGRAMS_MIRROR, TRIVY, TrivyProgram
from s3c_actions.options.registry import RegistryOptions
from s3c_actions.options.report import BASELINE as BASELINE_REPORT
from s3c_actions.options.report import (
    BASELINE_NAME,
    DOCKERFILE,
    EXIT_CODE,
    FAIL_ON,
    FIXABLE_ONLY,
    FORMAT,
    POLICY,
    SARIF_CATEGORY,
    SEVERITIES,
    UNSCANNED,
    BaselineNameOptions,
    CodeScanningOptions,
    ExitCodeOptions,
    FormatOptions,
    ThresholdOptions,
    UnscannedOptions,
)

SCANNER_NAMES = ("vuln", "secret", "misconfig", "license")

IMAGE = replace(ANY_IMAGE, required=False)
ARCHIVE: Input[tuple[str, ...]] = Input(
    name="input",
    help="Images in files instead of a registry: archives as `docker save` writes them, or folders in OCI layout "
    "(`folder:tag`).",
    parse=path_lines,
    absent=(),
    example="image.tar",
    aliases=("tarball",),
    many=True,
)
SOURCE = Input(
    name="image-source",
    help="Where images are taken from. `auto` asks the registry first and the local Docker for what it does not have. "
    "Only an image from a registry can be patched and signed.",
    parse=choice("auto", "registry", "docker", "containerd", "podman"),
    default="auto",
    choices=("auto", "registry", "docker", "containerd", "podman"),
    aliases=("image-src",),
)
SCANNERS = Input(
    name="scanners",
    help="What is looked for.",
    parse=choices(*SCANNER_NAMES, "config"),
    default="vuln,secret",
    choices=SCANNER_NAMES,
    example="vuln,secret,misconfig,license",
    aliases=("security-checks",),
    many=True,
)
SEVERITY = Input(
    name="severity",
    help="Severities that are shown: in summary, tables, CSV and HTML. Trivy's JSON stays complete, and so does SARIF "
    "unless `limit-severities-for-sarif` is set; what closes the gate is `fail-on`.",
    parse=choices(*SEVERITIES),
    default="UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL",
    choices=SEVERITIES,
    example="HIGH,CRITICAL",
    many=True,
)
LIMIT_SARIF = Input(
    name="limit-severities-for-sarif",
    help="Leave severities out of SARIF too that `severity` does not name.",
    parse=boolean,
    default="false",
    absent=False,
    switch=True,
)
PKG_TYPES = Input(
    name="pkg-types",
    help="Packages that are looked at: of the operating system, of programming languages.",
    parse=choices("os", "library"),
    default="os,library",
    choices=("os", "library"),
    example="os",
    aliases=("vuln-type",),
    many=True,
)
IGNORE_UNFIXED = Input(
    name="ignore-unfixed",
    help="Vulnerabilities without a fix are not shown, not in SARIF, and do not close the gate. Trivy's JSON has them.",
    parse=boolean,
    default="false",
    absent=False,
    switch=True,
    aliases=("only-fixed",),
)
IMAGE_CONFIG_SCANNERS: Input[tuple[str, ...]] = Input(
    name="image-config-scanners",
    help="What is looked for in the image's configuration: its history as a Dockerfile, its environment.",
    parse=choices("misconfig", "secret"),
    absent=(),
    choices=("misconfig", "secret"),
    many=True,
)
SKIP_DIRS: Input[tuple[str, ...]] = Input(
    name="skip-dirs",
    help="Folders or glob patterns in the image that are skipped, one a line.",
    parse=lines,
    absent=(),
    example="usr/share/doc",
    many=True,
)
SKIP_FILES: Input[tuple[str, ...]] = Input(
    name="skip-files",
    help="Files or glob patterns in the image that are skipped, one a line.",
    parse=lines,
    absent=(),
    example="**/testdata/*.pem",
    many=True,
)
IGNORE_FILES: Input[tuple[str, ...]] = Input(
    name="ignore-files",
    help="Findings that are set aside: `.trivyignore` (an id a line, `exp:2027-01-31`) or `.trivyignore.yaml` (`id`, "
    "`expired_at`, `statement`) files. What has expired, or soon will, is told. Without this, a `.trivyignore` in the "
    "working folder is taken; `none` takes none.",
    parse=or_none(path_items, ()),
    absent=(),
    example=".trivyignore.yaml",
    aliases=("trivyignores", "ignorefile"),
    many=True,
)
IGNORE_POLICY = Input(
    name="ignore-policy",
    help="A Rego policy that sets findings aside (`package trivy`, rule `ignore`).",
    parse=or_none(path, None),
    absent=None,
    example="policies/ignore.rego",
)
VEX: Input[tuple[str, ...]] = Input(
    name="vex",
    help="VEX documents (OpenVEX, CSAF, CycloneDX), `repo` or `oci`. What they say is not affected is set aside.",
    parse=or_none(path_items, ()),
    absent=(),
    example="app.openvex.json",
    many=True,
)
TRIVY_CONFIG: Input[Path | None] = Input(
    name="trivy-config",
    help="A Trivy configuration file: mirrors, repositories of databases, credentials, limits. What in it would leave "
    "findings out is not used, and named. Without this, a `trivy.yaml` in the working folder is taken; `none` takes "
    "none.",
    parse=or_none(path, None),
    absent=None,
    example="trivy.yaml",
)
SECRET_CONFIG: Input[Path | None] = Input(
    name="secret-config",
    help="Trivy's configuration of the search for secrets: rules of your own, and which are left out. Without this, a "
    "`trivy-secret.yaml` in the working folder is taken; `none` takes none.",
    parse=or_none(path, None),
    absent=None,
    example="trivy-secret.yaml",
)
OFFLINE = Input(
    name="offline",
    help="Download nothing and ask nobody: databases and checks are those of Trivy's cache.",
    parse=boolean,
    default="false",
    absent=False,
    switch=True,
    aliases=("offline-scan", "skip-db-update"),
)
DB_REPOSITORY: Input[tuple[str, ...]] = Input(
    name="db-repository",
    help="Repositories of the vulnerability database, tried in this order. Without it, Trivy's own.",
    parse=items,
    absent=(),
    example="registry.example/mirror/trivy-db:2",
    many=True,
)
JAVA_DB_REPOSITORY: Input[tuple[str, ...]] = Input(
    name="java-db-repository",
    help="Repositories of the Java database, tried in this order. Without it, Trivy's own.",
    parse=items,
    absent=(),
    example="registry.example/mirror/trivy-java-db:1",
    many=True,
)
CHECKS_REPOSITORY = Input(
    name="checks-bundle-repository",
    help="Repository of the checks for misconfigurations. Without it, Trivy's own.",
    parse=text,
    absent="",
    example="registry.example/mirror/trivy-checks:2",
)
TRIVY_CACHE = Input(
    name="trivy-cache-dir",
    help="Trivy's cache: its databases, and the layers it has looked at. Without it, `TRIVY_CACHE_DIR` or a folder in "
    "the toolkit's cache.",
    parse=path,
    absent=None,
    aliases=("cache-dir",),
)
REUSE = Input(
    name="reuse",
    help="Take the kept report of the same digest, settings, Trivy and database instead of scanning again.",
    parse=boolean,
    default="true",
    absent=True,
)
BASELINE: Input[tuple[str, ...]] = Input(
    name="baseline",
    help=BASELINE_REPORT.help.rstrip(".") + ", or an image, which is then scanned too. One for each image, or one "
    "`result.json` that has them all.",
    parse=path_items,
    absent=(),
    example="registry.example/voting-app:main",
    many=True,
)

LOOK: tuple[Input[Any], ...] = (
    SCANNERS,
    SEVERITY,
    LIMIT_SARIF,
    PKG_TYPES,
    IGNORE_UNFIXED,
    IMAGE_CONFIG_SCANNERS,
    SKIP_DIRS,
    SKIP_FILES,
    IGNORE_FILES,
    IGNORE_POLICY,
    VEX,
    TRIVY_CONFIG,
    SECRET_CONFIG,
    OFFLINE,
    DB_REPOSITORY,
    JAVA_DB_REPOSITORY,
    CHECKS_REPOSITORY,
    TRIVY_CACHE,
    REUSE,
    UNSCANNED,
)
"""Inputs on how to scan, which every command that scans takes."""

AROUND: tuple[Input[Any], ...] = (
    PLATFORM,
    FORMAT,
    OUTPUT_DIR,
    BASELINE,
    BASELINE_NAME,
    FAIL_ON,
    FIXABLE_ONLY,
    POLICY,
    EXIT_CODE,
    DOCKERFILE,
    SARIF_CATEGORY,
    TIMEOUT,
    REGISTRY_USERNAME,
    REGISTRY_PASSWORD,
    INSECURE,
    *IDENTITY_INPUTS,
    *TRIVY.all,
)
"""Inputs that a scan shares with other steps, which every command that scans takes too."""

INPUTS: tuple[Input[Any], ...] = (IMAGE, ARCHIVE, SOURCE, *LOOK, *AROUND, PROGRAMS_MIRROR)


class TrivyOptions(Group):
    """What Trivy looks for, and how. Everything here takes part in the key by which a kept report is found again."""

    scanners = SCANNERS
    pkg_types = PKG_TYPES
    image_config_scanners = IMAGE_CONFIG_SCANNERS
    skip_dirs = SKIP_DIRS
    skip_files = SKIP_FILES
    ignore_files = IGNORE_FILES
    ignore_policy = IGNORE_POLICY
    vex = VEX
    trivy_config = TRIVY_CONFIG
    secret_config = SECRET_CONFIG
    offline = OFFLINE
    db_repository = DB_REPOSITORY
    java_db_repository = JAVA_DB_REPOSITORY
    checks_bundle_repository = CHECKS_REPOSITORY


class ShownOptions(Group):
    """Which findings are shown."""

    severity = SEVERITY
    limit_severities_for_sarif = LIMIT_SARIF
    ignore_unfixed = IGNORE_UNFIXED


class BaselineOptions(BaselineNameOptions):
    """What images are compared with."""

    baseline = BASELINE


class ScanningOptions(
    TrivyOptions,
    ShownOptions,
    UnscannedOptions,
    PlatformOptions,
    FormatOptions,
    BaselineOptions,
    ThresholdOptions,
    CodeScanningOptions,
    TrivyProgram,
    RegistryOptions,
    TimeoutOptions,
    OutputOptions,
):
    """How images of registries are scanned, and what is made of it."""

    trivy_cache_dir = TRIVY_CACHE
    reuse = REUSE


class ScanInputs(ScanningOptions, ExitCodeOptions, ImageOptions, order=INPUTS):
    """Of `scan`."""

    image = IMAGE
    input = ARCHIVE
    image_source = SOURCE
