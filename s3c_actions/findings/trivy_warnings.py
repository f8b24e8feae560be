"""What Trivy's own warnings mean for the reliability of its findings.

Trivy continues after most failures, and reports them on standard error alone. This is the list of those that mean
«not checked», read from every warning and error that Trivy 0.74.0 can print while it scans an image (pkg/).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec

from s3c_actions.core.patterns import late_pattern


class WarningMeaning(Enum):
    """What follows from a warning."""

    BLIND = "blind"
    """A scanner did not read what it should have: an empty result proves nothing."""
    UNCOVERED = "uncovered"
    """Some packages were listed and matched with nothing."""
    REPORTED = "reported"
    """Shown by the report and the database as well, and assessed in findings/coverage.py."""
    SHOWN = "shown"
    """Shown to people, without effect on the gate."""


class WarningCase(msgspec.Struct, frozen=True, kw_only=True):
    """A warning that means something.

    Attributes:
        pattern: found in Trivy's message.
        meaning: of it.
        scanners: whose findings it concerns; when none of them was requested, it is only shown.
        sentence: what it means, for people.
        layer: whether Trivy emits it only when it analyses a layer for the first time.
    """

    pattern: str
    meaning: WarningMeaning
    scanners: frozenset[str]
    sentence: str
    layer: bool = False


_VULN = frozenset({"vuln", "license"})
WARNING_CASES: tuple[WarningCase, ...] = (
    WarningCase(
        pattern=r"This OS version is not on the EOL list",
        meaning=WarningMeaning.REPORTED,
        scanners=_VULN,
        sentence="Trivy does not know this release of the distribution.",
    ),
    WarningCase(
        pattern=r"This OS version is no longer supported|detection may be insufficient because security updates",
        meaning=WarningMeaning.REPORTED,
        scanners=_VULN,
        sentence="The release gets no security updates any more.",
    ),
    WarningCase(
        pattern=r"Unsupported os",
        meaning=WarningMeaning.BLIND,
        scanners=_VULN,
        sentence="Trivy has no advisories for the image's distribution: its packages were not checked.",
    ),
    WarningCase(
        pattern=r'No OS package is detected|^e\.g\. files under "/lib/apk/db/"',
        meaning=WarningMeaning.REPORTED,
        scanners=_VULN,
        sentence="Trivy found no packages of the operating system.",
    ),
    WarningCase(
        pattern=r"\[dpkg\] Parse error(?!.*\bavailable\b)",
        meaning=WarningMeaning.BLIND,
        scanners=_VULN,
        sentence="Trivy could not read all of the image's package database: packages are missing from what it checked.",
        layer=True,
    ),
    WarningCase(
        pattern=r"Invalid (?:source )?version(?: found)?",
        meaning=WarningMeaning.UNCOVERED,
        scanners=_VULN,
        sentence="Trivy left out a package whose version it cannot read.",
        layer=True,
    ),
    WarningCase(
        pattern=r"Some OS packages were skipped due to mismatched PURL namespace",
        meaning=WarningMeaning.UNCOVERED,
        scanners=_VULN,
        sentence="Trivy left out packages that another distribution's bill of materials names.",
    ),
    WarningCase(
        pattern=r"Conda package is supported for SBOM, not for vulnerability scanning",
        meaning=WarningMeaning.UNCOVERED,
        scanners=_VULN,
        sentence="Trivy has no advisories for Conda packages.",
    ),
    WarningCase(
        pattern=r"The library type is not supported for vulnerability scanning",
        meaning=WarningMeaning.UNCOVERED,
        scanners=_VULN,
        sentence="Trivy has no advisories for a type of packages in the image.",
    ),
    WarningCase(
        pattern=r"Version matching error",
        meaning=WarningMeaning.UNCOVERED,
        scanners=_VULN,
        sentence="Trivy could not compare a package's version with an advisory.",
    ),
    WarningCase(
        pattern=r"Failed to parse component|Multiple OS components are not supported",
        meaning=WarningMeaning.UNCOVERED,
        scanners=_VULN,
        sentence="Trivy could not read all of a bill of materials in the image.",
        layer=True,
    ),
    WarningCase(
        pattern=r"Mixing Alpine versions is unsupported",
        meaning=WarningMeaning.SHOWN,
        scanners=_VULN,
        sentence="The image mixes releases of Alpine; its packages were checked as the repository's release.",
    ),
    WarningCase(
        pattern=r"Failed to read content during streaming",
        meaning=WarningMeaning.BLIND,
        scanners=frozenset({"secret"}),
        sentence="Trivy could not read a file to its end while it looked for secrets.",
        layer=True,
    ),
    WarningCase(
        pattern=r"scan was broken with InvalidContentError",
        meaning=WarningMeaning.BLIND,
        scanners=frozenset({"misconfig"}),
        sentence="Trivy could not read a configuration file in which it looked for mistakes.",
        layer=True,
    ),
)

_COMPILED = tuple((late_pattern(case.pattern), case) for case in WARNING_CASES)
_LONGEST = 300


class WarningAssessment(msgspec.Struct, frozen=True, kw_only=True):
    """What Trivy's warnings mean together.

    Attributes:
        blind: why the findings cannot be relied on, as a sentence; empty when they can.
        uncovered: why some packages were matched with nothing, each once.
        shown: further warnings for people, in Trivy's words; untrusted.
    """

    blind: str
    uncovered: tuple[str, ...]
    shown: tuple[str, ...]


NO_WARNINGS = WarningAssessment(blind="", uncovered=(), shown=())
"""Of a scan without warnings."""


def mentions_layers(messages: Iterable[str]) -> bool:
    """Whether one of the warnings would not be repeated for a layer that is already cached."""
    return any(case.layer for pattern, case in _COMPILED for message in messages if pattern.search(message))


def assess_warnings(messages: Iterable[str], scanners: Iterable[str]) -> WarningAssessment:
    """Assess the warnings of one scan.

    Args:
        messages: as Trivy printed them, without time and level; untrusted.
        scanners: of the scan.
    """
    requested = frozenset(scanners)
    blind: list[str] = []
    uncovered: list[str] = []
    shown: list[str] = []
    for message in dict.fromkeys(messages):
        case = next((case for pattern, case in _COMPILED if pattern.search(message)), None)
        if case is not None and case.meaning is WarningMeaning.REPORTED:
            continue
        if case is None or not case.scanners & requested:
            shown.append(f"Trivy: {message[:_LONGEST]}")
        elif case.meaning is WarningMeaning.BLIND:
            blind.append(case.sentence)
        elif case.meaning is WarningMeaning.UNCOVERED:
            uncovered.append(case.sentence)
        elif case.meaning is WarningMeaning.SHOWN:
            shown.append(case.sentence)
    return WarningAssessment(
        blind=blind[0] if blind else "",
        uncovered=tuple(dict.fromkeys(uncovered)),
        shown=tuple(dict.fromkeys(shown)),
    )
