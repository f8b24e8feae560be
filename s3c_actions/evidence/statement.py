"""What a signed report says of itself: which image, when, with what, and by which policy it was judged.

It stands in the SARIF report (`runs[].properties.s3c`), because only what is in the report is signed. The cluster reads
it (policy/evidence.rego), and so does `s3c policy check`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from s3c_actions.findings.model import Content, Finding, ScanReport, Severity
from s3c_actions.findings.scope import Scope
from s3c_actions.findings.threshold import Gate
from s3c_actions.report.render import escape

VERSION = 2
PREVIOUS_VERSION = 1
"""States no scope. A policy says until when it still counts."""
MOST_CONTENTS = 20


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What is stated beside the findings of one scan.

    Attributes:
        subject: digest that the report is attached to: the image's, or that of the index it belongs to.
        gate: by which it was judged.
        blind: why findings that are not there mean nothing; empty when everything could be looked at.
        policy: digest of the policy file, empty when there was none.
        packages, licenses: what that file refuses, as it says it.
        contents: of that, what the image has; None when nobody looked.
        sbom: digest of the manifest of the SBOM attached beside it, empty when none is.
        scope: how much was scanned; with None nothing is stated to have been, which every policy refuses.
        uncovered: how many packages come from sources that publish no advisories; None when nobody counted, and then
            the statement cannot be read.
        unscanned: what the run that judged it made of `blind`: `fail`, or `warn` when a person accepted it.
    """

    subject: str
    gate: Gate
    blind: str
    policy: str
    packages: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    contents: tuple[Content, ...] | None = None
    sbom: str = ""
    scope: Scope | None = None
    uncovered: int | None = None
    unscanned: str = "fail"

    def counted(self, report: ScanReport) -> list[Finding]:
        """What a report for the cluster lists: all that the policy minds, what it refuses first."""
        minded = [finding for finding in report.findings if self.gate.minds(finding)]
        return sorted(minded, key=lambda finding: not self.gate.refuses(finding))

    def facts(self, report: ScanReport, omitted: int = 0) -> dict[str, Any]:
        """The statement about one scan, as JSON values.

        Args:
            report: all that was found.
            omitted: how many of `counted` did not fit in.
        """
        refused = self.gate.refused(report.findings)
        unknown = self.contents is None and bool(self.packages or self.licenses)
        closed = bool(refused or self.contents or unknown or self._closed_by_blindness())
        return {
            "version": VERSION,
            "subject": self.subject,
            "image": report.digest,
            "platform": escape.line(report.platform, 100),
            "created": stamp(report.created),
            "scanner": f"trivy {escape.line(report.scanner_version, 50)}".strip(),
            "database": stamp(report.database),
            "blind": escape.line(self.blind, 500),
            "unscanned": self.unscanned,
            "uncovered": self.uncovered,
            "scope": stated_scope(self.scope),
            "verdict": "refused" if closed else "passed",
            "refused": len(refused),
            "omitted": omitted,
            "contents": [
                {"kind": one.kind, "by": one.by, "text": escape.line(one.text, 200)} for one in self._some_contents()
            ],
            "sbom": self.sbom,
            "policy": self._policy(),
        }

    def _closed_by_blindness(self) -> bool:
        return bool(self.blind) and self.gate.closes and self.unscanned != "warn"

    def _some_contents(self) -> list[Content]:
        """A few for each entry of the policy: one is enough to refuse the image, and a report has to stay small."""
        some: dict[str, list[Content]] = {}
        for one in self.contents or ():
            some.setdefault(one.by, []).append(one)
        return [one for listed in some.values() for one in listed[:MOST_CONTENTS]]

    def _policy(self) -> dict[str, Any]:
        gate = self.gate
        severities = [
            one.name
            for one in sorted(Severity, reverse=True)
            if (one in gate.refuse if gate.refuse is not None else gate.fail_on is not None and one >= gate.fail_on)
        ]
        return {
            "digest": self.policy,
            "refuse": severities,
            "fixable-only": gate.fixable_only,
            "deny": sorted(gate.deny),
            "packages": list(self.packages),
            "licenses": list(self.licenses),
            "exceptions": [
                {"id": one.id, "package": one.package, "until": one.until, "why": one.why, "who": one.who}
                for one in gate.exemptions
            ],
        }

    def finding(self, finding: Finding) -> dict[str, Any]:
        """What is judged of one finding, as JSON values."""
        facts: dict[str, Any] = {
            "id": escape.line(finding.id, 300),
            "severity": finding.severity.name,
            "package": escape.line(finding.package, 300),
            "installed": escape.line(finding.installed, 200),
            "fixed": escape.line(finding.fixed, 200),
            "fixable": finding.fixable,
            "suppressed": bool(finding.suppressed),
        }
        return facts | {"verdict": "refused" if self.gate.refuses(finding) else "accepted"}

    def accepted(self, finding: Finding) -> str:
        """Why the policy lets pass for a while what it would refuse; empty when it does not."""
        for one in self.gate.excusing(finding):
            if one.ends > self.gate.now:
                return f"Accepted until {one.until} by {escape.line(one.who, 200)}: {escape.line(one.why, 700)}"
        return ""


def stated_scope(scope: Scope | None) -> dict[str, Any]:
    """How much was scanned, as JSON values; of None, that nothing was."""
    if scope is None:
        scope = _NOTHING
    return {
        "scanners": list(scope.scanners),
        "pkg-types": list(scope.pkg_types),
        "platforms": [escape.line(one, 100) for one in scope.platforms],
        "skip-dirs": [escape.line(one, 300) for one in scope.skip_dirs],
        "skip-files": [escape.line(one, 300) for one in scope.skip_files],
        "files": [{"kind": one.kind, "path": escape.line(one.path, 300), "sha256": one.sha256} for one in scope.files],
        "stated": scope.stated,
    }


_NOTHING = Scope(scanners=(), pkg_types=(), platforms=(), skip_dirs=(), skip_files=(), files=(), stated=False)


def stamp(text: str) -> str:
    """An RFC 3339 time in UTC and whole seconds, the one form that is judged; empty when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    if moment.tzinfo is None:
        return ""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
