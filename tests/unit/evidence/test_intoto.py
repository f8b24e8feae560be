"""In-toto statements: each is read by the in-toto project's own library, and by what its predicate's text asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from msgspec.structs import replace

from s3c_actions.core.artifact_types import PREDICATES
from s3c_actions.core.reference import Reference
from s3c_actions.evidence import intoto
from s3c_actions.evidence.intoto import PatchFacts
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity
from s3c_actions.findings.threshold import Threshold
from tests.support.hostile import TEXTS

DIGEST = "sha256:" + 64 * "a"
SUBJECT = Reference.parse(f"localhost:5000/team/app@{DIGEST}")
ORIGINAL = Reference.parse("localhost:5000/team/app:1.4@sha256:" + 64 * "b")
FACTS = PatchFacts(
    original=ORIGINAL,
    tag="1.4-1",
    platforms=("linux/amd64",),
    upgraded={"libssl3": "3.0.13"},
    programs={"s3c": "1.0.0", "copa": "0.14.2", "trivy": "0.74.0"},
    database="2026-11-29T01:00:00.5Z",
    invocation="https://github.com/acme/app/actions/runs/7/attempts/1",
)
GATE = Threshold(Severity.HIGH, fixable_only=True)


def judged(content: bytes) -> Any:
    """The statement as in-toto's own library reads it; it raises on what is no statement, or has fields of its own."""
    read = statement_pb2.Statement()
    json_format.Parse(content, read)
    Statement.copy_from_pb(read).validate()
    return read


def finding(number: int, **more: Any) -> Finding:
    facts = {"package": "openssl", "installed": "1", "fixed": "2", "purl": f"pkg:deb/debian/openssl@{number}", **more}
    return Finding(
        **{"kind": FindingKind.VULNERABILITY, "id": f"CVE-2026-{number}", "severity": Severity.HIGH, **facts}
    )


def report(*findings: Finding, **more: Any) -> ScanReport:
    facts = {"image": "app", "digest": DIGEST, "created": "2026-11-29T12:00:00.5+01:00", "platform": "linux/amd64"}
    return ScanReport(
        **{**facts, "findings": findings, "database": "2026-11-29T01:00:00Z", "scanner_version": "0.74.0", **more}
    )


@pytest.mark.parametrize("kind", PREDICATES)
def test_every_statement_is_one_and_about_the_image(kind: str) -> None:
    statement = judged(intoto.render_statement(kind, SUBJECT, {"a": 1}))
    (subject,) = statement.subject
    assert (subject.name, dict(subject.digest)) == ("localhost:5000/team/app", {"sha256": 64 * "a"})
    assert statement.predicate_type == PREDICATES[kind]


def test_a_provenance_names_what_was_patched_and_by_what() -> None:
    predicate = intoto.provenance(FACTS)
    judged(intoto.render_statement("provenance", SUBJECT, predicate))
    read = json_format.ParseDict(predicate, provenance_pb2.Provenance())
    original, database = read.build_definition.resolved_dependencies
    assert dict(original.digest) == {"sha256": 64 * "b"}
    assert original.uri.startswith("pkg:oci/app@sha256%3Abbb")
    assert database.annotations["lastUpdate"] == "2026-11-29T01:00:00Z"
    assert read.build_definition.build_type == intoto.BUILD_TYPE
    assert read.build_definition.external_parameters["image"] == ORIGINAL.pinned
    assert read.build_definition.external_parameters["tag"] == "1.4-1"
    assert dict(read.run_details.builder.version) == dict(FACTS.programs)
    assert read.run_details.builder.id == intoto.LOCAL_BUILDER
    assert read.run_details.metadata.invocation_id == FACTS.invocation
    assert "metadata" not in intoto.provenance(replace(FACTS, invocation=""))["runDetails"]


