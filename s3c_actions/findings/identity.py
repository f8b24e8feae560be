"""The identity of a finding, and of the image it is in: equal in every build, different for each occurrence.

Alerts, comparisons, comments and `result.json` take it from here. docs/decisions/0014-identity.md says why it is made
of these parts, and which of today's alerts keep theirs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from s3c_actions.core.errors import InputError
from s3c_actions.core.patterns import late_pattern
from s3c_actions.core.reference import Reference, is_digest, is_image_id
from s3c_actions.findings.model import Finding, FindingKind, ScanReport

COLLECTIVE_TARGETS = frozenset({"Conda", "Java", "Kubernetes", "Node.js", "Python", "Ruby"})
"""Trivy's targets that stand for all installed packages of a language (0.74, pkg/scan/langpkg/scan.go)."""


class FindingIdentity(msgspec.Struct, frozen=True, gc=False):
    """What a finding keeps in every build of its image. Findings with equal identities are counted.

    Attributes:
        kind, id, package: as of the finding.
        place: the file in the image without version numbers and hashes; empty for a package of the distribution.
        detail: as of the finding, or the package's own file where the place is another one.
    """

    kind: FindingKind
    id: str
    package: str
    place: str
    detail: str

    def fingerprint(self, image: str) -> str:
        """Return the hash of the finding in one image, in hexadecimal: SHA-256.

        Args:
            image: as `image_identity` returns it.
        """
        # Without a detail it is the hash that versions before this one made, so that alerts keep their state.
        parts = (image, self.kind, self.id, self.package, self.place, self.detail)
        return hashlib.sha256("\0".join(parts if self.detail else parts[:-1]).encode("utf-8", "replace")).hexdigest()


def identify(finding: Finding) -> FindingIdentity:
    """Return the identity of a finding."""
    if finding.os_package:
        # The target names the image and its tag.
        return FindingIdentity(finding.kind, finding.id, finding.package, "", finding.detail or "")
    place, detail = finding.target, finding.detail or ""
    if finding.path and finding.kind is FindingKind.VULNERABILITY:
        if place in COLLECTIVE_TARGETS:
            place = finding.path
        elif finding.path != place:
            detail = strip_versions(finding.path)
    return FindingIdentity(finding.kind, finding.id, finding.package, strip_versions(place), detail)


def identify_roughly(finding: Finding) -> FindingIdentity:
    """Return the identity without what an older `result.json` does not hold: path and detail."""
    place = "" if finding.os_package else strip_versions(finding.target)
    return FindingIdentity(finding.kind, finding.id, finding.package, place, "")


def number_occurrences(findings: Sequence[Finding]) -> list[tuple[FindingIdentity, int]]:
    """Return the identity of each finding, and its number among those with an equal one, from 1.

    The numbers do not depend on the order, the severity or the fixes of the findings: one that is added gets the next
    number or moves the others up, and then all are counted as before but one.

    Args:
        findings: all of a report, suppressed ones included.
    """
    identities = [identify(finding) for finding in findings]
    groups: dict[FindingIdentity, list[int]] = {}
    for position, identity in enumerate(identities):
        groups.setdefault(identity, []).append(position)
    numbers = [1] * len(identities)
    for positions in groups.values():
        if len(positions) > 1:
            ranked = sorted(positions, key=lambda position: _place_in_build(findings[position]))
            for number, position in enumerate(ranked, 1):
                numbers[position] = number
    return list(zip(identities, numbers, strict=True))


def _place_in_build(finding: Finding) -> tuple[str, str, int, str]:
    return (finding.path, finding.target, finding.line, finding.installed)


