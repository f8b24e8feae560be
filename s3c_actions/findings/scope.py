"""How much of an image a scan covered, and which files influenced it."""

from __future__ import annotations

import msgspec


class SettingsFile(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """A file that suppresses findings, narrows a scan or decides a gate.

    Attributes:
        kind: the input that takes it: `ignore-files`, `trivy-config`, `secret-config`, `ignore-policy`, `vex`,
            `policy` or `trust-store`.
        path: as given; untrusted. For VEX from another place, `repo` or `oci`.
        sha256: of its content, in hexadecimal; empty for what has no content of its own.
    """

    kind: str
    path: str
    sha256: str


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """How much a scan covered. No field has a default: a scan of unknown scope cannot look complete.

    Attributes:
        scanners: Trivy's names, sorted: `vuln`, `secret`, `misconfig`, `license`.
        pkg_types: `os` and `library`, sorted; empty when no packages were checked.
        platforms: `linux/amd64`, sorted; empty when the report does not state them.
        skip_dirs, skip_files: patterns of what was left out.
        files: what suppressed findings or narrowed the scan, sorted.
        stated: whether the scan was given this scope; False when it was inferred from what a given report holds, so
            that skipped paths and files are not known.
    """

    scanners: tuple[str, ...]
    pkg_types: tuple[str, ...]
    platforms: tuple[str, ...]
    skip_dirs: tuple[str, ...]
    skip_files: tuple[str, ...]
    files: tuple[SettingsFile, ...]
    stated: bool


class RequiredScope(msgspec.Struct, frozen=True, kw_only=True):
    """How much a scan has to cover.

    Attributes:
        scanners, pkg_types: as in `Scope`.
        everywhere: no path may be left out, as far as it is known.
        stated: it has to be known.
    """

    scanners: tuple[str, ...]
    pkg_types: tuple[str, ...]
    everywhere: bool
    stated: bool


DEFAULT_SCOPE = RequiredScope(scanners=("vuln",), pkg_types=("os", "library"), everywhere=False, stated=False)
"""What a scan covers by default, as far as a gate depends on it."""

PACKAGE_LIST = "packages"
"""Missing from a report that does not list the packages in which nothing was found."""

COVERED_SOURCES = "covered"
"""Missing where packages come from sources that publish no advisories."""

SKIPPED, UNSTATED = "skipped", "unstated"
"""Missing where paths were left out, and where it is not known whether they were."""

DISPLAY_NAMES = {
    COVERED_SOURCES: "packages that somebody publishes advisories for, and no others",
    SKIPPED: "paths that were skipped",
    UNSTATED: "all paths, and says so",
    PACKAGE_LIST: "the list of all packages",
    "vuln": "vulnerabilities",
    "secret": "secrets",
    "misconfig": "misconfigurations",
    "license": "licences",
    "os": "packages of the operating system",
    "library": "packages of programming languages",
}


def missing_parts(scope: Scope, required: RequiredScope) -> tuple[str, ...]:
    """List the required parts that a scan did not cover, in Trivy's names and the order of the requirement.

    Without the scanner for vulnerabilities no package was checked: then it alone is named.
    """
    scanners = tuple(name for name in required.scanners if name not in scope.scanners)
    if "vuln" in scanners:
        return scanners
    paths: tuple[str, ...] = ()
    if required.everywhere and (scope.skip_dirs or scope.skip_files):
        paths = (SKIPPED,)
    elif required.stated and not scope.stated:
        paths = (UNSTATED,)
    return (*scanners, *paths, *(name for name in required.pkg_types if name not in scope.pkg_types))


def describe_parts(names: tuple[str, ...]) -> str:
    """Scanners and package types for people: `vulnerabilities`, `packages of the operating system`."""
    return " and ".join(DISPLAY_NAMES.get(name, name) for name in names)
