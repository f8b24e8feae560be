"""The findings of a scan, in the toolkit's own terms: the basis of reports, gates and comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum, StrEnum
from functools import cached_property

import msgspec

IMAGE_CONFIGURATION = "image configuration"
"""Target of what was found in an image's configuration: an ENV, a USER, an instruction of the history."""


class Severity(IntEnum):
    """Trivy's severities, ordered."""

    UNKNOWN = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @classmethod
    def of(cls, text: str) -> Severity:
        """The severity of that name, in any case; an unknown name is UNKNOWN."""
        return _SEVERITIES.get(text) or _SEVERITIES.get(text.strip().upper(), cls.UNKNOWN)

    @property
    def title(self) -> str:
        """The name as people read it: `High`."""
        return _TITLES[self]


_SEVERITIES = {severity.name: severity for severity in Severity}
_TITLES = {severity: name.capitalize() for name, severity in _SEVERITIES.items()}


class FindingKind(StrEnum):
    """Which scanner found it; the names of Trivy's scanners."""

    VULNERABILITY = "vuln"
    SECRET = "secret"  # noqa: S105 - the scanner's name
    MISCONFIGURATION = "misconfig"
    LICENSE = "license"


class Exploitation(msgspec.Struct, frozen=True, gc=False):
    """What is known of attacks by a vulnerability. A gate takes a finding without it for not known, never for harmless.

    Attributes:
        known_exploited: whether CISA's catalogue of known exploited vulnerabilities (KEV) lists it.
        since: the day on which the catalogue listed it, `2021-12-10`; empty when it does not.
        epss: FIRST's estimate, from 0 to 1, that it is exploited within 30 days; None when there is none for it.
        due: the day by which CISA wants it fixed; empty when the catalogue names none.
        ransomware: whether the catalogue knows of its use for ransomware; False as well when that is not known.
    """

    known_exploited: bool
    since: str
    epss: float | None
    due: str = ""
    ransomware: bool = False


class ExploitationData(msgspec.Struct, frozen=True):
    """Which data the facts of exploitation in a report are from.

    Attributes:
        kev_released: when the KEV catalogue was released, ISO 8601; empty when there was none.
        epss_date: the day of the EPSS scores, ISO 8601; empty when there were none.
    """

    kev_released: str
    epss_date: str


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One finding. Text fields are untrusted: renderers escape them.

    A struct and no dataclass because reports of tens of thousands exist, and it is made five times as fast.

    Attributes:
        id: CVE or other advisory id, rule id of a secret or misconfiguration, or the licence's name.
        package, installed, fixed: of a vulnerability; `fixed` is empty when no version fixes it.
        package_type: Trivy's type of the result (`debian`, `python-pkg`, `dockerfile`, …).
        result_class: Trivy's class of the result (`os-pkgs`, `lang-pkgs`, `config`, `secret`, `license`, …).
        target: where in the image: the image and its OS, a file path, a language.
        path: of a language package's own files in the image, where known.
        status: Trivy's status of an unfixed one (`affected`, `will_not_fix`, `end_of_life`, …).
        score, vector: CVSS base score from 0 to 10 and its vector, of version 3 or 4; None and empty without one.
            The severity need not be the score's: distributions rate for their own builds.
        score2, vector2: the same of CVSS version 2.
        published: RFC 3339 time of the advisory's publication; empty when it is not known.
        cwes: weaknesses, `CWE-79`.
        source: who published the advisory.
        category: of a secret or licence (`AWS`, `restricted`).
        layer: diff id of the layer it came with (its digest where Trivy gives no diff id).
        line: the first line in `target`, 0 when it has none.
        detail: distinguishes it from others of its rule in the same file: a hash of a secret's masked line or of the
            message of a failed check. Empty where a rule applies once to a file; None when it is not known.
        suppressed: why an ignore file, VEX or policy set it aside; empty when nothing did.
        exploitation: whether it is known to be exploited, and how likely; None when that is not known.
        fix_since: RFC 3339 time from which there may have been a fix, as signed reports show; empty without them.
        aliases: other ids of a vulnerability, those of its vendors' advisories (GHSA-…, DSA-…, RHSA-…).
        from_base: whether it came with the base image; None where the base is not known, and then it counts as own.
    """

    kind: FindingKind
    id: str
    severity: Severity
    package: str = ""
    installed: str = ""
    fixed: str = ""
    package_type: str = ""
    purl: str = ""
    target: str = ""
    title: str = ""
    description: str = ""
    status: str = ""
    url: str = ""
    references: tuple[str, ...] = ()
    score: float | None = None
    layer: str = ""
    line: int = 0
    end_line: int = 0
    remedy: str = ""
    suppressed: str = ""
    result_class: str = ""
    path: str = ""
    vector: str = ""
    cwes: tuple[str, ...] = ()
    source: str = ""
    category: str = ""
    detail: str | None = ""
    score2: float | None = None
    vector2: str = ""
    published: str = ""
    exploitation: Exploitation | None = None
    fix_since: str = ""
    from_base: bool | None = None
    aliases: tuple[str, ...] = ()

    @property
    def os_package(self) -> bool:
        """Whether the distribution's package manager brought it: what Copa patches by default."""
        return self.result_class == "os-pkgs"

    @property
    def fixable(self) -> bool:
        """Whether a version that fixes it exists; a secret or misconfiguration can always be fixed by its owner."""
        return bool(self.fixed) if self.kind is FindingKind.VULNERABILITY else self.kind is not FindingKind.LICENSE

    @property
    def exploited(self) -> bool:
        """Whether it is known to be exploited, for what is shown: a gate reads `exploitation`, which may be None."""
        return self.exploitation is not None and self.exploitation.known_exploited

    @property
    def likelihood(self) -> float:
        """The EPSS estimate, to sort by; 0 without one."""
        return (self.exploitation.epss or 0.0) if self.exploitation is not None else 0.0

    @property
    def place(self) -> str:
        """Where it is in the image, for people: the package's own file, else the target."""
        return self.path or self.target


