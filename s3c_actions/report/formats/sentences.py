"""A finding as one sentence, for the formats that show a message for each."""

from __future__ import annotations

from s3c_actions.findings.model import Finding, FindingKind, ScanReport


def describe(report: ScanReport, finding: Finding) -> str:
    """Return what was found, where, and which version fixes it; untrusted text, not escaped."""
    severity = finding.severity.title
    image = report.image
    if finding.kind is FindingKind.VULNERABILITY:
        subject = f"{finding.package} {finding.installed} in {image} has {finding.id} ({severity})"
        place = f", at {finding.place}" if not finding.os_package else ""
        fix = f"Fixed in {finding.fixed}" if finding.fixed else f"No fix yet ({finding.status or 'affected'})"
        return f"{subject}{place}: {finding.title}. {fix}." if finding.title else f"{subject}{place}. {fix}."
    if finding.kind is FindingKind.SECRET:
        return f"{finding.title or finding.id} ({severity}) in {finding.target} of {image}: {finding.description}"
    if finding.kind is FindingKind.MISCONFIGURATION:
        return f"{finding.title or finding.id} ({severity}) in {finding.target}: {finding.description}"
    package = f"{finding.package} ({finding.target})" if finding.package else finding.target
    return f"{package} in {image} is under {finding.id}: {finding.category or 'unknown'} ({severity})."
