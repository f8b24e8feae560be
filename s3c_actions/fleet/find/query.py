"""The queries of `s3c find`.

CVE-2024-5535                    a vulnerability, by the id that reports give it
license:GPL-3.0-only             a licence, by its SPDX identifier
openssl                          a package of any ecosystem, or what was built from it
openssl<3.0.13                   … of such versions; several bounds by commas: openssl>=3.0,<3.0.13
deb:openssl<3.0.13-1~deb12u1     … of one ecosystem
pkg:deb/debian/openssl<3.0.13    … by its package URL, with `@VERSION` for one version
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec
from packageurl import PackageURL

from s3c_actions.core import suggest
from s3c_actions.core.errors import InputError
from s3c_actions.core.pasted_content import quote_value
from s3c_actions.evidence.packages import DISTRIBUTIONS
from s3c_actions.findings import versions

FIELD = "query"
MAX_LENGTH = 500

# https://github.com/package-url/purl-spec/blob/main/purl-types-index.json, as far as scanners of images name them.
_OTHER_ECOSYSTEMS = (
    *("bitnami", "cocoapods", "conan", "conda", "cran", "cpan", "generic", "github", "hackage", "huggingface"),
    *("julia", "luarocks", "opam", "otp", "qpkg", "vcpkg", "wordpress"),
)
ECOSYSTEMS = (*versions.SCHEMES, *_OTHER_ECOSYSTEMS)
"""Types of package URLs that a query may name; of those without a scheme, versions are not compared."""

_ALIASES: Mapping[str, str] = {
    "debian": "deb",
    "ubuntu": "deb",
    "dpkg": "deb",
    "redhat": "rpm",
    "alpine": "apk",
    "arch": "alpm",
    "python": "pypi",
    "pip": "pypi",
    "node": "npm",
    "java": "maven",
    "go": "golang",
    "ruby": "gem",
    "rust": "cargo",
    "crates": "cargo",
    "php": "composer",
    "dotnet": "nuget",
}

_ADVISORIES: Mapping[str, str] = {
    "CVE": r"CVE-[0-9]{4}-[0-9]{4,19}",
    "GHSA": r"GHSA(?:-[0-9A-Z]{4}){3}",
    "DSA": r"DSA-[0-9]+(?:-[0-9]+)?",
    "DLA": r"DLA-[0-9]+(?:-[0-9]+)?",
    "USN": r"USN-[0-9]+-[0-9]+",
    "RHSA": r"RHSA-[0-9]{4}:[0-9]+",
    "ELSA": r"ELSA-[0-9]{4}-[0-9]+",
    "ALAS": r"ALAS-[0-9]{4}-[0-9]+",
    "ALAS2": r"ALAS2(?:[A-Z0-9.]*)-[0-9]{4}-[0-9]+",
    "GO": r"GO-[0-9]{4}-[0-9]+",
    "PYSEC": r"PYSEC-[0-9]{4}-[0-9]+",
    "RUSTSEC": r"RUSTSEC-[0-9]{4}-[0-9]+",
    "TEMP": r"TEMP-[0-9]+-[0-9A-F]+",
}
_EXAMPLES: Mapping[str, str] = {"CVE": "CVE-2024-5535", "GHSA": "GHSA-xxxx-xxxx-xxxx", "RHSA": "RHSA-2024:1234"}
# Names of packages begin with these as well (go-md2man, temp-dir): only what goes on as an id does is one.
_ALSO_NAMES = frozenset({"GO", "TEMP", "DSA", "DLA", "USN"})

_OPERATORS = ("<=", ">=", "==", "!=", "<", ">", "=")
_OPERATOR = re.compile(r"[<>=!]")
_NAME = re.compile(r"@?[A-Za-z0-9][A-Za-z0-9._+/:~-]*", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:~^!-]*", re.ASCII)
_BOUND = re.compile(r"\s*(<=|>=|==|!=|<|>|=)\s*(\S*)\s*", re.ASCII)
_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*", re.ASCII)
_TESTS: Mapping[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
    "=": lambda order: order == 0,
    "!=": lambda order: order != 0,
}

_FORMS = (
    "Write `CVE-2024-5535`, `openssl`, `openssl<3.0.13`, `npm:lodash>=4,<4.17.21`, `pkg:deb/debian/openssl` or "
    "`license:GPL-3.0-only`."
)


class QueryKind(StrEnum):
    """What a query looks for."""

    ADVISORY = "advisory"
    PACKAGE = "package"
    LICENCE = "license"


class Bound(msgspec.Struct, frozen=True):
    """A condition on versions; `operator` is `<`, `<=`, `>`, `>=`, `=` or `!=`."""

    operator: str
    version: str

    def admits(self, ecosystem: str, installed: str) -> bool:
        """Return whether a version meets the condition.

        Raises:
            NotComparable: by the rules of the ecosystem, it cannot be compared.
        """
        return _TESTS[self.operator](versions.compare(ecosystem, installed, self.version))


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for.

    Attributes:
        text: as given.
        name: id of an advisory in capitals, SPDX identifier of a licence, or name of a package as its ecosystem writes
            it.
        ecosystem: type of the package's URL; empty for every one.
        namespace: of a package URL; empty for every one.
        bounds: conditions on the version, all of which hold.
    """

    text: str
    kind: QueryKind
    name: str
    ecosystem: str = ""
    namespace: str = ""
    bounds: tuple[Bound, ...] = ()


