"""What changed between two scans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from s3c_actions.findings.identity import FindingIdentity, identify, identify_roughly
from s3c_actions.findings.model import Finding, ScanReport, rank_findings


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
    or n - m are fixed; left are those at the same place, as far as there are some.
    """
    # An older result.json has less of each finding; then the rest of it decides.
    known = all(finding.detail is not None for finding in before.findings)
    earlier, later = (_group_by_identity(report.findings, known=known) for report in (before, after))
    fixed: list[Finding] = []
    new: list[Finding] = []
    left: list[Finding] = []
    for identity in earlier.keys() | later.keys():
        gone, added = list(earlier.get(identity, ())), list(later.get(identity, ()))
        number = min(len(gone), len(added))
        if len(gone) != len(added):
            places_before, places_after = {_place(f) for f in gone}, {_place(f) for f in added}
            gone.sort(key=lambda finding: _place(finding) not in places_after)
            added.sort(key=lambda finding: _place(finding) not in places_before)
        left += added[:number]
        new += added[number:]
        fixed += gone[number:]
    return Difference(fixed=rank_findings(fixed), new=rank_findings(new), left=rank_findings(left))


def _group_by_identity(findings: Iterable[Finding], *, known: bool) -> dict[FindingIdentity, list[Finding]]:
    groups: dict[FindingIdentity, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[identify(finding) if known else identify_roughly(finding)].append(finding)
    return groups


def _place(finding: Finding) -> tuple[str, int, str]:
    return (finding.place, finding.line, finding.installed)
