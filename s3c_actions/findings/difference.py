"""What changed between two scans."""

from __future__ import annotations

import msgspec

from s3c_actions.findings.model import Finding, ScanReport


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
    """Compare two reports by each finding's key, so that a rebuild or a new installed version is no change."""
    earlier = {finding.key for finding in before.findings}
    later = {finding.key for finding in after.findings}
    return Difference(
        fixed=tuple(f for f in before.findings if f.key not in later),
        new=tuple(f for f in after.findings if f.key not in earlier),
        left=tuple(f for f in after.findings if f.key in earlier),
    )