# A version has at least two numbers: `python3.11`, `foo-1.2.dist-info`, `guava-31.1-jre.jar`, `x@v1.2.3+incompatible`;
# with words, dates, build numbers and commits behind them: `1.0a1`, `9.4.v20210927`, `v0.0.0-20210101000000-1a2b3c4`.
_WORDS = (
    "alpha beta rc cr m pre preview post dev final ga sp release snapshot jre jdk android incompatible redhat canary "
    "nightly build eap ea hotfix patch"
)
_VERSION = late_pattern(
    r"[-_@.+]?(?<![0-9])(?<![0-9]\.)v?[0-9]+(?:\.[0-9]+)+"
    rf"(?:[-_.+~]?(?:{_WORDS.replace(' ', '|')})(?![a-z])(?:[-._]?[0-9]+(?![0-9a-z]))*"
    r"|[-_.+~](?:v|b|r|p)?[0-9]+(?![0-9a-z])"
    r"|[abc][0-9]+(?![0-9a-z])"
    r"|[-_.+~]g?(?=[0-9a-f]*[0-9])[0-9a-f]{7,40}(?![0-9a-z])"
    r"|-(?:py[0-9]+)?h[0-9a-f]{7}_[0-9]+(?![0-9a-z])"
    r"|\+[a-z0-9]+(?:\.[a-z0-9]+)*(?=\.(?:dist|egg)-info)"
    r")*",
    re.IGNORECASE,
)
# A revision has a word before its number: `guava-r09.jar`, `app-rev12/x`. Numbers alone tell one file from another.
_REVISION = late_pattern(r"(?<=[0-9A-Za-z])[-_.](?:r|rev|revision|build)[0-9]+(?![0-9A-Za-z])")
_DAY = r"20[0-9]{2}(?P<by>[-_]?)(?:0[1-9]|1[0-2])(?P=by)(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[-_.T]?[0-9]{4}(?:[0-9]{2})?Z?|[-_T][0-9]{2}(?:[-_:.][0-9]{2}){1,2}Z?)"
# Folders of releases: `releases/20261130120000/x`, `app-2026-11-30/x`, `2026-11-30T12:00:00Z/x`. A name ends within 255
# characters.
_DATED_FOLDER = late_pattern(rf"[-_.@]?(?<![0-9A-Za-z]){_DAY}{_TIME}?(?![0-9A-Za-z])(?=[^/]{{0,255}}/)")
# Tomcat deploys versions of an application beside each other, whatever they are called: `ROOT##12.war`, `shop##blue/`.
_TOMCAT_VERSION = late_pattern(r"(?<=[^/\s#])##[\w.+~-]*?(?=\.war(?:/|$)|/|$)")
# What a build names by its content: `main.3f2a1b9c.js`, `bundler/gems/foo-0123456789ab`, Nix's store, UUIDs.
_CONTENT_HASH = late_pattern(
    r"(?<=nix/store/)[0-9a-z]{32}-"
    r"|[-_.@]?(?<![0-9A-Za-z])"
    r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}"
    r"|(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{8,64}|(?=[A-F]*[0-9])(?=[0-9]*[A-F])[0-9A-F]{8,64})(?![0-9A-Za-z])"
)
# Bundlers name a script by eight characters of base64 or base32 of its content, as in `index-BkX3aQ9z.js`.
# Words are none, as in `views-Carousel.js`, `ui-MenuItem.js` and `x-ui-Panel.js`: they tell one file from another.
_BUNDLE_HASH = late_pattern(
    r"[-.](?=[A-Za-z0-9_-]{8}\.(?:[cm]?js|css|wasm)(?:\.map)?$)(?=[a-z0-9_-]*[A-Z])"
    r"(?![A-Za-z][a-z]+(?:[-_][a-z]+|[-_]?[A-Z][a-z]+)*[0-9]?\.)[A-Za-z0-9_-]{8}"
)
# One number, or a day, is a version only in the name of an archive or a package's folder: `json-20231013.jar`.
_PACKAGE_FILE = late_pattern(
    rf"-(?:v?[0-9]+|{_DAY})(?=\.(?:jar|war|ear|hpi|aar|whl|egg|egg-info|dist-info|gem|gemspec|nupkg)(?:/|$))",
    re.IGNORECASE,
)
_DIGIT = late_pattern(r"[0-9]")


