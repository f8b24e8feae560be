"""A finding as an entry of `result.json`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from s3c_actions.findings.model import Finding, FindingKind, Severity

SeverityName = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]
NAMES: dict[Severity, SeverityName] = {
    Severity.CRITICAL: "CRITICAL",
    Severity.HIGH: "HIGH",
    Severity.MEDIUM: "MEDIUM",
    Severity.LOW: "LOW",
    Severity.UNKNOWN: "UNKNOWN",
}


class FindingEntry(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One finding."""

    id: str
    kind: FindingKind
    severity: SeverityName
    package: str
    package_type: Annotated[str, Meta(description="Trivy's type of the result: debian, python-pkg, dockerfile, …")]
    class_: Annotated[
        str, Meta(description="Trivy's class of the result: os-pkgs, lang-pkgs, config, secret, license, …")
    ] = field(name="class")
    installed: str
    fixed_version: Annotated[str, Meta(description="Empty when no version fixes it.")]
    status: Annotated[str, Meta(description="Trivy's word on an unfixed one: affected, will_not_fix, end_of_life, …")]
    target: str
    path: Annotated[str, Meta(description="Of a language package's own files in the image; empty when it has none.")]
    line: Annotated[int, Meta(ge=0, description="In the target; 0 when it has none.")]
    title: str
    url: str
    remedy: Annotated[str, Meta(description="Of a misconfiguration.")]
    detail: Annotated[
        str | None,
        Meta(
            description="Distinguishes findings of one rule in one file, the same in every build: a hash of a secret's "
            "masked line or of a check's message. Empty for others, null when it is not known."
        ),
    ]
    published: Annotated[
        str | UnsetType, Meta(description="When the advisory was published, of a finding that a patch fixed.")
    ] = UNSET
    exploited_since: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | UnsetType,
        Meta(
            description="The day on which CISA listed it as exploited (KEV). Missing where it does not, and where no "
            "such data was given (`exploitation_data` of the scan)."
        ),
    ] = UNSET
    epss: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | UnsetType,
        Meta(description="FIRST's estimate that it is exploited within 30 days (EPSS); missing where there is none."),
    ] = UNSET
    exploited_due: Annotated[
        Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | UnsetType,
        Meta(
            description="The day by which CISA wants it fixed, of one that is exploited; missing where it names none."
        ),
    ] = UNSET
    ransomware: Annotated[
        Literal[True] | UnsetType,
        Meta(description="That CISA knows of its use for ransomware; missing where it does not."),
    ] = UNSET
    from_base: Annotated[
        bool | UnsetType, Meta(description="Whether it came with the base image; missing where that is not known.")
    ] = UNSET

    @property
    def place(self) -> str:
        """As of `model.Finding`."""
        return self.path or self.target

    @property
    def fixable(self) -> bool:
        """As of `model.Finding`."""
        return (
            bool(self.fixed_version) if self.kind is FindingKind.VULNERABILITY else self.kind is not FindingKind.LICENSE
        )


class ReasonedFinding(FindingEntry, frozen=True, kw_only=True, gc=False):
    """One finding, and why it is still there or was set aside."""

    reason: Annotated[
        str, Meta(description="Why it is still there, or why it was set aside; empty when no reason was given.")
    ]


def entry(finding: Finding, *, published: bool = False) -> FindingEntry:
    """The entry of a finding; with the time of its publication where that is asked for and known."""
    return FindingEntry(**_facts(finding), published=(finding.published if published else "") or UNSET)


def reasoned(finding: Finding, reason: str) -> ReasonedFinding:
    """The entry of a finding with the reason why it is still there or was set aside."""
    return ReasonedFinding(**_facts(finding), reason=reason)


def _facts(finding: Finding) -> dict[str, Any]:
    known = finding.exploitation
    return {
        "id": finding.id,
        "kind": finding.kind,
        "severity": NAMES[finding.severity],
        "package": finding.package,
        "package_type": finding.package_type,
        "class_": finding.result_class,
        "installed": finding.installed,
        "fixed_version": finding.fixed,
        "status": finding.status,
        "target": finding.target,
        "path": finding.path,
        "line": finding.line,
        "title": finding.title,
        "url": finding.url,
        "remedy": finding.remedy,
        "detail": finding.detail,
        "exploited_since": (known.since if known is not None else "") or UNSET,
        "epss": known.epss if known is not None and known.epss is not None else UNSET,
        "exploited_due": (known.due if known is not None else "") or UNSET,
        "ransomware": True if known is not None and known.ransomware else UNSET,
        "from_base": UNSET if finding.from_base is None else finding.from_base,
    }


def finding(entry: FindingEntry) -> Finding:
    """Rebuild the finding of an entry, as far as the entry holds it: enough to compare it with others."""
    return Finding(
        kind=entry.kind,
        id=entry.id,
        severity=Severity[entry.severity],
        package=entry.package,
        installed=entry.installed,
        fixed=entry.fixed_version,
        target=entry.target,
        path=entry.path,
        line=entry.line,
        detail=entry.detail,
        title=entry.title,
        url=entry.url,
        result_class=entry.class_,
        from_base=None if entry.from_base is UNSET else entry.from_base,
    )
