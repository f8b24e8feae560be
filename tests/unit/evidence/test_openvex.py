import json
from datetime import UTC, datetime

from s3c_actions.core.reference import Reference
from s3c_actions.evidence import openvex
from s3c_actions.findings.model import Finding, FindingKind, Severity

IMAGE = Reference.parse("localhost:5000/team/app@sha256:" + "a" * 64)
NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)


def finding(name, purl="", kind=FindingKind.VULNERABILITY):
    return Finding(kind=kind, id=name, severity=Severity.HIGH, purl=purl)


def test_states_each_vulnerability_once_with_all_its_packages():
    fixed = [finding("CVE-1", "pkg:deb/b@1"), finding("CVE-1", "pkg:deb/a@1"), finding("CVE-1", "pkg:deb/a@1")]
    document = json.loads(openvex.render_openvex(IMAGE, fixed, NOW, "1.0.0"))
    (statement,) = document["statements"]
    assert document["@context"] == "https://openvex.dev/ns/v0.2.0"
    assert document["timestamp"] == "2026-11-23T07:00:00+00:00"
    assert statement["vulnerability"] == {"name": "CVE-1"} and statement["status"] == "fixed"
    (product,) = statement["products"]
    assert product["@id"] == ("pkg:oci/app@sha256%3A" + "a" * 64 + "?repository_url=localhost%3A5000%2Fteam%2Fapp")
    assert [component["@id"] for component in product["subcomponents"]] == ["pkg:deb/a@1", "pkg:deb/b@1"]


def test_states_vulnerabilities_only():
    document = json.loads(openvex.render_openvex(IMAGE, [finding("aws-key", kind=FindingKind.SECRET)], NOW, "1.0.0"))
    assert document["statements"] == []
