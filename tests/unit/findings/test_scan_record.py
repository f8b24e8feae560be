"""What is known of a report that this program made, by the result beside it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from s3c_actions.cli import run
from s3c_actions.findings import scan_record
from s3c_actions.findings.model import Severity
from s3c_actions.findings.selection import mark_uncounted
from s3c_actions.result.model import ImageOutcome, Outcome
from tests.support import ROOT, outcomes

REPORT = (ROOT / "tests" / "data" / "trivy" / "debian.json").read_bytes()
SCANNED = outcomes.report(outcomes.vulnerability(1, Severity.HIGH))
EVERY = frozenset(Severity)


def record(path: Path, of: bytes, **changes: object) -> None:
    """Write the result of a scan that left this report."""
    scan = outcomes.scan(SCANNED, report_sha256=scan_record.checksum(of), **changes)
    outcome = Outcome(command="scan", images=(ImageOutcome(image=SCANNED.image, scan=scan),))
    path.write_text(json.dumps(to_builtins(outcomes.document(outcome))))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "out" / "app" / "trivy.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(REPORT)
    return path


@pytest.mark.parametrize("folder", [".", "..", "../.."])
def test_every_severity_of_our_own_report_was_counted(report: Path, folder: str) -> None:
    record(report.parent / folder / "result.json", REPORT)
    assert scan_record.counted_severities(report, REPORT) == EVERY


def test_what_the_scan_did_not_count_stays_unknown(report: Path) -> None:
    record(report.with_name("result.json"), REPORT, report=mark_uncounted(SCANNED))
    assert scan_record.counted_severities(report, REPORT) == {Severity.HIGH}


def test_a_platforms_report_and_one_after_a_patch_are_known_as_well(report: Path) -> None:
    own = outcomes.scan(SCANNED, report_sha256=scan_record.checksum(REPORT))
    index = replace(own, report_sha256="", parts=(own,))
    chain = outcomes.chain()
    assert chain.patch is not None
    patched = replace(chain, patch=replace(chain.patch, after=index))
    path = report.with_name("result.json")
    path.write_text(json.dumps(to_builtins(outcomes.document(Outcome(command="chain", images=(patched,))))))
    assert scan_record.counted_severities(report, REPORT) == EVERY


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"version": 1}',
        b'{"version": 1, "images": [{"scan": {"findings": {}, "report_sha256": ""}}]}',
        b'{"version": 1, "images": [{"scan": {"findings": {"hidden": {}}, "report_sha256": "%s"}}]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_another_file_of_that_name_tells_nothing(report: Path, content: bytes) -> None:
    report.with_name("result.json").write_bytes(content.replace(b"%s", scan_record.checksum(REPORT).encode()))
    assert scan_record.counted_severities(report, REPORT) == frozenset()


def test_a_report_that_was_filtered_since_is_another_one(report: Path) -> None:
    record(report.with_name("result.json"), REPORT)
    document = json.loads(REPORT)
    for result in document["Results"]:
        result["Vulnerabilities"] = [v for v in result.get("Vulnerabilities", ()) if v["Severity"] == "HIGH"]
    assert scan_record.counted_severities(report, json.dumps(document).encode()) == frozenset()
    assert scan_record.counted_severities(report, REPORT + b"\n") == frozenset()


def headline(folder: Path, *arguments: str) -> str:
    stderr = io.StringIO()
    code = run.run("report", [*arguments, "--output-dir", str(folder / "out")], {}, io.StringIO(), stderr)
    assert code == 0, stderr.getvalue()
    return (folder / "out" / "summary.md").read_text().splitlines()[0]


def test_the_headline_claims_what_is_recorded_and_no_more(report: Path, tmp_path: Path) -> None:
    foreign = headline(tmp_path / "foreign", str(report))
    assert foreign.endswith("295 findings (67 high, 228 medium; critical and low not known)")
    # The report of a report knows no more than that one, and it says which report that was.
    own = tmp_path / "foreign" / "out" / "result.json"
    assert json.loads(own.read_text())["images"][0]["scan"]["report_sha256"] == scan_record.checksum(REPORT)
    report.with_name("result.json").write_bytes(own.read_bytes())
    assert headline(tmp_path / "again", str(report)) == foreign
    record(report.with_name("result.json"), REPORT)
    assert headline(tmp_path / "own", str(report)).endswith("295 findings (67 high, 228 medium)")
