"""`s3c report` on recorded reports: everything is rendered, gated and compared with no scan."""

import csv
import json
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.signing import s3c

REPORT = ROOT / "tests" / "data" / "trivy" / "deb.json"
NO_TRIVY = ("--trivy-path", "/bin/false")


def vulnerabilities(report):
    return [vulnerability for result in report["Results"] for vulnerability in result.get("Vulnerabilities", [])]


def test_every_report_comes_from_the_one_that_is_there(tmp_path):
    ended = s3c(tmp_path, "report", REPORT, "--format", "json,sarif,html,csv,table", *NO_TRIVY)
    assert ended.code == 0, ended.stderr
    total = len(vulnerabilities(json.loads(REPORT.read_text())))
    assert ended.image["findings"]["total"] == total > 0
    files = {form: Path(path) for form, path in ended.image["files"].items()}
    assert set(files) == {"json", "sarif", "html", "csv", "table"}
    assert len(json.loads(files["sarif"].read_text())["runs"][0]["results"]) == total
    with files["csv"].open(newline="") as lines:
        assert len([row for row in csv.DictReader(lines) if row["id"] and not row["suppressed"]]) == total


def test_the_gate_and_the_baseline(tmp_path):
    report = json.loads(REPORT.read_text())
    first = vulnerabilities(report)[0]["VulnerabilityID"]
    for result in report["Results"]:
        kept = [
            vulnerability
            for vulnerability in result.get("Vulnerabilities", [])
            if vulnerability["VulnerabilityID"] != first
        ]
        result |= {"Vulnerabilities": kept}
    baseline = tmp_path / "baseline.json"
    baseline.write_text(json.dumps(report))

    ended = s3c(tmp_path, "report", REPORT, "--baseline", baseline, "--fail-on", "UNKNOWN", *NO_TRIVY)
    assert ended.code == 1, ended.stderr
    assert {finding["id"] for finding in ended.image["scan"]["difference"]["new"]} == {first}
    assert "gate" in (tmp_path / "s3c-out" / "summary.md").read_text()

    ended = s3c(tmp_path, "report", REPORT, "--fail-on", "UNKNOWN", "--exit-code", "0", *NO_TRIVY)
    assert ended.code == 0, ended.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        (b"", "empty"),
        (b'{"SchemaVersion": 2, "Results": [', "cut off"),
        (b"\xff\xfe nonsense", "UTF-16"),
        (b"\xfa nonsense", "JSON"),
        (b'{"bomFormat": "CycloneDX"}', "Trivy"),
        (b'{"version": "2.1.0", "runs": []}', "Trivy"),
        (b"[]", "Trivy"),
    ],
)
def test_a_report_that_cannot_be_relied_on(tmp_path, content, says):
    path = tmp_path / "report.json"
    if content is not None:
        path.write_bytes(content)
    ended = s3c(tmp_path, "report", path, "--fail-on", "HIGH")
    assert ended.code == 2, ended.stderr
    assert ended.stderr.startswith("s3c report: report: ") and says in ended.stderr, ended.stderr
    assert not list((tmp_path / "s3c-out").glob("**/report.*"))
