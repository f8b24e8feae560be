"""What changed between two scans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from s3c_actions.findings.identity import FindingIdentity, identify, identify_roughly
from s3c_actions.findings.model import Finding, ScanReport, Severity


class Difference(msgspec.Struct, frozen=True):
    """Findings by how they changed, each group the most severe first.

    Attributes:
        fixed: in the earlier report only (as in that report).
        new: in the later report only.
        left: in both (as in the later report).
    """

    fixed: tuple[Finding, ...]
    new: tuple[Finding, ...]
    left: tuple[Finding, ...]


def compare_scans(before: ScanReport, after: ScanReport) -> Difference:
    """Compare two reports by each finding's identity, so that a rebuild or a new installed version is no change.

    Each occurrence counts: of an identity that the earlier report has n times and the later one m times, m - n are new
    or n - m are fixed; left are those at the same place, as far as there are some. A finding of a severity that the
    earlier report knows of and does not list is neither new nor left.
    """
    unlisted = unlisted_findings(before)
    if unlisted:
        comparable = tuple(finding for finding in after.findings if (finding.severity, finding.fixable) not in unlisted)
        after = replace(after, findings=comparable)
    # An older result.json has less of each finding; then the rest of it decides.
    known = all(finding.detail is not None for finding in before.findings)
    earlier, later = (_positions(report.findings, known=known) for report in (before, after))
    gone: set[int] = set()
    added: set[int] = set()
    for identity in earlier.keys() | later.keys():
        old, new = earlier.get(identity, []), later.get(identity, [])
        if len(old) != len(new):
            matched = min(len(old), len(new))
            gone.update(_matches_first(before.findings, old, after.findings, new)[matched:])
            added.update(_matches_first(after.findings, new, before.findings, old)[matched:])
    return Difference(
        fixed=tuple(before.findings[position] for position in sorted(gone)),
        new=tuple(after.findings[position] for position in sorted(added)),
        left=tuple(finding for position, finding in enumerate(after.findings) if position not in added),
    )


def unlisted_findings(report: ScanReport) -> frozenset[tuple[Severity, bool]]:
    """Return which findings a report knows of and does not list: severity, and whether they have a fix."""
    hidden = report.hidden
    filtered = (severity for severity, number in hidden.filtered.items() if number)
    return frozenset(
        [
            *((severity, fixable) for severity in filtered for fixable in (True, False)),
            *((severity, False) for severity in hidden.unfixed),
        ]
    )


def _positions(findings: Sequence[Finding], *, known: bool) -> dict[FindingIdentity, list[int]]:
    positions: dict[FindingIdentity, list[int]] = defaultdict(list)
    name = identify if known else identify_roughly
    for position, finding in enumerate(findings):
        positions[name(finding)].append(position)
    return positions


def _matches_first(
    findings: Sequence[Finding], positions: list[int], others: Sequence[Finding], at: list[int]
) -> list[int]:
    """Return the positions of findings, those first that are at a place where the others have one as well."""
    places = {_place(others[position]) for position in at}
    return sorted(positions, key=lambda position: _place(findings[position]) not in places)


def _place(finding: Finding) -> tuple[str, int, str]:
    return (finding.place, finding.line, finding.installed)