@pytest.mark.parametrize("passed", [True, False])
def test_a_summary_says_what_the_gate_decided(passed: bool) -> None:
    predicate = intoto.verification_summary(
        SUBJECT, GATE, policy="sha256:" + 64 * "c", passed=passed, created="2026-11-29T11:00:00Z", version={"s3c": "1"}
    )
    assert predicate is not None
    judged(intoto.render_statement("vsa", SUBJECT, predicate))
    # The library has the message of version 1.0, without the verifier's version, and takes the levels for one text.
    assert predicate["verifier"]["version"] == {"s3c": "1"}
    # Of the image's build nothing was verified, and a refused image has no level.
    assert predicate["verifiedLevels"] == ["SLSA_BUILD_LEVEL_UNEVALUATED" if passed else "FAILED"]
    known = {**predicate, "verifiedLevels": predicate["verifiedLevels"][0]}
    summary = vsa_pb2.VerificationSummary()
    read = json_format.ParseDict(known, summary, ignore_unknown_fields=True)
    assert read.verification_result == ("PASSED" if passed else "FAILED")
    assert dict(read.policy.digest) == {"sha256": 64 * "c"}
    assert read.policy.uri
    assert read.verifier.id == intoto.VERIFIER
    assert read.resource_uri.startswith("pkg:oci/app@")


def test_a_summary_without_a_policy_file_names_the_threshold() -> None:
    predicate = intoto.verification_summary(SUBJECT, GATE, policy="", passed=True, created="", version={})
    assert predicate is not None
    assert predicate["policy"] == {"uri": "https://s3c.dev/threshold/1?fail-on=HIGH&fixable-only=true"}
    # A gate that refuses nothing has verified nothing.
    nothing = Threshold(None)
    assert intoto.verification_summary(SUBJECT, nothing, policy="", passed=True, created="", version={}) is None


def test_a_vulnerability_report_lists_everything_with_what_it_is_judged_by() -> None:
    scan = report(
        finding(1, score=9.8, vector="CVSS:3.1/AV:N", source="debian"),
        finding(2, kind=FindingKind.SECRET),
        suppressed=(finding(3, suppressed="VEX: not reached"),),
    )
    predicate = intoto.vulnerability_report([scan])
    assert predicate is not None
    judged(intoto.render_statement("intoto-vulns", SUBJECT, predicate))
    # Required by spec/predicates/vulns_02.md of in-toto/attestation.
    scanner = predicate["scanner"]
    assert scanner["uri"] == "pkg:github/aquasecurity/trivy@v0.74.0"
    assert scanner["db"]["lastUpdate"] == "2026-11-29T01:00:00Z"
    assert predicate["metadata"] == dict.fromkeys(("scanStartedOn", "scanFinishedOn"), "2026-11-29T11:00:00Z")
    first, set_aside = scanner["result"]
    assert first["severity"] == [{"method": "debian", "score": "HIGH"}, {"method": "CVSS:3.1", "score": "9.8"}]
    assert {"fixed": "2"} in first["annotations"]
    assert {"suppressed": "VEX: not reached"} in set_aside["annotations"]


def test_a_report_of_an_index_tells_the_platforms_apart_and_is_as_old_as_its_oldest_part() -> None:
    parts = [
        report(finding(1)),
        report(finding(1), platform="linux/arm64", database="2026-11-20T00:00:00Z", created="2026-11-20T12:00:00Z"),
    ]
    predicate = intoto.vulnerability_report(parts)
    assert predicate is not None
    platforms = [
        entry["platform"]
        for result in predicate["scanner"]["result"]
        for entry in result["annotations"]
        if "platform" in entry
    ]
    assert platforms == ["linux/amd64", "linux/arm64"]
    assert predicate["scanner"]["db"]["lastUpdate"] == "2026-11-20T00:00:00Z"
    assert predicate["metadata"]["scanStartedOn"] == "2026-11-20T12:00:00Z"


def test_a_report_without_the_date_of_its_database_states_nothing() -> None:
    assert intoto.vulnerability_report([report(finding(1)), report(database="")]) is None
    assert intoto.vulnerability_report([report(database="yesterday")]) is None


@TEXTS
def test_hostile_text_is_one_printable_line(text: str) -> None:
    scan = report(finding(1, package=text, installed=text, fixed=text, purl=text, suppressed=text, source=text))
    predicate = intoto.vulnerability_report([scan])
    assert predicate is not None
    content = intoto.render_statement("intoto-vulns", SUBJECT, predicate)
    judged(content)
    for value in _texts(json.loads(content)):
        assert value.isprintable()
    patched = intoto.provenance(replace(FACTS, upgraded={text: text}))
    for value in _texts(json.loads(intoto.render_statement("provenance", SUBJECT, patched))):
        assert value.isprintable()


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, part in value.items() for text in (key, *_texts(part))]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []
