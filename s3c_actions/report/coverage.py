"""Whether a scan could see anything: an image that Trivy does not understand has no findings either."""

from __future__ import annotations

import msgspec


class _OS(msgspec.Struct, frozen=True):
    family: str = msgspec.field(default="", name="Family")
    name: str = msgspec.field(default="", name="Name")
    end_of_life: bool = msgspec.field(default=False, name="EOSL")


class _Metadata(msgspec.Struct, frozen=True):
    os: _OS | None = msgspec.field(default=None, name="OS")


class _Result(msgspec.Struct, frozen=True):
    result_class: str = msgspec.field(default="", name="Class")
    packages: list[msgspec.Raw] = msgspec.field(default_factory=list, name="Packages")
    vulnerabilities: list[msgspec.Raw] = msgspec.field(default_factory=list, name="Vulnerabilities")


class _Report(msgspec.Struct, frozen=True):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata, name="Metadata")
    results: list[_Result] = msgspec.field(default_factory=list, name="Results")


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What the vulnerability scanner had to look at.

    Attributes:
        blind: why nothing that it found can be relied on, as a sentence; empty when it could look.
        warnings: sentences on what it may have missed.
    """

    blind: str
    warnings: tuple[str, ...]


NOTHING_TO_SEE = Coverage(blind="", warnings=())
"""Of a scan that was not asked to look at packages of an operating system, or that could look at all of them."""

UNLISTED = (
    "The report lists no packages, so it does not show whether the image's package database could be read: "
    "make it with `--list-all-pkgs`."
)

# Trivy reports these where it recognised a distribution but knows no package manager or advisories of it.
_UNKNOWN = {"", "none"}


def judge(data: bytes, *, scanners: tuple[str, ...], pkg_types: tuple[str, ...], listed: bool = True) -> Coverage:
    """Judge a report of Trivy by what it lists, packages included.

    Args:
        data: Trivy's JSON report.
        scanners: what was asked for.
        pkg_types: what was asked for; empty means all.
        listed: whether the report was written with all packages, so that none listed means none found.

    Returns:
        `blind` where operating-system packages were asked for and could not be matched with advisories: an unknown
        distribution, a missing package database, a distribution at its end of life without any finding, or an image in
        which nothing at all was recognised.
    """
    if "vuln" not in scanners or (pkg_types and "os" not in pkg_types):
        return NOTHING_TO_SEE
    report = msgspec.json.decode(data, type=_Report)
    of_os = [result for result in report.results if result.result_class == "os-pkgs"]
    os = report.metadata.os
    if os is None:
        languages = [result for result in report.results if result.result_class == "lang-pkgs"]
        if any(result.packages or result.vulnerabilities for result in languages):
            return NOTHING_TO_SEE
        return _blind("No distribution and no packages were recognised in the image: nothing was checked.")
    return _of_distribution(os, of_os, listed=listed)


def _blind(why: str) -> Coverage:
    return Coverage(blind=why, warnings=())


def _of_distribution(os: _OS, results: list[_Result], *, listed: bool) -> Coverage:
    name = f"{os.family} {os.name}".strip()
    if os.family in _UNKNOWN or not results:
        known = f" ({name})" if os.family not in _UNKNOWN else ""
        return _blind(f"Trivy has no advisories for the image's distribution{known}: its packages were not checked.")
    proven = any(result.packages or result.vulnerabilities for result in results)
    if listed and not proven:
        return _blind(f"No packages were found in this {name} image: its package database was removed or is damaged.")
    if not os.end_of_life:
        return NOTHING_TO_SEE if proven else Coverage(blind="", warnings=(UNLISTED,))
    end = f"{name} gets no security updates any more"
    if not any(result.vulnerabilities for result in results):
        return _blind(f"{end}, and nobody publishes advisories for it: that none was found says nothing.")
    return Coverage(blind="", warnings=(f"{end}: more may be wrong than is found. Move to a supported release.",))


def lists_os(data: bytes) -> bool:
    """Whether a report of Trivy says anything of operating-system packages, be it that they have no findings."""
    return any(result.result_class == "os-pkgs" for result in msgspec.json.decode(data, type=_Report).results)