class ForbiddenContent(msgspec.Struct, frozen=True, order=True):
    """Content of an image that a policy forbids.

    Attributes:
        kind: `package` or `license`.
        by: the policy's entry that refuses it.
        text: what it is, for people; untrusted.
    """

    kind: str
    by: str
    text: str


class Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """What a report does not show. A severity that is named here has no number of its own unless findings are shown.

    Attributes:
        filtered: severities that are not shown → how many findings of them there are. A severity of `uncounted` that is
            not shown either is not among them.
        unfixed: vulnerabilities without a fix that are not shown, by severity; without severities that have none.
        fixable: how many of the findings that are not shown have a fix.
        uncounted: severities of which it is not known whether there are any: a given report may have been made without
            them.
        exploited: how many of the findings that are not shown are known to be exploited.
    """

    filtered: Mapping[Severity, int] = msgspec.field(default_factory=dict)
    unfixed: Mapping[Severity, int] = msgspec.field(default_factory=dict)
    fixable: int = 0
    uncounted: tuple[Severity, ...] = ()
    exploited: int = 0

    @property
    def total(self) -> int:
        """How many findings are known and not shown."""
        return sum(self.filtered.values()) + sum(self.unfixed.values())


NOTHING_HIDDEN = Hidden()


class BaseImage(msgspec.Struct, frozen=True, kw_only=True):
    """The image that another one is built on.

    Attributes:
        name: as it was named, `registry/repository:tag`; untrusted.
        reference: `registry/repository@digest` of the image of the platform, whose layers were compared.
        layers: its diff ids, the lowest first: the beginning of those of the image.
        source: what named it, as a clause, such as `the input base-image`.
    """

    name: str
    reference: str
    layers: tuple[str, ...]
    source: str


