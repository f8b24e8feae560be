"""The statement of a signed report: which image, when, with what, and by which policy it was judged.

It is part of the SARIF report (`runs[].properties.s3c`), because only the report's content is signed. The cluster reads
it (policy/evidence.rego), and so does `s3c policy check`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from s3c_actions.findings.model import Finding, ForbiddenContent, ScanReport, Severity
from s3c_actions.findings.scope import Scope
from s3c_actions.findings.threshold import Threshold
from s3c_actions.report.render import escape

VERSION = 2
PREVIOUS_VERSION = 1
"""It states no scope. A policy says until when it is accepted."""
MAX_CONTENTS = 20


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """The facts stated beside the findings of one scan.

    Attributes:
        subject: digest that the report is attached to: the image's, or that of the index it belongs to.
        gate: the threshold by which it was judged.
        blind: why missing findings prove nothing; empty when everything could be scanned.
        policy: digest of the policy file, empty when there was none.
        packages, licenses: rejected by that file, as written there.
        contents: of those, what the image contains; None when it was not determined.
        sbom: digest of the manifest of the SBOM attached beside it, empty when none is.
        scope: how much was scanned; with None no scan is stated, which every policy rejects.
        uncovered: number of packages from sources that publish no advisories; None when not counted, and then the
            statement cannot be read.
        unscanned: how the run that judged it treated `blind`: `fail`, or `warn` when a person accepted it.
    """

    subject: str
    gate: Threshold
    blind: str
    policy: str
    packages: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    contents: tuple[ForbiddenContent, ...] | None = None
    sbom: str = ""
    scope: Scope | None = None
    uncovered: int | None = None
    unscanned: str = "fail"

    def counted(self, report: ScanReport) -> list[Finding]:
        """Return the findings of a report for the cluster: all that the policy matches, rejected ones first."""
        minded = [finding for finding in report.findings if self.gate.matches(finding)]
        return sorted(minded, key=lambda finding: not self.gate.rejects(finding))

    def facts(self, report: ScanReport, omitted: int = 0) -> dict[str, Any]:
        """Return the statement about one scan, as JSON values.

        Args:
            report: all findings.
            omitted: the number of `counted` that did not fit in.
        """
        refused = self.gate.refused(report.findings)
        unknown = self.contents is None and bool(self.packages or self.licenses)
        closed = bool(refused or self.contents or unknown or self._closed_by_blindness())
        return {
            "version": VERSION,
            "subject": self.subject,
            "image": report.digest,
            "platform": escape.line(report.platform, 100),
            "created": normalize_time(report.created),
            "scanner": f"trivy {escape.line(report.scanner_version, 50)}".strip(),
            "database": normalize_time(report.database),
            "blind": escape.line(self.blind, 500),
            "unscanned": self.unscanned,
            "uncovered": self.uncovered,
            "scope": scope_facts(self.scope),
            "verdict": "refused" if closed else "passed",
            "refused": len(refused),
            "omitted": omitted,
            "contents": [
                {"kind": content.kind, "by": content.by, "text": escape.line(content.text, 200)}
                for content in self._some_contents()
            ],
            "sbom": self.sbom,
            "policy": self._policy(),
        }

    def _closed_by_blindness(self) -> bool:
        return bool(self.blind) and self.gate.closes and self.unscanned != "warn"

    def _some_contents(self) -> list[ForbiddenContent]:
        """Return a few for each entry of the policy: one suffices to reject the image, and reports stay small."""
        some: dict[str, list[ForbiddenContent]] = {}
        for content in self.contents or ():
            some.setdefault(content.by, []).append(content)
        return [content for listed in some.values() for content in listed[:MAX_CONTENTS]]

    def _policy(self) -> dict[str, Any]:
        gate = self.gate
        severities = [
            severity.name
            for severity in sorted(Severity, reverse=True)
            if (
                severity in gate.refuse
                if gate.refuse is not None
                else gate.fail_on is not None and severity >= gate.fail_on
            )
        ]
        return {
            "digest": self.policy,
            "refuse": severities,
            "fixable-only": gate.fixable_only,
            "scope": "own" if gate.own_only else "all",
            "bases": [escape.line(base, 300) for base in gate.bases],
            "deny": sorted(gate.deny),
            "packages": list(self.packages),
            "licenses": list(self.licenses),
            "exceptions": [
                {
                    "id": exemption.id,
                    "package": exemption.package,
                    "until": exemption.until,
                    "why": exemption.why,
                    "who": exemption.who,
                }
                for exemption in gate.exemptions
            ],
        }

    def finding(self, finding: Finding) -> dict[str, Any]:
        """Return the judged facts of one finding, as JSON values."""
        facts: dict[str, Any] = {
            "id": escape.line(finding.id, 300),
            "severity": finding.severity.name,
            "package": escape.line(finding.package, 300),
            "installed": escape.line(finding.installed, 200),
            "fixed": escape.line(finding.fixed, 200),
            "fixable": finding.fixable,
            "suppressed": bool(finding.suppressed),
        }
        if finding.from_base:
            facts["base"] = True
        return facts | {"verdict": "refused" if self.gate.rejects(finding) else "accepted"}

    def accepted(self, finding: Finding) -> str:
        """Return why the policy temporarily accepts what it would reject; empty when it does not."""
        for exemption in self.gate.matching_exemptions(finding):
            if exemption.ends > self.gate.now:
                who, why = escape.line(exemption.who, 200), escape.line(exemption.why, 700)
                return f"Accepted until {exemption.until} by {who}: {why}"
        return ""


def scope_facts(scope: Scope | None) -> dict[str, Any]:
    """Return the scope of a scan as JSON values; for None, an empty scope."""
    if scope is None:
        scope = _NOTHING
    return {
        "scanners": list(scope.scanners),
        "pkg-types": list(scope.pkg_types),
        "platforms": [escape.line(platform, 100) for platform in scope.platforms],
        "skip-dirs": [escape.line(path, 300) for path in scope.skip_dirs],
        "skip-files": [escape.line(path, 300) for path in scope.skip_files],
        "files": [
            {"kind": file.kind, "path": escape.line(file.path, 300), "sha256": file.sha256} for file in scope.files
        ],
        "stated": scope.stated,
    }


_NOTHING = Scope(scanners=(), pkg_types=(), platforms=(), skip_dirs=(), skip_files=(), files=(), stated=False)


def normalize_time(text: str) -> str:
    """Return an RFC 3339 time in UTC and whole seconds, the only form that is judged; empty when it is invalid."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    if moment.tzinfo is None:
        return ""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
