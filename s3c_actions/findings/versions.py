"""Compare versions by the rules of their ecosystem; what cannot be compared by them is not compared.

A version is compared as far as the wanted one is stated, as rpm compares what its packages require: without an epoch no
epoch, without a release (Debian's revision, Alpine's `-r0`, a local label of PEP 440) no release. So `openssh<9.3`
finds Debian's `1:9.2p1-2`, and `openssl=3.0.11` finds `3.0.11-1~deb12u2`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from univers.versions import Version

MAX_LENGTH = 200


class NotComparable(ValueError):
    """Two versions that no rule of the ecosystem compares; the text is a clause that says why."""


def _as_is(version: str, _wanted: str) -> str:
    return version


def _like_dpkg(version: str, wanted: str) -> str:
    """Drop epoch and revision that are not wanted: `[EPOCH:]UPSTREAM[-REVISION]`, as rpm and pacman have them too."""
    if ":" not in wanted:
        version = version.partition(":")[2] if ":" in version else version
    if "-" not in wanted:
        version = version.rpartition("-")[0] if "-" in version else version
    return version


def _like_apk(version: str, wanted: str) -> str:
    return version if re.search(r"-r[0-9]+$", wanted) else re.sub(r"-r[0-9]+$", "", version)


def _like_pip(version: str, wanted: str) -> str:
    return version if "+" in wanted else version.partition("+")[0]


def _like_semver(version: str, _wanted: str) -> str:
    """Drop build metadata, which Semantic Versioning ignores (10), and the `v` and `go` that Go writes before it."""
    return re.sub(r"^(?:go|v)(?=[0-9])", "", version).partition("+")[0]


def _like_maven(version: str, _wanted: str) -> str:
    """Drop a final `RELEASE`, which Maven reads as nothing, as it does `Final` and `GA`; univers knows these alone."""
    return re.sub(r"(?i)[.-]release$", "", version)


class _Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of an ecosystem.

    Attributes:
        versions: class in `univers.versions` that compares.
        pattern: what the class reads as the ecosystem does; it takes more, and then guesses.
        reduce: returns a version without the parts that the wanted one does not state.
    """

    versions: str
    pattern: str
    reduce: Callable[[str, str], str] = _as_is


_SEMVER = r"[0-9]+(?:\.[0-9]+){0,2}(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
_DPKG = r"(?:[0-9]+:)?[0-9][A-Za-z0-9.+~-]*"

SCHEMES: Mapping[str, _Scheme] = {
    # https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
    "deb": _Scheme(versions="DebianVersion", pattern=_DPKG, reduce=_like_dpkg),
    # https://rpm-software-management.github.io/rpm/man/rpm-version.7
    "rpm": _Scheme(versions="RpmVersion", pattern=r"(?:[0-9]+:)?[A-Za-z0-9._+~^-]+", reduce=_like_dpkg),
    # https://wiki.alpinelinux.org/wiki/APKBUILD_Reference#pkgver; suffixes of version control are not read by univers
    "apk": _Scheme(
        versions="AlpineLinuxVersion",
        pattern=r"[0-9]+(?:\.[0-9]+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)[0-9]*)*(?:-r[0-9]+)?",
        reduce=_like_apk,
    ),
    "alpm": _Scheme(versions="ArchLinuxVersion", pattern=r"(?:[0-9]+:)?[A-Za-z0-9._+~-]+", reduce=_like_dpkg),
    # PEP 440; the class itself reads no more
    "pypi": _Scheme(versions="PypiVersion", pattern=r"[0-9A-Za-z.!+_-]+", reduce=_like_pip),
    "npm": _Scheme(versions="SemverVersion", pattern=_SEMVER, reduce=_like_semver),
    "cargo": _Scheme(versions="SemverVersion", pattern=_SEMVER, reduce=_like_semver),
    "hex": _Scheme(versions="SemverVersion", pattern=_SEMVER, reduce=_like_semver),
    "pub": _Scheme(versions="SemverVersion", pattern=_SEMVER, reduce=_like_semver),
    "swift": _Scheme(versions="SemverVersion", pattern=_SEMVER, reduce=_like_semver),
    "golang": _Scheme(versions="SemverVersion", pattern=_SEMVER, reduce=_like_semver),
    # https://maven.apache.org/pom.html#version-order-specification
    "maven": _Scheme(versions="MavenVersion", pattern=r"[0-9][A-Za-z0-9._+-]*", reduce=_like_maven),
    "nuget": _Scheme(
        versions="NugetVersion", pattern=r"[0-9]+(?:\.[0-9]+){0,3}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
    ),
    "gem": _Scheme(versions="RubygemsVersion", pattern=r"[0-9]+(?:\.[0-9A-Za-z]+)*"),
    # univers compares Composer's `beta11` and `beta2` as text: releases alone are compared
    "composer": _Scheme(versions="ComposerVersion", pattern=r"[0-9]+(?:\.[0-9]+)*", reduce=_like_semver),
}
"""Type of a package URL → how its versions compare."""


def compare(ecosystem: str, installed: str, wanted: str) -> int:
    """Compare two versions.

    Args:
        ecosystem: type of the package's URL; empty when not known.
        installed: version of a package; untrusted.
        wanted: version of a query.

    Returns:
        Below 0 when the installed one is lower, 0 when they are equal as far as the wanted one is stated, else above 0.

    Raises:
        NotComparable: the ecosystem's rules are not known here, or a version does not follow them.
    """
    return _compare(ecosystem, installed, wanted)


@functools.lru_cache(maxsize=10_000)
def _compare(ecosystem: str, installed: str, wanted: str) -> int:
    scheme = SCHEMES.get(ecosystem)
    if scheme is None:
        raise NotComparable(
            f"how versions of {ecosystem} compare is not known" if ecosystem else "its ecosystem is not known"
        )
    left = _version(ecosystem, scheme.reduce(installed, wanted), installed)
    right = _version(ecosystem, scheme.reduce(wanted, wanted), wanted)
    if left < right:
        return -1
    return 1 if right < left else 0


@functools.lru_cache(maxsize=10_000)
def compare_whole(ecosystem: str, left: str, right: str) -> int:
    """Compare two versions of installed packages, with all of their parts; arguments and errors as of `compare`."""
    scheme = SCHEMES.get(ecosystem)
    if scheme is None:
        raise NotComparable(f"how versions of {ecosystem or 'an unknown ecosystem'} compare is not known")
    ours, theirs = (_version(ecosystem, scheme.reduce(version, version), version) for version in (left, right))
    if ours < theirs:
        return -1
    return 1 if theirs < ours else 0


def check(ecosystem: str, wanted: str) -> None:
    """Raise NotComparable when a wanted version does not follow the rules of its ecosystem."""
    compare(ecosystem, wanted, wanted)


def _version(ecosystem: str, text: str, given: str) -> Version:
    scheme = SCHEMES[ecosystem]
    if not given:
        raise NotComparable("no version of it is stated")
    if len(given) > MAX_LENGTH or not re.fullmatch(scheme.pattern, text):
        raise NotComparable(f"{given[:MAX_LENGTH]!r} is no version of {ecosystem}")
    try:
        version: Version = _class(scheme.versions)(text)
    except ValueError:
        raise NotComparable(f"{given!r} is no version of {ecosystem}") from None
    return version


@functools.cache
def _class(name: str) -> Any:
    from univers import versions

    return getattr(versions, name)
