"""Whether advisories exist for the packages of an image, so that a scan without findings is meaningful."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from s3c_actions.core.moments import CLOCK_SKEW
from s3c_actions.findings.releases import ECOSYSTEM_SOURCES, find_distribution

MAX_DATABASE_AGE = timedelta(days=14)
"""A vulnerability database that is older lacks the vulnerabilities of the last two weeks. Trivy's is rebuilt every six
hours; a policy's `maximum-database-age` replaces this."""


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """The vulnerability database that a scan used, as far as it is known.

    Attributes:
        updated: when its publisher built it; None when the metadata lacks the time.
        sources: names of its buckets that hold advisories; None when the file was not available.
    """

    updated: datetime | None
    sources: frozenset[str] | None


class PackageList(msgspec.Struct, frozen=True, kw_only=True):
    """The packages of one result of a report.

    Attributes:
        result_class: `os-pkgs` or `lang-pkgs`.
        package_type: Trivy's type of the result: `debian`, `python-pkg`, …
        third_party: how many come from another repository than the distribution's.
        number: how many there are.
        findings: how many vulnerabilities were found in them.
    """

    result_class: str
    package_type: str
    third_party: int
    number: int
    findings: int


class UncoveredPackages(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """Packages for which there are no advisories that Trivy reads.

    Attributes:
        source: what they are, for people: `python-pkg`, `other repositories than debian's`.
        number: how many.
    """

    source: str
    number: int


def outdated_reason(database: Database | None, now: datetime, oldest: timedelta = MAX_DATABASE_AGE) -> str:
    """Explain why a database is too old, as a sentence; empty when it is recent, or when none was used.

    Args:
        database: that was used; None for a report whose database is not known.
        now: of the scan.
        oldest: the greatest age that is accepted.
    """
    if database is None:
        return ""
    if database.updated is None:
        return "The vulnerability database does not say when it was made: what it does not know cannot be judged."
    age = now - database.updated
    if age < -CLOCK_SKEW:
        return (
            f"The vulnerability database is dated {database.updated:%Y-%m-%d}, which is still to come: how old it is "
            "cannot be judged."
        )
    if age > oldest:
        return (
            f"The vulnerability database is {age.days} days old, and one of more than {oldest.days} is not relied on: "
            "newer vulnerabilities are not in it."
        )
    return ""


def unknown_reason(family: str, version: str, database: Database | None, findings: int) -> str:
    """Explain why advisories are missing for a distribution's release, as a sentence; empty when they exist.

    Args:
        family: of the distribution, as Trivy names it; untrusted.
        version: of it; untrusted.
        database: that was used. None for a report that was given: then Trivy's own list of releases decides.
        findings: in the distribution's packages. With some, there are advisories.
    """
    known = find_distribution(family)
    name = f"{family} {version}".strip()
    if known is None:
        return f"Trivy has no advisories for the image's distribution ({name}): its packages were not checked."
    if database is not None and database.sources is not None:
        if not database.sources:
            return "The vulnerability database is empty or damaged: nothing was checked."
        listed = bool(known.sources(version) & database.sources) and (known.by_release or known.lists(version))
        source = "The vulnerability database"
    else:
        listed = known.lists(version)
        source = "Trivy"
    if listed or findings:
        return ""
    return f"{source} has no advisories for {name}: that nothing was found in its packages says nothing."


def uncovered_packages(
    family: str, packages: Sequence[PackageList], database: Database | None
) -> tuple[UncoveredPackages, ...]:
    """Count the packages that no advisories cover, by their source.

    Args:
        family: of the distribution, as Trivy names it.
        packages: of each result.
        database: that was used; None when it is not known, and then by type of package alone.
    """
    counts: Counter[str] = Counter()
    sources = database.sources if database is not None else None
    for package_list in packages:
        if package_list.result_class == "os-pkgs":
            # Echo's and RapidFort's own feeds cover packages of other repositories as well.
            if package_list.third_party and family != "echo":
                counts[f"other repositories than {family}'s"] += package_list.third_party
        elif (
            package_list.number
            and not package_list.findings
            and not _has_advisories(package_list.package_type, sources)
        ):
            counts[package_list.package_type or "an unknown kind"] += package_list.number
    return tuple(sorted(UncoveredPackages(source=source, number=number) for source, number in counts.items()))


def _has_advisories(package_type: str, sources: frozenset[str] | None) -> bool:
    ecosystem = ECOSYSTEM_SOURCES.get(package_type)
    if ecosystem is None:
        return False
    return sources is None or any(source.startswith(f"{ecosystem}::") for source in sources)
