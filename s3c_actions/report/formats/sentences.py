"""A finding as one sentence, for the formats that show a message for each."""

from __future__ import annotations

from s3c_actions.findings.model import Exploitation, Finding, FindingKind, ScanReport

LIKELY = 0.1
"""The EPSS estimate from which a table names it."""


def describe(report: ScanReport, finding: Finding) -> str:
    """Return what was found, where, and which version fixes it; untrusted text, not escaped."""
    severity = finding.severity.title
    image = report.image
    if finding.kind is FindingKind.VULNERABILITY:
        subject = f"{finding.package} {finding.installed} in {image} has {finding.id} ({severity})"
        place = f", at {finding.place}" if not finding.os_package else ""
        fix = f"Fixed in {finding.fixed}" if finding.fixed else f"No fix yet ({finding.status or 'affected'})"
        facts = " ".join(f"{fact}." for fact in (describe_exploitation(finding), fix) if fact)
        return f"{subject}{place}: {finding.title}. {facts}" if finding.title else f"{subject}{place}. {facts}"
    if finding.kind is FindingKind.SECRET:
        return f"{finding.title or finding.id} ({severity}) in {finding.target} of {image}: {finding.description}"
    if finding.kind is FindingKind.MISCONFIGURATION:
        return f"{finding.title or finding.id} ({severity}) in {finding.target}: {finding.description}"
    package = f"{finding.package} ({finding.target})" if finding.package else finding.target
    return f"{package} in {image} is under {finding.id}: {finding.category or 'unknown'} ({severity})."


def describe_exploitation(finding: Finding) -> str:
    """Return what is known of attacks, as a clause; empty when it is not listed, or when that is not known."""
    known = finding.exploitation
    if known is None or not known.known_exploited:
        return ""
    return f"Known to be exploited ({'; '.join(('CISA, ' + known.since, *describe_demand(known)))})"


def describe_demand(known: Exploitation) -> tuple[str, ...]:
    """Return what CISA says besides of one that is exploited: `due 2021-12-24`, `used for ransomware`."""
    due = (f"due {known.due}",) if known.due else ()
    return (*due, "used for ransomware") if known.ransomware else due


def format_epss(finding: Finding) -> str:
    """Return the estimate that it is exploited within 30 days, in per cent: `97.6%`; empty without one."""
    known = finding.exploitation
    return "" if known is None or known.epss is None else format_share(known.epss)


def format_share(share: float) -> str:
    """Return a share from 0 to 1 in per cent, with as many digits as are of use: `97.6%`, `0.04%`."""
    percent = share * 100
    return f"{percent:.1f}%" if percent >= 1 or not share else f"{max(percent, 0.01):.2g}%"
