"""The findings that did not fit into a signed report, counted by what a rule could refuse of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from s3c_actions.findings.exploit_facts import epss_text
from s3c_actions.findings.model import Finding, FindingKind


def describe_rest(findings: Iterable[Finding], denied: Collection[str]) -> list[dict[str, Any]]:
    """Return the number of findings of each severity, with a fix and without, as JSON values.

    Args:
        findings: that are not listed.
        denied: ids in capitals that the policy denies.

    Returns:
        Groups with the keys `severity`, `fixable`, `count`, `exploited` and `denied` (how many of them are known to be
        exploited, or not known not to be, and how many are denied by name), and `epss`, the highest score among them as
        `exploit_facts.epss_text`: empty when none has one, and 1.00000 when one is not known.
    """
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for finding in findings:
        group = groups.setdefault(
            (-finding.severity, not finding.fixable),
            {
                "severity": finding.severity.name,
                "fixable": finding.fixable,
                "count": 0,
                "exploited": 0,
                "denied": 0,
                "epss": "",
            },
        )
        unknown = finding.kind is FindingKind.VULNERABILITY and finding.exploitation is None
        known_exploited = finding.exploitation is not None and finding.exploitation.known_exploited
        group["count"] += 1
        group["exploited"] += unknown or known_exploited
        group["denied"] += finding.id.upper() in denied
        group["epss"] = max(group["epss"], "1.00000" if unknown else epss_text(finding))
    return [groups[key] for key in sorted(groups)]
