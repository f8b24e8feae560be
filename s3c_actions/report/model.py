"""What a scan found, in the toolkit's own terms; everything rendered, gated or compared starts here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Severity(IntEnum):
    """Trivy's severities, ordered."""

    UNKNOWN = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @classmethod
    def of(cls, text: str) -> Severity:
        """The severity of that name, in any case; a name nobody knows is UNKNOWN."""
        return cls.__members__.get(text.strip().upper(), cls.UNKNOWN)

    @property
    def title(self) -> str:
        """The name as people read it: `High`."""
        return self.name.capitalize()


class Kind(StrEnum):
    """Which scanner found it; the names of Trivy's scanners."""

    VULNERABILITY = "vuln"
    SECRET = "secret"  # noqa: S105 - the scanner's name
    MISCONFIGURATION = "misconfig"
    LICENSE = "license"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Text fields are untrusted: whoever renders them escapes them.

    Attributes:
        id: CVE or other advisory id, rule id of a secret or misconfiguration, or the licence's name.
        package, installed, fixed: of a vulnerability; `fixed` is empty when no version fixes it.
        package_type: Trivy's type of the result (`debian`, `python-pkg`, `dockerfile`, …).
        target: where in the image: the layer's OS, a file path.
        status: Trivy's word on an unfixed one (`affected`, `will_not_fix`, `end_of_life`, …).
        score: CVSS base score from 0 to 10, or None when nobody gave one.
        line: the first line in `target`, 0 when it has none.
        suppressed: why an ignore file, VEX or policy set it aside; empty when nothing did.
    """

    kind: Kind
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

    @property
    def fixable(self) -> bool:
        """Whether a version that fixes it exists; a secret or misconfiguration is always ours to fix."""
        return bool(self.fixed) if self.kind is Kind.VULNERABILITY else self.kind is not Kind.LICENSE

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Identity across scans, rebuilds and versions: what a baseline is compared by."""
        where = self.package if self.package else self.target
        return (self.kind, self.id, where, self.target if self.package_type not in OS_TYPES else "")


# Trivy's result types of operating systems (fanal's ftypes.OSType).
OS_TYPES = frozenset(
    {"alma", "alpaquita", "alpine", "amazon", "azurelinux", "bottlerocket", "cbl-mariner", "centos", "chainguard"}
    | {"debian", "echo", "fedora", "minimos", "opensuse", "opensuse-leap", "opensuse-tumbleweed", "oracle", "photon"}
    | {"redhat", "rocky", "slem", "sles", "suse linux enterprise server", "ubuntu", "wolfi"}
)


@dataclass(frozen=True)
class ScanReport:
    """One scan of one image on one platform.

    Attributes:
        image: the reference as it was given to the scanner.
        digest: of the manifest scanned, empty for a tarball.
        platform: `linux/amd64`.
        findings: not suppressed, the most severe first.
        suppressed: findings set aside, each with its reason.
        created: RFC 3339 time of the scan.
        database: the vulnerability database's update time, RFC 3339, empty when unknown.
    """

    image: str
    digest: str = ""
    platform: str = ""
    os: str = ""
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Finding, ...] = ()
    created: str = ""
    scanner_version: str = ""
    database: str = ""
    diff_ids: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[Severity, int]:
        """Findings by severity, each severity present, the most severe first."""
        return count(self.findings)

    @property
    def fixable(self) -> tuple[Finding, ...]:
        """The findings for which a fix exists."""
        return tuple(f for f in self.findings if f.fixable)


def count(findings: Iterable[Finding]) -> dict[Severity, int]:
    """Findings by severity, each severity present, the most severe first."""
    counts = dict.fromkeys(sorted(Severity, reverse=True), 0)
    for finding in findings:
        counts[finding.severity] += 1
    return counts
