"""Assess whether a scan could find anything: an image that Trivy does not understand has no findings either."""

from __future__ import annotations

import msgspec

from s3c_actions.core.text import plural
from s3c_actions.findings import go_json
from s3c_actions.findings.advisories import Database, PackageList, UncoveredPackages, uncovered_packages, unknown_reason
from s3c_actions.findings.trivy_warnings import WarningAssessment


class _OS(msgspec.Struct, frozen=True):
    family: str = msgspec.field(default="", name="Family")
    name: str = msgspec.field(default="", name="Name")
    end_of_life: bool = msgspec.field(default=False, name="EOSL")


class _Metadata(msgspec.Struct, frozen=True):
    os: _OS | None = msgspec.field(default=None, name="OS")


class _Repository(msgspec.Struct, frozen=True):
    kind: str = msgspec.field(default="", name="Class")


class _Package(msgspec.Struct, frozen=True):
    repository: _Repository | None = msgspec.field(default=None, name="Repository")


class _Result(msgspec.Struct, frozen=True):
    result_class: str = msgspec.field(default="", name="Class")
    result_type: str = msgspec.field(default="", name="Type")
    packages: list[_Package] = msgspec.field(default_factory=list, name="Packages")
    vulnerabilities: list[msgspec.Raw] = msgspec.field(default_factory=list, name="Vulnerabilities")


class _Report(msgspec.Struct, frozen=True):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata, name="Metadata")
    results: list[_Result] = msgspec.field(default_factory=list, name="Results")


_DECODER = msgspec.json.Decoder(_Report)


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How far the vulnerability scanner could check an image.

    Attributes:
        blind: why its findings cannot be relied on, as a sentence; empty when they can.
        warnings: sentences on what it may have missed; they may hold untrusted text.
        uncovered: listed packages for which there are no advisories.
    """

    blind: str
    warnings: tuple[str, ...]
    uncovered: tuple[UncoveredPackages, ...]


FULL_COVERAGE = Coverage(blind="", warnings=(), uncovered=())
"""Of a scan that was not to check packages of an operating system, or that could check all of them."""

NO_PACKAGE_LIST = (
    "The report lists no packages, so it does not show whether the image's package database could be read: "
    "make it with `--list-all-pkgs`."
)

# Trivy reports these where it recognised a distribution but knows no package manager or advisories of it.
_UNKNOWN = {"", "none"}


def assess_coverage(
    data: bytes,
    *,
    scanners: tuple[str, ...],
    pkg_types: tuple[str, ...],
    listed: bool = True,
    database: Database | None = None,
    warned: WarningAssessment | None = None,
) -> Coverage:
    """Assess a Trivy report by what it lists, packages included.

    Args:
        data: Trivy's JSON report.
        scanners: of the scan.
        pkg_types: of the scan; empty means all.
        listed: whether the report was written with all packages, so that none listed means none found.
        database: that the scan used; None for a report whose database is not known.
        warned: what Trivy's warnings during the scan mean; None when they are not known.

    Returns:
        `blind` where operating-system packages were requested and could not be matched with advisories: an unknown
        distribution or release, a database without advisories for it, a missing package database, a distribution at its
        end of life without any finding, an image in which nothing at all was recognised, packages of which none is from
        a source with advisories, or a warning of Trivy's with that meaning.
    """
    by_trivy = warned.blind if warned is not None else ""
    shown = (*warned.shown, *warned.uncovered) if warned is not None else ()
    if "vuln" not in scanners:
        return Coverage(blind=by_trivy, warnings=shown, uncovered=())
    report = go_json.decode(data, _DECODER)
    os = report.metadata.os
    missing = uncovered_packages(
        os.family if os is not None else "", [_package_list(result) for result in report.results], database
    )
    assessed = _assess_packages(report, pkg_types, database, listed=listed)
    blind = assessed.blind or by_trivy or _no_source_reason(report, missing)
    return Coverage(
        blind=blind,
        warnings=(*assessed.warnings, *shown, *(_uncovered_sentence(packages) for packages in missing)),
        uncovered=missing,
    )


def _assess_packages(
    report: _Report, pkg_types: tuple[str, ...], database: Database | None, *, listed: bool
) -> Coverage:
    if pkg_types and "os" not in pkg_types:
        return FULL_COVERAGE
    of_os = [result for result in report.results if result.result_class == "os-pkgs"]
    os = report.metadata.os
    if os is None:
        languages = [result for result in report.results if result.result_class == "lang-pkgs"]
        if any(result.packages or result.vulnerabilities for result in languages):
            return FULL_COVERAGE
        return _blind_coverage("No distribution and no packages were recognised in the image: nothing was checked.")
    return _assess_distribution(os, of_os, database, listed=listed)


def _assess_distribution(os: _OS, results: list[_Result], database: Database | None, *, listed: bool) -> Coverage:
    name = f"{os.family} {os.name}".strip()
    if os.family in _UNKNOWN or not results:
        known = f" ({name})" if os.family not in _UNKNOWN else ""
        return _blind_coverage(
            f"Trivy has no advisories for the image's distribution{known}: its packages were not checked."
        )
    proven = any(result.packages or result.vulnerabilities for result in results)
    if listed and not proven:
        return _blind_coverage(
            f"No packages were found in this {name} image: its package database was removed or is damaged."
        )
    findings = sum(len(result.vulnerabilities) for result in results)
    end = f"{name} gets no security updates any more"
    if os.end_of_life and not findings:
        return _blind_coverage(f"{end}, and nobody publishes advisories for it: that none was found says nothing.")
    if unknown := unknown_reason(os.family, os.name, database, findings):
        return _blind_coverage(unknown)
    if not os.end_of_life:
        return FULL_COVERAGE if proven else Coverage(blind="", warnings=(NO_PACKAGE_LIST,), uncovered=())
    return Coverage(
        blind="",
        warnings=(f"{end}: more may be wrong than is found. Move to a supported release.",),
        uncovered=(),
    )


def _blind_coverage(why: str) -> Coverage:
    return Coverage(blind=why, warnings=(), uncovered=())


def _package_list(result: _Result) -> PackageList:
    third_party = sum(
        package.repository is not None and package.repository.kind == "third-party" for package in result.packages
    )
    return PackageList(
        result_class=result.result_class,
        package_type=result.result_type,
        third_party=third_party,
        number=len(result.packages),
        findings=len(result.vulnerabilities),
    )


def _no_source_reason(report: _Report, missing: tuple[UncoveredPackages, ...]) -> str:
    listed = sum(len(result.packages) for result in report.results if result.result_class in {"os-pkgs", "lang-pkgs"})
    uncovered = sum(packages.number for packages in missing)
    if not uncovered or uncovered < listed:
        return ""
    return f"None of the {listed} packages in the image is from a source with advisories: nothing was checked."


def _uncovered_sentence(missing: UncoveredPackages) -> str:
    number = f"{missing.number} {plural(missing.number, 'package')}"
    verb = "was" if missing.number == 1 else "were"
    return f"{number} of {missing.source} {verb} matched with no advisories: the database has none for that source."


def lists_os_packages(data: bytes) -> bool:
    """Whether a Trivy report has a result for operating-system packages, even one without findings."""
    return any(result.result_class == "os-pkgs" for result in go_json.decode(data, _DECODER).results)