def parse(text: str) -> Query:
    """Parse a query.

    Raises:
        InputError: it is none; the message names the part, and what was probably meant.
    """
    query = text.strip()
    if not query:
        raise InputError(FIELD, "it is empty.", remedy=_FORMS)
    if len(query) > MAX_LENGTH or not query.isprintable():
        raise InputError(FIELD, f"it is longer than {MAX_LENGTH} characters, or not of one line.", remedy=_FORMS)
    prefix = query.partition("-")[0].upper()
    if prefix in _ADVISORIES and "-" in query:
        if re.fullmatch(_ADVISORIES[prefix], query.upper(), re.ASCII):
            return Query(text=query, kind=QueryKind.ADVISORY, name=query.upper())
        if prefix not in _ALSO_NAMES:
            example = _EXAMPLES.get(prefix, f"{prefix}-2024-1234")
            raise InputError(FIELD, f"{quote_value(query)} is no id of {prefix}.", remedy=f"Write it as `{example}`.")
    scheme, colon, rest = query.partition(":")
    if colon and scheme.strip().lower() in {"license", "licence"}:
        if not _LICENCE.fullmatch(rest.strip()):
            raise InputError(
                FIELD,
                f"{quote_value(rest.strip())} is no SPDX identifier of a licence.",
                remedy="Give one, such as `license:GPL-3.0-only`.",
            )
        return Query(text=query, kind=QueryKind.LICENCE, name=rest.strip())
    return _package_url(query) if scheme.lower() == "pkg" and colon else _package(query)


def _package(query: str) -> Query:
    start = _OPERATOR.search(query)
    name, conditions = (query[: start.start()], query[start.start() :]) if start else (query, "")
    name = name.strip()
    if " " in name:
        raise _wrong_name(query, name)
    at = name.rfind("@")
    if not conditions and at > 0:
        name, conditions = name[:at], f"={name[at + 1 :]}"
    ecosystem, name = _split_ecosystem(name)
    if not _NAME.fullmatch(name) or name.endswith("~"):
        raise _wrong_name(query, name)
    return Query(
        text=query, kind=QueryKind.PACKAGE, name=name, ecosystem=ecosystem, bounds=_bounds(conditions, ecosystem)
    )


def _wrong_name(query: str, name: str) -> InputError:
    words = name.split()
    if len(words) == 2 and _VERSION.fullmatch(words[1]) and words[1][0].isdigit():
        return InputError(FIELD, f"{quote_value(query)} has no comparison.", remedy=f"Write `{words[0]}={words[1]}`.")
    if name.endswith(("~", "^")) or (len(words) > 1 and words[-1] in {"~", "^"}):
        return InputError(
            FIELD,
            "ranges of one package manager (`~=`, `^`, `~>`) are not known here.",
            remedy="Write the bounds: `>=1.4,<2`.",
        )
    return InputError(FIELD, f"{quote_value(name or query)} is no name of a package.", remedy=_FORMS)


