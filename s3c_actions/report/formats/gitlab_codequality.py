"""GitLab's Code Quality report, for `artifacts:reports:codequality`: findings in the merge request's widget and diff.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from s3c_actions.findings.identity import image_identity, number_occurrences
from s3c_actions.findings.model import ScanReport, Severity
from s3c_actions.report.formats.sarif import Places
from s3c_actions.report.formats.sentences import describe
from s3c_actions.report.render import escape

if TYPE_CHECKING:
    from s3c_actions.report.rendering import Rendering

_SEVERITIES = {
    Severity.CRITICAL: "blocker",
    Severity.HIGH: "critical",
    Severity.MEDIUM: "major",
    Severity.LOW: "minor",
    Severity.UNKNOWN: "info",
}


def render(report: ScanReport, rendering: Rendering) -> bytes:
    """Render the findings, each at the Dockerfile's line where that is known; what is suppressed is left out."""
    image, places = image_identity(report), Places(report, rendering)
    rows = []
    for finding, (identity, occurrence) in zip(report.findings, number_occurrences(report.findings), strict=True):
        place = places.of(finding)["physicalLocation"]
        rows.append(
            {
                "description": escape.line(describe(report, finding), 1000),
                "check_name": escape.line(finding.id) or "unnamed",
                "fingerprint": f"{identity.fingerprint(image)}:{occurrence}",
                "severity": _SEVERITIES[finding.severity],
                "location": {
                    "path": unquote(place["artifactLocation"]["uri"]),
                    "lines": {"begin": place["region"]["startLine"]},
                },
            }
        )
    return msgspec.json.format(msgspec.json.encode(rows), indent=1)
