"""The distributions whose releases Trivy has advisories for, and their names in its database.

Trivy does not report whether it knows a release: it matches packages with nothing, finds nothing, and warns
on standard error at most. Read from Trivy 0.74.0 (pkg/detector/ospkg/*) and the trivy-db that it requires
(pkg/vulnsrc/bucket). What trivy-db makes of the folders of its source, such as Azure Linux's releases, is read from
Trivy's documentation (coverage/os).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec


def _whole_release(version: str) -> str:
    return version


def _major_release(version: str) -> str:
    return version.partition(".")[0]


def _minor_release(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _amazon_release(version: str) -> str:
    major = _major_release(version.split(maxsplit=1)[0]) if version.split() else ""
    if major in {"2", "2022", "2023"}:
        return major
    # Trivy takes any other for Amazon Linux 1, and matches it with advisories of that. Its last release is 2018.03.
    return "" if major.isdecimal() and int(major[:9]) > 2018 else "1"


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution.

    Attributes:
        releases: those that Trivy knows, as `release` shortens them; None for one without numbered releases, or whose
            releases Trivy does not list.
        release: shortens a version as Trivy does before it looks advisories up.
        buckets: names in the vulnerability database, `{}` standing for the release; any of them will do.
        by_release: whether the bucket belongs to one release. Red Hat's holds the advisories of all releases.
    """

    releases: frozenset[str] | None
    release: Callable[[str], str] = _whole_release
    buckets: tuple[str, ...]
    by_release: bool = True

    def lists(self, version: str) -> bool:
        """Whether Trivy knows this version's release, as far as it lists any."""
        return self.releases is None or bool(self._spellings(version) & self.releases)

    def sources(self, version: str) -> frozenset[str]:
        """The buckets that hold advisories for this version."""
        return frozenset(bucket.format(spelling) for bucket in self.buckets for spelling in self._spellings(version))

    def _spellings(self, version: str) -> set[str]:
        """The release with and without `-ESM`: Ubuntu adds it at the end of life, and Trivy accepts both."""
        release = self.release(version)
        return {release, release.removesuffix("-ESM"), f"{release}-ESM"}


def _releases(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RED_HAT = ("Red Hat",)
DISTRIBUTIONS: dict[str, Distribution] = {
    "alma": Distribution(releases=_releases("8 9 10"), release=_major_release, buckets=("alma {}",)),
    "alpine": Distribution(
        releases=_releases(
            "2.0 2.1 2.2 2.3 2.4 2.5 2.6 2.7 3.0 3.1 3.2 3.3 3.4 3.5 3.6 3.7 3.8 3.9 3.10 3.11 3.12 3.13 3.14 3.15 "
            "3.16 3.17 3.18 3.19 3.20 3.21 3.22 3.23 edge"
        ),
        release=_minor_release,
        buckets=("alpine {}",),
    ),
    "amazon": Distribution(releases=_releases("1 2 2023"), release=_amazon_release, buckets=("amazon linux {}",)),
    "azurelinux": Distribution(releases=_releases("3.0"), release=_minor_release, buckets=("Azure Linux {}",)),
    "bottlerocket": Distribution(releases=None, buckets=("bottlerocket",)),
    "cbl-mariner": Distribution(releases=_releases("1.0 2.0"), release=_minor_release, buckets=("CBL-Mariner {}",)),
    "centos": Distribution(
        releases=_releases("3 4 5 6 7 8"), release=_major_release, buckets=_RED_HAT, by_release=False
    ),
    "chainguard": Distribution(releases=None, buckets=("chainguard",)),
    "debian": Distribution(
        releases=_releases("1.1 1.2 1.3 2.0 2.1 2.2 3.0 3.1 4.0 5.0 6.0 7 8 9 10 11 12 13"),
        release=_major_release,
        buckets=("debian {}",),
    ),
    "echo": Distribution(releases=None, buckets=("echo",)),
    "minimos": Distribution(releases=None, buckets=("minimos",)),
    "opensuse-leap": Distribution(
        releases=_releases("42.1 42.2 42.3 15.0 15.1 15.2 15.3 15.4 15.5 15.6 16.0"), buckets=("openSUSE Leap {}",)
    ),
    "opensuse-tumbleweed": Distribution(releases=None, buckets=("openSUSE Tumbleweed",)),
    "oracle": Distribution(releases=_releases("3 4 5 6 7 8 9"), release=_major_release, buckets=("Oracle Linux {}",)),
    "photon": Distribution(releases=_releases("1.0 2.0 3.0 4.0 5.0"), buckets=("Photon OS {}",)),
    "redhat": Distribution(
        releases=_releases("4 5 6 7 8 9 10"), release=_major_release, buckets=_RED_HAT, by_release=False
    ),
    "rocky": Distribution(releases=_releases("8 9"), release=_major_release, buckets=("rocky {}",)),
    "slem": Distribution(
        releases=_releases("5.0 5.1 5.2 5.3 5.4 5.5 6.0 6.1"), buckets=("SUSE Linux Enterprise Micro {}",)
    ),
    "sles": Distribution(
        releases=_releases(
            "10 10.1 10.2 10.3 10.4 11 11.1 11.2 11.3 11.4 12 12.1 12.2 12.3 12.4 12.5 15 15.1 15.2 15.3 15.4 15.5 "
            "15.6 15.7 16.0 16.1"
        ),
        buckets=("SUSE Linux Enterprise {}",),
    ),
    "ubuntu": Distribution(
        releases=_releases(
            "4.10 5.04 5.10 6.06 6.10 7.04 7.10 8.04 8.10 9.04 9.10 10.04 10.10 11.04 11.10 12.04 12.10 13.04 13.10 "
            "14.04 14.10 15.04 15.10 16.04 16.10 17.04 17.10 18.04 18.10 19.04 19.10 20.04 20.10 21.04 21.10 "
            "22.04 22.10 23.04 23.10 24.04 24.10 25.04 25.10 26.04"
        ),
        buckets=("ubuntu {}",),
    ),
    "wolfi": Distribution(releases=None, buckets=("wolfi",)),
}

_OLD_NAMES = {
    "opensuse.leap": "opensuse-leap",
    "opensuse.tumbleweed": "opensuse-tumbleweed",
    "suse linux enterprise micro": "slem",
    "suse linux enterprise server": "sles",
    "amazon linux": "amazon",
    "debian gnu/linux": "debian",
}


def find_distribution(name: str) -> Distribution | None:
    """The distribution of that name in a report; None for one that Trivy has no advisories for."""
    return DISTRIBUTIONS.get(_OLD_NAMES.get(name, name))


# The ecosystem that Trivy assigns to a type of packages (pkg/detector/library/driver.go); buckets are named
# `ECOSYSTEM::SOURCE`.
ECOSYSTEM_SOURCES: dict[str, str] = {
    kind: ecosystem
    for ecosystem, kinds in {
        "rubygems": "bundler gemspec",
        "cargo": "rustbinary cargo",
        "composer": "composer composer-vendor",
        "go": "gobinary gomod",
        "maven": "jar pom gradle sbt",
        "npm": "npm yarn pnpm bun node-pkg javascript",
        "nuget": "nuget dotnet-core packages-props",
        "pip": "pipenv poetry pip python-pkg uv pylock",
        "pub": "pub",
        "erlang": "hex",
        "conan": "conan",
        "swift": "swift",
        "cocoapods": "cocoapods",
        "bitnami": "bitnami",
        "k8s": "kubernetes",
        "julia": "julia",
    }.items()
    for kind in kinds.split()
}
