"""Infer the scope of a scan from a given report; Trivy does not state it.

Read from Trivy 0.74.0 (pkg/scan/local/service.go, pkg/scan/ospkg/scan.go, pkg/report/json.go): a scan of
operating-system packages leaves a result of class `os-pkgs` for every distribution it has a scanner for, even
without findings; a result of class `lang-pkgs` stands for packages; `--list-all-pkgs=false` takes the packages out of
all results, and leaves the results.
"""

from __future__ import annotations

import msgspec

from s3c_actions.findings import go_json
from s3c_actions.findings.releases import find_distribution
from s3c_actions.findings.scope import Scope

_SCANNERS = {"secret": "secret", "config": "misconfig", "license": "license", "license-file": "license"}


class _OS(msgspec.Struct, frozen=True):
    family: str = msgspec.field(default="", name="Family")


class _ImageConfig(msgspec.Struct, frozen=True):
    os: str = ""
    architecture: str = ""
    variant: str = ""


class _Metadata(msgspec.Struct, frozen=True):
    os: _OS | None = msgspec.field(default=None, name="OS")
    image_config: _ImageConfig | None = msgspec.field(default=None, name="ImageConfig")


class _Result(msgspec.Struct, frozen=True):
    result_class: str = msgspec.field(default="", name="Class")
    packages: list[msgspec.Raw] | None = msgspec.field(default=None, name="Packages")
    vulnerabilities: list[msgspec.Raw] | None = msgspec.field(default=None, name="Vulnerabilities")


class _Report(msgspec.Struct, frozen=True):
    metadata: _Metadata | None = msgspec.field(default=None, name="Metadata")
    results: list[_Result] | None = msgspec.field(default=None, name="Results")


_DECODER = msgspec.json.Decoder(_Report)


class InferredScope(msgspec.Struct, frozen=True, kw_only=True):
    """What a report reveals of its scan.

    Attributes:
        scope: what was certainly covered. A scanner without findings leaves no trace, so more may have been.
        lists_packages: whether packages without findings are listed: without them an image whose package database was
            removed cannot be distinguished from a clean one.
        os_left_out: a distribution was recognised whose packages Trivy would list, and there is no result of them: they
            were not requested.
    """

    scope: Scope
    lists_packages: bool
    os_left_out: bool


def infer(data: bytes) -> InferredScope:
    """Infer how much a scan covered.

    Args:
        data: Trivy's JSON report.
    """
    report = go_json.decode(data, _DECODER)
    results = report.results or []
    metadata = report.metadata or _Metadata()
    os_results = [result for result in results if result.result_class == "os-pkgs"]
    language_results = [
        result
        for result in results
        if result.result_class == "lang-pkgs" and (result.packages or result.vulnerabilities)
    ]
    lists_packages = any(result.packages for result in results)
    family = metadata.os.family if metadata.os is not None else ""
    scanned_os = any(result.packages or result.vulnerabilities for result in os_results)
    # Where packages are listed elsewhere, or there is no distribution to check, nothing was left out.
    looked_at_os = (
        scanned_os or (bool(os_results) and lists_packages) or (family in {"", "none"} and bool(language_results))
    )
    packages = (*(("library",) if os_results or language_results else ()), *(("os",) if looked_at_os else ()))
    scanners = {_SCANNERS[result.result_class] for result in results if result.result_class in _SCANNERS}
    if os_results or language_results:
        scanners.add("vuln")
    config = metadata.image_config or _ImageConfig()
    platform = "/".join(part for part in (config.os, config.architecture, config.variant) if part)
    return InferredScope(
        scope=Scope(
            scanners=tuple(sorted(scanners)),
            pkg_types=tuple(sorted(packages)),
            platforms=(platform,) if platform else (),
            skip_dirs=(),
            skip_files=(),
            files=(),
            stated=False,
        ),
        lists_packages=lists_packages,
        os_left_out=find_distribution(family) is not None and not os_results,
    )
