"""The statement of a signed report: which image, when, with what, and by which policy it was judged.

It is part of the SARIF report (`runs[].properties.s3c`), because only the report's content is signed. The cluster reads
it (policy/evidence.rego), and so does `s3c policy check`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from s3c_actions.core.moments import format_moment, parse_moment
from s3c_actions.evidence.rest import describe_rest
from s3c_actions.findings.exploit_facts import epss_text, grace_start, is_exploited, knows_exploitation
from s3c_actions.findings.model import Finding, FindingKind, ForbiddenContent, ScanReport, Severity
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
        objected: whether rules of that file on the scan itself close the gate.
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
    objected: bool = False
    sbom: str = ""
    scope: Scope | None = None
    uncovered: int | None = None
    unscanned: str = "fail"

    def counted(self, report: ScanReport) -> list[Finding]:
        """Return the findings of a report for the cluster, the worst first.

        They are all that the policy matches, all that are known to be exploited, and those without a fix whose
        severity has a grace: that a report shows no fix today is what a grace may count from later.
        """
        gate = self.gate
        graced = {severity for severity, _ in gate.graces}
        counted = [
            finding
            for finding in report.findings
            if gate.matches(finding)
            or is_exploited(finding)
            or (finding.severity in graced and finding.kind is FindingKind.VULNERABILITY)
        ]
        return sorted(
            counted,
            key=lambda finding: (
                not gate.denies(finding),
                not gate.rejects(finding),
                not is_exploited(finding),
                not gate.matches(finding),
            ),
        )

    def facts(self, report: ScanReport, left_out: Sequence[Finding] = ()) -> dict[str, Any]:
        """Return the statement about one scan, as JSON values.

        Args:
            report: all findings.
            left_out: those of `counted` that did not fit in.
        """
        refused = self.gate.refused(report.findings)
        unknown = self.contents is None and bool(self.packages or self.licenses)
        closed = bool(refused or self.contents or self.objected or unknown or self._closed_by_blindness())
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
            "omitted": len(left_out),
            "rest": describe_rest(left_out, self.gate.deny),
            "contents": [
                {"kind": content.kind, "by": content.by, "text": escape.line(content.text, 200)}
                for content in self._some_contents()
            ],
            "sbom": self.sbom,
            "policy": {**self._policy(), "exploited": knows_exploitation(report)},
            **image_facts(report),
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
            or any(severity is graced for graced, _ in gate.graces)
        ]
        return {
            "digest": self.policy,
            "refuse": severities,
            "fixable-only": gate.fixable_only,
            "epss": gate.epss,
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
            **exploitation_facts(finding),
            "since": normalize_moment(grace_start(finding)) if self.gate.graces else "",
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


def image_facts(report: ScanReport) -> dict[str, Any]:
    """Return what a policy judges of an image besides its findings, as JSON values; empty texts are not known.

    The data on exploitation is stated only when every vulnerability was looked up in it.
    """
    data = report.exploitation_data if knows_exploitation(report) else None
    return {
        "os": escape.line(report.os, 100),
        "end-of-life": report.os_end_of_life,
        "base-created": normalize_time(report.base_created),
        "exploitation": {
            "kev": normalize_time(_with_zone(data.kev_released)) if data is not None else "",
            "epss": normalize_time(_with_zone(data.epss_date)) if data is not None else "",
        },
    }


def exploitation_facts(finding: Finding) -> dict[str, Any]:
    """Return whether a finding is exploited and how likely, as JSON values; null where that is not known.

    Nothing but a vulnerability is in the catalogue or has a score.
    """
    known = finding.exploitation is not None or finding.kind is not FindingKind.VULNERABILITY
    return {
        "exploited": is_exploited(finding) if known else None,
        "exploited-since": escape.line(finding.exploitation.since, 40) if finding.exploitation is not None else "",
        "epss": epss_text(finding) if known else None,
    }


def _with_zone(day: str) -> str:
    """Return a day as its first moment in UTC; a time as it is."""
    return f"{day}T00:00:00Z" if len(day) == 10 else day


def normalize_moment(moment: datetime | None) -> str:
    """Return a time as `normalize_time` does; empty for None."""
    return format_moment(moment) if moment is not None else ""


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
    return normalize_moment(parse_moment(text))
