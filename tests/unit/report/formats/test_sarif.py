"""SARIF as code scanning keeps its alerts by: identity, severity, place, category and limits."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from s3c_actions.findings import trivy_report
from s3c_actions.findings.model import Finding, FindingKind, Severity
from s3c_actions.report.formats import sarif
from s3c_actions.report.formats.size_budget import PackedSize
from s3c_actions.report.rendering import Rendering
from tests.support import outcomes, reports
from tests.support.situations import EXPLOITED, MIXED


def run(data: bytes, rendering: Rendering | None = None) -> dict[str, Any]:
    log = json.loads(sarif.render(trivy_report.parse(data), rendering or Rendering()))
    (only,) = log["runs"]
    assert isinstance(only, dict)
    return only


def marks(data: bytes) -> list[str]:
    return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run(data)["results"]]


def test_alerts_survive_a_new_tag_a_rebuild_and_another_version() -> None:
    before = reports.SHAPES["alpine"]
    retagged = before.replace(b"web:3", b"web:4-rc.1")
    rebuilt = before.replace(reports.DIFF_IDS[0].encode(), b"sha256:" + b"f" * 64).replace(b"3.3.1-r0", b"3.3.1-r00")
    assert marks(before) == marks(retagged) == marks(rebuilt)


def test_alerts_differ_between_images_and_between_findings() -> None:
    before = reports.SHAPES["alpine"]
    other = before.replace(b"localhost:5000/web", b"localhost:5000/api")
    assert not set(marks(before)) & set(marks(other))
    large = marks(reports.large(500))
    assert len(set(large)) == len(large)


def test_the_same_finding_twice_gets_two_marks() -> None:
    data = json.loads(reports.SHAPES["npm"])
    data["Results"][0]["Vulnerabilities"] *= 2
    first, second = marks(json.dumps(data).encode())
    assert first.removesuffix(":1") == second.removesuffix(":2")


def test_category_is_the_images_repository_and_platform_without_its_tag() -> None:
    ids = {
        run(data)["automationDetails"]["id"]
        for data in (reports.SHAPES["alpine"], reports.SHAPES["alpine"].replace(b"web:3", b"web:4"))
    }
    assert ids == {"s3c/localhost:5000/web/linux-amd64/"}
    assert run(reports.SHAPES["npm"], Rendering(category="mine"))["automationDetails"]["id"] == "mine/"
    arm = reports.SHAPES["alpine"].replace(b'"amd64"', b'"arm64"')
    assert run(arm)["automationDetails"]["id"] not in ids


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("score", [None, 0.0, 3.9, 4.0, 6.9, 7.0, 8.9, 9.0, 9.1, 10.0])
def test_githubs_label_is_trivys_severity(severity: Severity, score: float | None) -> None:
    value = float(
        sarif.security_severity(Finding(kind=FindingKind.VULNERABILITY, id="x", severity=severity, score=score))
    )
    label = (
        Severity.CRITICAL
        if value > 9.0
        else Severity.HIGH
        if value >= 7.0
        else Severity.MEDIUM
        if value >= 4.0
        else Severity.LOW
        if value >= 0.1
        else Severity.UNKNOWN
    )
    assert label is severity


def test_the_cvss_score_is_kept_where_it_agrees() -> None:
    assert sarif.security_severity(outcomes.vulnerability(1, Severity.HIGH, score=7.3)) == "7.3"


def test_suppressed_findings_are_there_with_their_reason() -> None:
    (result,) = run(reports.SHAPES["suppressed"])["results"]
    (suppression,) = result["suppressions"]
    assert suppression["justification"] == "vulnerable_code_not_in_execute_path (vex.json)"
    assert suppression["status"] == "accepted"


def test_a_finding_is_shown_at_the_line_that_brought_its_layer() -> None:
    rendering = Rendering(dockerfile="web/Dockerfile", dockerfile_text="FROM debian:12\nRUN step 7\nRUN step 8\n")
    data = json.loads(reports.SHAPES["alpine"])
    base, top = data["Results"][0]["Vulnerabilities"]
    top["Layer"]["DiffID"] = reports.DIFF_IDS[7]
    places = [
        (place["artifactLocation"]["uri"], place["region"]["startLine"])
        for result in run(json.dumps(data).encode(), rendering)["results"]
        for place in [result["locations"][0]["physicalLocation"]]
    ]
    assert base["Layer"]["DiffID"] == reports.DIFF_IDS[0]
    assert places == [("web/Dockerfile", 1), ("web/Dockerfile", 3)]


def test_a_filesystem_scan_points_at_its_files() -> None:
    scan = reports.image([{"Target": "deploy/app.conf", "Class": "secret", "Secrets": [
        {"RuleID": "aws", "Severity": "CRITICAL", "Title": "key", "StartLine": 7, "EndLine": 9, "Match": "a = ****"}]}],
        ArtifactType="filesystem",
    )  # fmt: skip
    place = run(scan, Rendering(dockerfile="Dockerfile"))["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "deploy/app.conf"
    assert (place["region"]["startLine"], place["region"]["endLine"]) == (7, 9)


NOWHERE = ("", ".", "./", "/", "//h/x", "C:\\src", "../up", "file:///x", "https://h/x", "git::https://h/x?ref=1")


@pytest.mark.parametrize("name", NOWHERE)
@pytest.mark.parametrize("kind", ["filesystem", "repository", "vm", "container_image"])
def test_no_place_is_empty_absolute_or_outside(name: str, kind: str) -> None:
    for target in NOWHERE:
        for uri in uris_of_findings(name, kind, target):
            split = urlsplit(uri)
            assert (split.scheme, split.netloc) == ("", ""), target
            assert split.path, target
            assert not split.path.startswith("/"), target
            assert not {"..", ".", ""} & set(split.path.split("/")), target


def uris_of_findings(name: str, kind: str, target: str) -> list[str]:
    """The places of one finding of each kind in a report of that name and kind."""
    results = [
        {"Target": target, "Class": class_, "Type": "debian", list_: [finding | {"Severity": "HIGH"}]}
        for class_, list_, finding in (
            ("os-pkgs", "Vulnerabilities", {"VulnerabilityID": "CVE-1", "PkgName": "a"}),
            ("lang-pkgs", "Vulnerabilities", {"VulnerabilityID": "CVE-1", "PkgName": "b"}),
            ("lang-pkgs", "Vulnerabilities", {"VulnerabilityID": "CVE-1", "PkgName": "b", "PkgPath": target}),
            ("config", "Misconfigurations", {"ID": "DS001", "Status": "FAIL"}),
            ("secret", "Secrets", {"RuleID": "aws"}),
            ("license", "Licenses", {"Name": "GPL", "FilePath": target}),
        )
    ]
    data = reports.image(results, ArtifactName=name, ArtifactType=kind, Metadata={})
    written = run(data)
    uris = [place["physicalLocation"]["artifactLocation"]["uri"]
            for result in written["results"] for place in result["locations"]]  # fmt: skip
    assert len(uris) == 6
    return uris


def test_cvss_and_the_images_names_are_there_as_in_trivys_own_sarif() -> None:
    data = json.loads(reports.SHAPES["alpine"])
    first = data["Results"][0]["Vulnerabilities"][0]
    first["CVSS"] = {
        "nvd": {"V3Vector": "CVSS:3.1/AV:N", "V3Score": 7.5, "V2Vector": "AV:N/AC:L", "V2Score": 5.0},
    }
    data["Metadata"]["RepoTags"] = ["localhost:5000/web:3"]
    written = run(json.dumps(data).encode())
    rules = {rule["id"]: rule["properties"] for rule in written["tool"]["driver"]["rules"]}
    assert {name: value for name, value in rules[first["VulnerabilityID"]].items() if name.startswith("cvss")} == {
        "cvssv3_vector": "CVSS:3.1/AV:N", "cvssv3_baseScore": 7.5, "cvssv2_vector": "AV:N/AC:L", "cvssv2_score": 5.0,
    }  # fmt: skip
    assert not [name for name in rules[data["Results"][0]["Vulnerabilities"][1]["VulnerabilityID"]] if "cvss" in name]
    facts = written["properties"]
    assert (facts["imageName"], facts["imageID"]) == ("localhost:5000/web:3", data["Metadata"]["ImageID"])
    assert (facts["repoTags"], facts["repoDigests"]) == (["localhost:5000/web:3"], data["Metadata"]["RepoDigests"])
    first["CVSS"] = {"ghsa": {"V40Vector": "CVSS:4.0/AV:N", "V40Score": 8.7}}
    rule = run(json.dumps(data).encode())["tool"]["driver"]["rules"][0]["properties"]
    assert (rule["cvssv40_vector"], rule["cvssv40_baseScore"]) == ("CVSS:4.0/AV:N", 8.7)


@pytest.mark.slow
def test_over_the_limit_the_least_severe_are_left_out_and_counted() -> None:
    parsed = trivy_report.parse(reports.large(30_000))
    only = run(reports.large(30_000))
    assert len(only["results"]) == sarif.MAX_RESULTS
    assert only["properties"]["omitted"] == 5_000
    assert only["properties"]["findings"] == {s.name.lower(): n for s, n in parsed.counts.items()}
    notices = [notification["message"]["text"] for notification in only["invocations"][0]["toolExecutionNotifications"]]
    assert notices[0].startswith("5,000 of the least severe findings")
    assert "5,000 most severe of these 25,000" in notices[1]
    kept = {result["level"] for result in only["results"][-1:]}
    assert kept == {"note"}


@pytest.mark.slow
def test_a_file_too_large_to_upload_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_BYTES", 20_000)
    only = run(reports.large(2_000))
    assert 0 < len(only["results"]) < 2_000
    assert only["properties"]["omitted"] == 2_000 - len(only["results"])


@pytest.mark.parametrize(
    "size", [0, 1_000, *(pytest.param(size, marks=pytest.mark.slow) for size in (4_999_999, 12_000_000))]
)
def test_the_size_of_an_upload_is_never_estimated_too_small(size: int) -> None:
    text = b"".join(f"CVE-{number * number}, ".encode() for number in range(size // 10))
    with PackedSize() as packing:
        for start in range(0, len(text), 300_000):
            packing.add(text[start : start + 300_000])
        estimate = packing.size_of(b"{" + text + b"}")
    assert len(gzip.compress(b"{" + text + b"}")) - 20 <= estimate <= max(100, len(text) // 2)


def test_rules_are_the_worst_case_of_their_findings_and_say_so_first() -> None:
    data = json.loads(reports.SHAPES["alpine"])
    first, second = data["Results"][0]["Vulnerabilities"]
    second["VulnerabilityID"] = first["VulnerabilityID"]
    only = run(json.dumps(data).encode())
    (rule,) = only["tool"]["driver"]["rules"]
    assert rule["help"]["text"].startswith("Severity: HIGH\n")
    assert [result["level"] for result in only["results"]] == ["error", "warning"]
    assert only["tool"]["driver"]["name"] == "Trivy"


def test_results_have_what_is_known_of_attacks_and_the_exploited_come_first() -> None:
    (only,) = json.loads(sarif.render(EXPLOITED, Rendering()))["runs"]
    results = only["results"]
    assert [(result["ruleId"], result["properties"]) for result in results] == [
        (
            "CVE-2024-0003",
            {
                "knownExploited": True,
                "exploitedSince": "2026-11-22",
                "exploitedDue": "2026-12-13",
                "knownRansomware": True,
            },
        ),
        ("CVE-2024-0001", {"knownExploited": False, "epss": 0.00043}),
        ("CVE-2024-0002", {"knownExploited": False, "epss": 0.4121}),
        ("CVE-2024-0004", {"knownExploited": True, "exploitedSince": "2024-05-06"}),
    ]
    assert (
        "Known to be exploited (CISA, 2026-11-22; due 2026-12-13; used for ransomware)."
        in results[0]["message"]["text"]
    )
    tagged = [rule["id"] for rule in only["tool"]["driver"]["rules"] if "known-exploited" in rule["properties"]["tags"]]
    assert tagged == ["CVE-2024-0003", "CVE-2024-0004"]
    facts = only["properties"]
    assert (facts["kevReleased"], facts["epssDate"]) == ("2026-11-22T15:00:10Z", "2026-11-22")
    assert facts["exploited"] == 1


def test_the_facts_change_no_alert_and_without_them_there_are_none() -> None:
    with_facts, without = (json.loads(sarif.render(report, Rendering()))["runs"][0] for report in (EXPLOITED, MIXED))
    prints = [
        {result["ruleId"]: result["partialFingerprints"] for result in run["results"]} for run in (with_facts, without)
    ]
    assert prints[0] == prints[1]
    assert not any("properties" in result for result in without["results"])
    assert not {"kevReleased", "epssDate", "exploited"} & without["properties"].keys()
