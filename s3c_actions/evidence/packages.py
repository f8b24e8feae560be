"""Read the packages of a bill of materials: SPDX 2.2 and 2.3, CycloneDX 1.2 to 1.7, of s3c or of another tool.

A package is what its package URL says (https://github.com/package-url/purl-spec); of a package without such a URL its
name and version are known, and not the ecosystem, so that its version can be compared with no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from packageurl import PackageURL

from s3c_actions.core import reading
from s3c_actions.evidence.documents import UnusableDocument
from s3c_actions.evidence.untyped import as_map, as_text

MAX_PACKAGES = 200_000
DISTRIBUTIONS = frozenset({"deb", "rpm", "apk", "alpm"})
"""Types of package URLs whose namespace is a distribution, and no part of the package's name."""

_PURL = re.compile(r"^(purl|http://spdx\.org/rdf/references/purl)$")
# Trivy writes the source package there, which SPDX 2.3 has no field for.
_BUILT_FROM = re.compile(r"^built package from: (\S+) (\S+)$")
_NOTHING = frozenset({"", "NOASSERTION", "NONE"})
_NO_PACKAGES = frozenset({"oci", "docker"})


class Package(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A package that an image holds; every text is untrusted.

    Attributes:
        ecosystem: type of its package URL, such as `deb` or `npm`; empty when it has none.
        namespace: of a distribution's package the distribution, else what precedes the name: a scope, a group.
        name, version: as the ecosystem writes them, the version with its epoch.
        source, source_version: the package that it was built from; empty when not stated.
        licences: SPDX expression, empty when not stated.
    """

    ecosystem: str
    namespace: str
    name: str
    version: str
    source: str = ""
    source_version: str = ""
    licences: str = ""

    @property
    def full_name(self) -> str:
        """Return the name as its ecosystem's users write it: `libssl3`, `@types/node`, `org.slf4j:slf4j-api`."""
        if self.ecosystem in DISTRIBUTIONS or not self.namespace:
            return self.name
        return f"{self.namespace}{':' if self.ecosystem == 'maven' else '/'}{self.name}"


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a bill of materials: its packages, each once, and the RFC 3339 time that it states."""

    packages: tuple[Package, ...]
    created: str


def read_bill(content: bytes) -> Bill:
    """Read a bill of materials.

    Args:
        content: SPDX or CycloneDX, in JSON.

    Raises:
        UnusableDocument: it is neither, or a list in it is none.
    """
    try:
        document = reading.parse_json(content)
    except ValueError:
        raise UnusableDocument("it is not JSON") from None
    if not isinstance(document, dict):
        raise UnusableDocument("it is no JSON object")
    if as_text(document.get("spdxVersion")):
        packages, created = _spdx(document), as_map(document.get("creationInfo")).get("created")
    elif document.get("bomFormat") == "CycloneDX":
        packages, created = _cyclonedx(document), as_map(document.get("metadata")).get("timestamp")
    else:
        raise UnusableDocument("it is neither SPDX nor CycloneDX in JSON")
    return Bill(packages=tuple(dict.fromkeys(packages)), created=as_text(created))


def _spdx(document: Mapping[str, Any]) -> Iterator[Package]:
    listed = document.get("packages")
    if not isinstance(listed, list):
        raise UnusableDocument("it is no SPDX document: it has no packages")
    if len(listed) > MAX_PACKAGES:
        raise UnusableDocument(f"it holds more than {MAX_PACKAGES:,} packages")
    for entry in map(as_map, listed):
        references = entry.get("externalRefs")
        purl = next(
            (
                as_text(reference.get("referenceLocator"))
                for reference in map(as_map, references if isinstance(references, list) else ())
                if _PURL.match(as_text(reference.get("referenceType")))
            ),
            "",
        )
        built = _BUILT_FROM.match(as_text(entry.get("sourceInfo")))
        licences = [as_text(entry.get(key)) for key in ("licenseConcluded", "licenseDeclared")]
        package = _package(
            purl,
            name=as_text(entry.get("name")),
            version=as_text(entry.get("versionInfo")),
            source=(built[1], built[2]) if built else ("", ""),
            licences=next((licence for licence in licences if licence not in _NOTHING), ""),
        )
        # Without either, it is the image itself, a layer or a file: not installed under any version.
        if package is not None and (purl or package.version) and _is_package(entry.get("primaryPackagePurpose")):
            yield package


def _is_package(purpose: object) -> bool:
    return purpose not in {"OPERATING-SYSTEM", "CONTAINER"}


def _cyclonedx(document: Mapping[str, Any]) -> Iterator[Package]:
    waiting = document.get("components", [])
    if not isinstance(waiting, list):
        raise UnusableDocument("it is no CycloneDX document: its components are no list")
    waiting, number = list(reversed(waiting)), 0
    while waiting:
        entry = as_map(waiting.pop())
        number += 1
        if number > MAX_PACKAGES:
            raise UnusableDocument(f"it holds more than {MAX_PACKAGES:,} components")
        inner = entry.get("components")
        waiting += reversed(inner) if isinstance(inner, list) else ()
        purl, group = as_text(entry.get("purl")), as_text(entry.get("group"))
        package = _package(
            purl,
            name=as_text(entry.get("name")),
            group=group,
            version=as_text(entry.get("version")),
            source=_trivy_source(entry),
            licences=_cyclonedx_licences(entry),
        )
        if package is not None and (purl or entry.get("type") in {"library", "application", "framework"}):
            yield package


def _trivy_source(entry: Mapping[str, Any]) -> tuple[str, str]:
    listed = entry.get("properties")
    properties = {
        as_text(note.get("name")).removeprefix("aquasecurity:trivy:"): as_text(note.get("value"))
        for note in map(as_map, listed if isinstance(listed, list) else ())
    }
    version = properties.get("SrcVersion", "")
    if version and properties.get("SrcRelease"):
        version = f"{version}-{properties['SrcRelease']}"
    if version and properties.get("SrcEpoch", "0") != "0":
        version = f"{properties['SrcEpoch']}:{version}"
    return properties.get("SrcName", ""), version


def _cyclonedx_licences(entry: Mapping[str, Any]) -> str:
    listed = entry.get("licenses")
    terms = []
    for choice in map(as_map, listed if isinstance(listed, list) else ()):
        licence = as_map(choice.get("license"))
        term = as_text(choice.get("expression")) or as_text(licence.get("id")) or as_text(licence.get("name"))
        terms += [term] if term else []
    return terms[0] if len(terms) == 1 else " AND ".join(f"({term})" for term in terms)


def _package(
    purl: str, *, name: str, version: str, source: tuple[str, str], licences: str, group: str = ""
) -> Package | None:
    """Return the package; None for what is none: an image, or an entry without a name."""
    parsed = _parse_purl(purl)
    if parsed is None:
        return (
            Package(ecosystem="", namespace=group, name=name, version=version, source=source[0], licences=licences)
            if name
            else None
        )
    if parsed.type in _NO_PACKAGES:
        return None
    qualifiers = parsed.qualifiers if isinstance(parsed.qualifiers, dict) else {}
    version = version or parsed.version or ""
    epoch = qualifiers.get("epoch", "")
    if epoch not in ("", "0") and ":" not in version:
        version = f"{epoch}:{version}"
    if not source[0] and qualifiers.get("upstream"):
        upstream, _, upstream_version = qualifiers["upstream"].partition("@")  # as Syft writes it
        source = (upstream, upstream_version)
    return Package(
        ecosystem=parsed.type,
        namespace=parsed.namespace or "",
        name=parsed.name,
        version=version,
        source=source[0],
        source_version=source[1] or (version if source[0] else ""),
        licences=licences,
    )


def _parse_purl(text: str) -> PackageURL | None:
    if not text or len(text) > 4000:
        return None
    try:
        return PackageURL.from_string(text)
    except ValueError:
        return None
