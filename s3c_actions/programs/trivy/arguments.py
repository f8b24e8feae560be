"""What is asked of Trivy, and its arguments: what it would otherwise take from a file or a variable is among them.

https://trivy.dev/docs/v0.74/guide/references/configuration/cli/trivy_image/
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec.structs import replace

from s3c_actions.programs.trivy import settings
from s3c_actions.programs.trivy.settings import (
    CHECKS_REPOSITORY,
    DB_REPOSITORIES,
    EMPTY_FILE,
    FLAGS_OF_INPUTS,
    JAVA_DB_REPOSITORIES,
    SKIP_FLAGS,
)

SOURCES = {"registry": "remote", "docker": "docker", "containerd": "containerd", "podman": "podman"}
"""Where an image is taken from: the input's value → Trivy's."""


class ScanOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a scan, besides the image. Empty means Trivy's own default.

    Attributes:
        scanners, pkg_types, image_config_scanners: Trivy's names.
        ignore_file: `.trivyignore` or `.trivyignore.yaml`.
        secret_config: a configuration of the search for secrets.
        vex: paths of VEX documents, `repo` or `oci`.
        config: a generated file, see `settings`.
        wider: flags by which the user's trivy.yaml widens the scan, with their values.
        skips: what is not downloaded or requested, of `settings.SKIP_FLAGS`.
        offline: nothing is downloaded: databases and checks are those of the cache.
        db_repositories, java_db_repositories: OCI repositories, tried in this order.
        timeout: seconds.
        asked: the given options behind all this, with their files' content: name → value. Not passed to Trivy; part of
            the key of a cached report.
    """

    scanners: tuple[str, ...]
    pkg_types: tuple[str, ...] = ()
    image_config_scanners: tuple[str, ...] = ()
    platform: str = ""
    skip_dirs: tuple[str, ...] = ()
    skip_files: tuple[str, ...] = ()
    ignore_file: Path | None = None
    ignore_policy: Path | None = None
    secret_config: Path | None = None
    vex: tuple[str, ...] = ()
    config: Path | None = None
    wider: tuple[tuple[str, str], ...] = ()
    skips: tuple[str, ...] = ()
    offline: bool = False
    db_repositories: tuple[str, ...] = ()
    java_db_repositories: tuple[str, ...] = ()
    checks_bundle_repository: str = ""
    insecure: bool = False
    timeout: float = 600.0
    asked: tuple[tuple[str, str], ...] = ()


class ScanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One scan.

    Attributes:
        image: a pinned reference, an image id, or the path of an archive or OCI layout.
        source: one of SOURCES, or `archive`.
        output: path of the JSON report.
        asked: the image as given, for errors.
    """

    image: str
    source: str
    output: Path
    options: ScanOptions
    asked: str


class MatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One match of a bill of materials against the vulnerability database in the cache.

    Attributes:
        sbom: path of an SPDX document in JSON.
        output: path of the JSON report.
        asked: the image that it is of, for errors.
        timeout: seconds.
    """

    sbom: Path
    output: Path
    asked: str
    timeout: float


def scan_arguments(
    request: ScanRequest, *, cache: Path, repositories: tuple[str, ...], timeout: float, keeps_layers: bool = True
) -> list[str]:
    """Trivy's arguments for one scan: they include all that it would otherwise take from a file or a variable.

    Every value is joined to its flag, so that none can be parsed as a flag; the reference is checked by its parser.
    """
    options = request.options
    argv = ["image", f"--cache-dir={cache}", f"--output={request.output}", f"--timeout={max(1, round(timeout))}s"]
    backend = () if keeps_layers else (("cache-backend", "memory"),)
    argv += settings.fixed_arguments((*options.wider, *backend))
    argv += _input_arguments(options, repositories)
    argv += ["--download-db-only=false", "--download-java-db-only=false"]
    if request.source == "archive":
        return [*argv, f"--input={request.image}"]
    return [*argv, "--input=", f"--image-src={SOURCES[request.source]}", request.image]


def match_arguments(request: MatchRequest, *, cache: Path, timeout: float) -> list[str]:
    """Trivy's arguments for a match of an SBOM, as `scan_arguments`; nothing is downloaded."""
    argv = ["sbom", f"--cache-dir={cache}", f"--output={request.output}", f"--timeout={max(1, round(timeout))}s"]
    options = ScanOptions(scanners=("vuln",), offline=True)
    argv += settings.fixed_arguments((("cache-backend", "memory"),))
    argv += [*_input_arguments(options, ()), "--download-db-only=false", "--download-java-db-only=false"]
    return [
        *(word for word in argv if word.removeprefix("--").partition("=")[0] not in settings.NOT_OF_SBOMS),
        str(request.sbom.absolute()),
    ]


def download_arguments(
    name: str, options: ScanOptions, *, cache: Path, repositories: tuple[str, ...], timeout: float
) -> list[str]:
    """Trivy's arguments for the download of a database (`db`, `java-db`), whose registry is always verified."""
    secure = replace(options, insecure=False, offline=False, skips=())
    argv = ["image", f"--cache-dir={cache}", f"--timeout={max(1, round(timeout))}s", *settings.fixed_arguments()]
    argv += _input_arguments(secure, repositories if name == "db" else ())
    return [*argv, f"--download-{name}-only=true"]


def _input_arguments(options: ScanOptions, repositories: tuple[str, ...]) -> list[str]:
    """The flags of `settings.FLAGS_OF_INPUTS`."""
    skips = SKIP_FLAGS if options.offline else options.skips
    values: dict[str, tuple[str, ...]] = {
        "scanners": (",".join(options.scanners),),
        "pkg-types": (",".join(options.pkg_types) or FLAGS_OF_INPUTS["pkg-types"][1],),
        "image-config-scanners": (",".join(options.image_config_scanners),),
        "platform": (options.platform,),
        "skip-dirs": tuple(map(_quote_list_value, options.skip_dirs)),
        "skip-files": tuple(map(_quote_list_value, options.skip_files)),
        "ignorefile": (str(options.ignore_file or EMPTY_FILE),),
        "ignore-policy": (str(options.ignore_policy or ""),),
        "secret-config": (str(options.secret_config or ""),),
        "vex": tuple(map(_quote_list_value, options.vex)),
        "config": (str(options.config or EMPTY_FILE),),
        "insecure": (str(options.insecure).lower(),),
        "db-repository": repositories or DB_REPOSITORIES,
        "java-db-repository": options.java_db_repositories or JAVA_DB_REPOSITORIES,
        "checks-bundle-repository": (options.checks_bundle_repository or CHECKS_REPOSITORY,),
        **{flag: (str(flag in skips).lower(),) for flag in SKIP_FLAGS},
    }
    return [f"--{flag}={value}" for flag in FLAGS_OF_INPUTS for value in values[flag] or ("",)]


def _quote_list_value(value: str) -> str:
    """A value of a list flag, quoted as CSV where Trivy would split it."""
    return '"' + value.replace('"', '""') + '"' if any(character in value for character in ',"\n') else value
