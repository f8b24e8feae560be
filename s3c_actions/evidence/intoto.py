"""Render evidence as in-toto statements, which other tools read.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md (1.0). A statement is not wrapped in an envelope:
it is an OCI artifact of its own, and its manifest is signed by notation as every document beside an image is. The same
facts always give the same bytes, so that nothing is attached twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from s3c_actions.core.artifact_types import PREDICATES
from s3c_actions.core.reference import Reference
from s3c_actions.evidence.openvex import package_url
from s3c_actions.evidence.statement import normalize_time
from s3c_actions.findings.model import Finding, FindingKind, ScanReport
from s3c_actions.findings.threshold import Threshold
from s3c_actions.report.render import escape

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
BUILD_TYPE = "https://s3c.dev/build/patch/v1"
"""Of the provenance of a patch, with the parameters of `PatchFacts`."""
LOCAL_BUILDER = "https://s3c.dev/builder/local"
"""Builder of a patch that was made outside GitHub Actions: nothing is known of the machine."""
VERIFIER = "https://s3c.dev/verifier/v1"
UNEVALUATED = "SLSA_BUILD_LEVEL_UNEVALUATED"
"""A passed policy says nothing about the build of the image."""
_DATABASE = "pkg:github/aquasecurity/trivy-db"


class PatchFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the provenance of a patch states.

    Attributes:
        original: the image that was patched, pinned.
        tag: that the patched image got.
        platforms: that were patched, of an image of several.
        upgraded: package → the version now installed.
        programs: name → version of the programs that made and proved it.
        database: RFC 3339 time of the vulnerability database, empty when unknown.
        builder: URI of the build platform.
        invocation: identifies the run on it, empty when unknown.
    """

    original: Reference
    tag: str
    platforms: tuple[str, ...] = ()
    upgraded: Mapping[str, str] = msgspec.field(default_factory=dict)
    programs: Mapping[str, str] = msgspec.field(default_factory=dict)
    database: str = ""
    builder: str = LOCAL_BUILDER
    invocation: str = ""


def render_statement(kind: str, subject: Reference, predicate: Mapping[str, Any]) -> bytes:
    """Return an in-toto statement about an image, as JSON.

    Args:
        kind: a key of `artifact_types.PREDICATES`.
        subject: the image, pinned.
        predicate: of that type.
    """
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject.name, "digest": _digest_set(subject.digest)}],
        "predicateType": PREDICATES[kind],
        "predicate": predicate,
    }
    return json.dumps(statement, indent=1, ensure_ascii=False).encode("utf-8", "replace")


def vulnerability_report(reports: Sequence[ScanReport]) -> dict[str, Any] | None:
    """Return the predicate of a vulnerability report (in-toto vulns 0.2), with everything that was found.

    A finding that was set aside is in it, too, with the reason: whoever reads it decides by rules of their own.

    Args:
        reports: of an image, or of each platform of an index.

    Returns:
        The predicate; None when the date of a report's vulnerability database is not known, which it has to state.
    """
    databases = [normalize_time(report.database) for report in reports]
    if not all(databases):
        return None
    several = len(reports) > 1
    version = next((escape.line(report.scanner_version, 50) for report in reports if report.scanner_version), "")
    created = [normalize_time(report.created) for report in reports]
    scanner: dict[str, Any] = {"uri": "pkg:github/aquasecurity/trivy" + (f"@v{version}" if version else "")}
    if version:
        scanner["version"] = version
    return {
        "scanner": {
            **scanner,
            "db": {"uri": _DATABASE, "lastUpdate": min(databases)},
            "result": [
                _result(finding, report.platform if several else "")
                for report in reports
                for finding in _vulnerabilities(report)
            ],
        },
        # A report tells one time alone.
        "metadata": {"scanStartedOn": min(created), "scanFinishedOn": max(created)},
    }


def _vulnerabilities(report: ScanReport) -> Iterable[Finding]:
    findings = (*report.findings, *report.suppressed)
    return (finding for finding in findings if finding.kind is FindingKind.VULNERABILITY)


def _result(finding: Finding, platform: str) -> dict[str, Any]:
    severity = [{"method": escape.line(finding.source, 50) or "trivy", "score": finding.severity.name}]
    if finding.score is not None:
        method = finding.vector.partition("/")[0] if finding.vector.startswith("CVSS:") else "CVSS"
        severity.append({"method": escape.line(method, 50), "score": f"{finding.score:g}"})
    facts = {
        "package": escape.line(finding.package, 300),
        "installed": escape.line(finding.installed, 200),
        "fixed": escape.line(finding.fixed, 200),
        "purl": escape.line(finding.purl, 500),
        "status": escape.line(finding.status, 50),
        "platform": escape.line(platform, 100),
        "suppressed": escape.line(finding.suppressed, 500),
    }
    return {
        "id": escape.line(finding.id, 300),
        "severity": severity,
        "annotations": [{key: text} for key, text in facts.items() if text],
    }


def provenance(facts: PatchFacts) -> dict[str, Any]:
    """Return the predicate of the provenance of a patch (SLSA 1.0 and later).

    It claims no level: who signs it says so of their own run.
    """
    dependencies: list[dict[str, Any]] = [
        {"name": "original", "uri": package_url(facts.original), "digest": _digest_set(facts.original.digest)}
    ]
    if facts.database:
        annotations = {"lastUpdate": normalize_time(facts.database)}
        dependencies.append({"name": "vulnerability-database", "uri": _DATABASE, "annotations": annotations})
    definition: dict[str, Any] = {
        "buildType": BUILD_TYPE,
        "externalParameters": {"image": facts.original.pinned, "tag": facts.tag},
        "internalParameters": {
            "platforms": list(facts.platforms),
            "upgraded": {escape.line(name, 300): escape.line(facts.upgraded[name], 200) for name in facts.upgraded},
        },
        "resolvedDependencies": dependencies,
    }
    details: dict[str, Any] = {"builder": {"id": facts.builder, "version": dict(sorted(facts.programs.items()))}}
    if facts.invocation:
        details["metadata"] = {"invocationId": facts.invocation}
    return {"buildDefinition": definition, "runDetails": details}


def verification_summary(
    subject: Reference, gate: Threshold, *, policy: str, passed: bool, created: str, version: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return the predicate of a verification summary (SLSA VSA 1.1): what the gate decided about an image.

    Args:
        subject: the image, pinned.
        gate: the threshold that decided.
        policy: digest (`sha256:…`) of the policy file it comes from, empty without one.
        passed: the verdict.
        created: RFC 3339 time of the scan that it is about; the gate decided not before.
        version: program → version.

    Returns:
        The predicate; None for a gate that refuses nothing.
    """
    if not gate.closes:
        return None
    return {
        "verifier": {"id": VERIFIER, "version": dict(sorted(version.items()))},
        "timeVerified": created,
        "resourceUri": package_url(subject),
        "policy": {"uri": _policy_uri(gate, policy), **({"digest": _digest_set(policy)} if policy else {})},
        "verificationResult": "PASSED" if passed else "FAILED",
        "verifiedLevels": [UNEVALUATED if passed else "FAILED"],
        "slsaVersion": "1.1",
    }


def _policy_uri(gate: Threshold, policy: str) -> str:
    if policy:
        return "https://s3c.dev/policy/1"
    lowest = gate.fail_on.name if gate.fail_on is not None else "none"
    return f"https://s3c.dev/threshold/1?fail-on={lowest}&fixable-only={str(gate.fixable_only).lower()}"


def _digest_set(digest: str) -> dict[str, str]:
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}