@lru_cache(20_000)
def strip_versions(text: str) -> str:
    """Return a path, or a message that names versions, without version numbers, days of builds and hashes of content.

    Args:
        text: such as `usr/lib/python3.11/site-packages/foo-1.2.dist-info`; one without a version is returned unchanged.
    """
    text = _BUNDLE_HASH.sub("", _TOMCAT_VERSION.sub("", text))
    if not _DIGIT.search(text):
        return text
    for pattern in (_VERSION, _PACKAGE_FILE, _REVISION, _DATED_FOLDER, _CONTENT_HASH):
        text = pattern.sub("", text)
    return text


def hash_detail(*parts: str) -> str:
    """Return the detail of a finding: a hash of the texts that distinguish it, in 16 hexadecimal digits.

    Args:
        parts: of the report; blanks and version numbers in them do not count.
    """
    text = "\0".join(strip_versions(" ".join(part.split())) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


# The image

_ARCHIVE = late_pattern(r"\.(?:tar|tgz|txz|tar\.\w{1,5}|gz|gzip|xz|zst|bz2|oci)$", re.IGNORECASE)
_TEMPORARY = late_pattern(
    r"^(?:/private)?/(?:tmp|var/tmp|var/folders|dev/shm)/|/_temp/|^[A-Za-z]:/.*/Temp/", re.IGNORECASE
)


def image_identity(report: ScanReport) -> str:
    """Return the name of what was scanned, without tag, digest and temporary folder; never empty.

    An archive or an image id is known by the names that its metadata has, and without any by its path or id.
    """
    if report.artifact_type != "container_image":
        return "." if report.image in {"./", "."} else report.image or report.artifact_type
    if own := _own_reference(report):
        return own.name
    for text in (*report.repo_tags, *report.repo_digests):
        if named := _parse(text):
            return named.name
    if _is_id(report):
        return report.image_id or report.image
    return _path_identity(report.image) or report.image_id or "image"


def pinned_reference(report: ScanReport) -> str:
    """Return the reference under which a registry has the scanned image, with its digest; else the image id.

    An image that was pulled under another name, and tagged locally, is in the registry under that other name alone.

    Returns:
        `registry/repository@digest`, an image id, or an empty text when there is neither.
    """
    if report.artifact_type != "container_image":
        return report.image_id
    own = _own_reference(report)
    pulled = [named for text in report.repo_digests if (named := _parse(text)) and named.digest]
    if pulled:
        return min(pulled, key=lambda named: own is None or named.name != own.name).pinned
    if own is not None and is_digest(digest := own.digest or report.digest):
        return own.at(digest).pinned
    return report.image_id


def _own_reference(report: ScanReport) -> Reference | None:
    """Return the reference by which an image was scanned; None when that is a path, an id or no name at all."""
    reference = _parse(report.image)
    if reference is None or report.archive or _is_id(report):
        return None
    known = {named.name for text in (*report.repo_tags, *report.repo_digests) if (named := _parse(text))}
    if reference.name not in known and (_ARCHIVE.search(report.image) or report.image.startswith((".", "/"))):
        return None
    return reference


def _is_id(report: ScanReport) -> bool:
    short = report.image_id.removeprefix("sha256:").startswith(report.image)
    return is_image_id(report.image) or (bool(re.fullmatch(r"[0-9a-f]{12,64}", report.image)) and short)


def _parse(text: str) -> Reference | None:
    try:
        return Reference.parse(text)
    except InputError:
        return None


_TAG_OR_DIGEST = late_pattern(r"(?<=[^/:])(?<!^[A-Za-z])(?::[\w.-]*)?(?:@[\w:]+)?$", re.ASCII)


def _path_identity(path: str) -> str:
    # Of a folder in OCI layout Trivy takes one image by its tag: `folder:tag`.
    text = _TAG_OR_DIGEST.sub("", path.replace("\\", "/"))
    parts = [part for part in text.split("/") if part not in {"", ".", ".."}]
    return "/".join(parts[-1:] if _TEMPORARY.search(text) else parts)