class ScanReport(msgspec.Struct, frozen=True, dict=True):
    """One scan of one image on one platform. What a gate reads has no default.

    Attributes:
        image: the reference as it was given to the scanner.
        artifact_type: Trivy's `container_image`, or what else was scanned (`filesystem`, `repository`, …).
        digest: of the manifest scanned, empty for a tarball.
        archive: whether `image` is known to be a path; a report alone does not tell `app` from the folder of its name.
        image_id: digest of the image's configuration.
        repo_tags, repo_digests: names of the image where Trivy read it, a local daemon's or an archive's included.
        platform: `linux/amd64`.
        os: `debian 12.5`; `os_end_of_life` when its distributor publishes no fixes any more.
        findings: not suppressed, as `rank_findings` orders them.
        suppressed: findings set aside, each with its reason.
        created: RFC 3339 time of the scan.
        database: the vulnerability database's update time, RFC 3339, empty when unknown.
        diff_ids: of the layers, the lowest first; `history` the instruction that made each, when known for all.
        hidden: what was found or may have been, and is not among `findings`.
        exploitation_data: what the findings' `exploitation` is from; None when no such data was given.
        base_created: RFC 3339 time at which the lowest layer was made, as the image states it; empty when it does not.
        base_image: that it is built on, whose layers were compared; None where it is not known.
    """

    image: str
    digest: str
    findings: tuple[Finding, ...]
    created: str
    database: str
    platform: str = ""
    os: str = ""
    suppressed: tuple[Finding, ...] = ()
    scanner_version: str = ""
    diff_ids: tuple[str, ...] = ()
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    artifact_type: str = "container_image"
    archive: bool = False
    image_id: str = ""
    repo_tags: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()
    os_end_of_life: bool = False
    history: tuple[str, ...] = ()
    hidden: Hidden = NOTHING_HIDDEN
    exploitation_data: ExploitationData | None = None
    base_created: str = ""
    base_image: BaseImage | None = None

    @cached_property
    def counts(self) -> dict[Severity, int | None]:
        """Findings by severity, each severity present, the most severe first.

        None in place of 0 where some are not shown, or may exist.
        """
        hidden = self.hidden
        unknown = {*hidden.filtered, *hidden.unfixed, *hidden.uncounted}
        return {
            severity: number if number or severity not in unknown else None
            for severity, number in count_by_severity(self.findings).items()
        }

    @property
    def total(self) -> int | None:
        """How many findings are shown; None in place of 0 where some are not shown, or may exist."""
        return len(self.findings) or (None if self.hidden.total or self.hidden.uncounted else 0)

    @property
    def total_fixable(self) -> int | None:
        """How many of the findings shown have a fix; None in place of 0 as for `total`."""
        return len(self.fixable) or (None if self.hidden.fixable or self.hidden.uncounted else 0)

    @property
    def total_exploited(self) -> int | None:
        """How many of the findings, shown or not, are known to be exploited; None without a KEV catalogue."""
        if self.exploitation_data is None or not self.exploitation_data.kev_released:
            return None
        return sum(f.exploited for f in self.findings) + self.hidden.exploited

    @cached_property
    def fixable(self) -> tuple[Finding, ...]:
        """The findings for which a fix exists."""
        return tuple(f for f in self.findings if f.fixable)

    @property
    def total_own(self) -> int | None:
        """How many of the findings shown are its own; None in place of 0 as for `total`."""
        return len(self.own) or (None if self.total is None else 0)

    @property
    def total_inherited(self) -> int | None:
        """How many of the findings shown came with the base; None where it is not known, or in place of 0."""
        return None if self.inherited is None else len(self.inherited) or (None if self.total is None else 0)

    @cached_property
    def own(self) -> tuple[Finding, ...]:
        """The findings that did not come with the base image: all of them where it is not known."""
        return tuple(f for f in self.findings if self.base_image is None or not f.from_base)

    @cached_property
    def inherited(self) -> tuple[Finding, ...] | None:
        """The findings that came with the base image; None where it is not known."""
        return None if self.base_image is None else tuple(f for f in self.findings if f.from_base)


def count_by_severity(findings: Iterable[Finding]) -> dict[Severity, int]:
    """Findings by severity, each severity present, the most severe first."""
    counts = dict.fromkeys(sorted(Severity, reverse=True), 0)
    for finding in findings:
        counts[finding.severity] += 1
    return counts


def rank_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The exploited first, then the most severe, the likeliest, those with a fix, then by name; always the same."""
    return tuple(
        sorted(
            findings,
            key=lambda f: (
                not f.exploited,
                -f.severity,
                -f.likelihood,
                not f.fixable,
                f.kind,
                f.package,
                f.id,
                f.target,
                f.path,
                f.line,
                f.installed,
            ),
        )
    )