def _split_ecosystem(name: str) -> tuple[str, str]:
    """Split `ECOSYSTEM:NAME`; before any other colon stands a group of Maven."""
    prefix, colon, rest = name.partition(":")
    if not colon:
        return "", name
    word = prefix.strip().lower()
    if word in ECOSYSTEMS or word in _ALIASES:
        return _ALIASES.get(word, word), rest.strip()
    near = next(iter(difflib.get_close_matches(word, (*versions.SCHEMES, *_ALIASES), n=1, cutoff=0.66)), "")
    if not near or "." in prefix or ":" in rest:
        return "maven", name
    raise InputError(
        FIELD,
        f"{quote_value(prefix)} is no ecosystem.",
        remedy=f"Did you mean `{near}:{rest}`? Where it is a group of Maven: `maven:{name}`. "
        f"There are {', '.join(versions.SCHEMES)}.",
    )


def _bounds(text: str, ecosystem: str) -> tuple[Bound, ...]:
    if not text:
        return ()
    if "||" in text or "|" in text:
        raise InputError(FIELD, "`|` is not known: all bounds hold together.", remedy="Ask once for each range.")
    bounds = []
    for part in text.split(","):
        match = _BOUND.fullmatch(part)
        if match is None or not _VERSION.fullmatch(match[2]):
            raise InputError(
                FIELD,
                f"{quote_value(part.strip())} is no comparison with a version.",
                remedy=f"Write {', '.join(f'`{sign}`' for sign in _TESTS)} and a version, several by commas: "
                "`>=3.0,<3.0.13`.",
            )
        bounds.append(Bound("=" if match[1] == "==" else match[1], match[2]))
    for bound in bounds:
        if ecosystem not in versions.SCHEMES:
            continue
        try:
            versions.check(ecosystem, bound.version)
        except versions.NotComparable as error:
            raise InputError(
                FIELD, f"{error}.", remedy="Write the version as the ecosystem does, or leave the ecosystem out."
            ) from None
    return tuple(bounds)


def _package_url(query: str) -> Query:
    start = _OPERATOR.search(query)
    if "?" in query or "#" in query:
        raise InputError(
            FIELD,
            "qualifiers and paths of a package URL are not compared.",
            remedy="Leave out what follows `?` or `#`.",
        )
    url, conditions = (query[: start.start()].strip(), query[start.start() :]) if start else (query, "")
    try:
        parsed = PackageURL.from_string(url)
    except ValueError as error:
        raise InputError(
            FIELD,
            f"{quote_value(url)} is no package URL.",
            remedy="Write it as `pkg:deb/debian/openssl@3.0.11-1` or `pkg:npm/lodash<4.17.21`.",
            original=str(error),
        ) from None
    if parsed.type not in ECOSYSTEMS:
        meant = suggest.did_you_mean(parsed.type, (*ECOSYSTEMS, *_ALIASES.values()), "`pkg:{}/…`")
        raise InputError(
            FIELD,
            f"{quote_value(parsed.type)} is no type of a package URL.",
            remedy=f"{meant}There are {', '.join(ECOSYSTEMS)}.",
        )
    if parsed.version and conditions:
        raise InputError(FIELD, "it has a version and a comparison.", remedy="Give one of both.")
    if parsed.version:
        conditions = f"={parsed.version}"
    namespace = parsed.namespace or ""
    name = parsed.name
    if namespace and parsed.type not in DISTRIBUTIONS:
        name = f"{namespace}{':' if parsed.type == 'maven' else '/'}{name}"
        namespace = ""
    return Query(
        text=query,
        kind=QueryKind.PACKAGE,
        name=name,
        ecosystem=parsed.type,
        namespace=namespace,
        bounds=_bounds(conditions, parsed.type),
    )
