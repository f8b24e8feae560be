"""JUnit: what CI systems count, of a real report."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from s3c_actions.findings import trivy_report
from s3c_actions.findings.model import FindingKind, ScanReport, Severity
from s3c_actions.findings.selection import Selection, select
from s3c_actions.report.formats import junit
from s3c_actions.report.rendering import Rendering
from tests.support import ROOT
from tests.support.situations import EXPLOITED

DATA = ROOT / "tests" / "data" / "trivy"


@pytest.fixture
def debian() -> ScanReport:
    return trivy_report.read(DATA / "debian.json")


def parsed(report: ScanReport) -> ElementTree.Element:
    return ElementTree.fromstring(junit.render(report, Rendering()))


def test_each_finding_is_a_test_case_that_failed(debian: ScanReport) -> None:
    root = parsed(debian)
    assert root.tag == "testsuites"
    [suite] = root
    assert suite.attrib["name"] == debian.image
    assert suite.attrib["timestamp"] == debian.created[:19]
    assert [suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")] == ["295", "295", "0", "0"]
    assert len(suite.findall("testcase/failure")) == 295
    first = debian.findings[0]
    case = suite.findall("testcase")[0]
    assert case.attrib["name"] == f"[{first.severity.name}] {first.id} {first.package} {first.installed}"
    assert case[0].attrib["type"] == first.severity.name
    assert first.fixed in case[0].attrib["message"]


def test_what_is_set_aside_is_skipped_with_its_reason(debian: ScanReport) -> None:
    aside = replace(debian.findings[0], suppressed="not reachable")
    [suite] = parsed(replace(debian, findings=debian.findings[1:], suppressed=(aside,)))
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["skipped"]) == ("295", "294", "1")
    [skipped] = suite.findall("testcase/skipped")
    assert skipped.attrib["message"] == "not reachable"


def test_an_image_without_findings_is_a_test_that_passed(debian: ScanReport) -> None:
    [suite] = parsed(replace(debian, findings=()))
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("1", "0")
    [case] = suite.findall("testcase")
    assert (case.attrib["name"], len(case)) == ("nothing found", 0)


def test_findings_that_are_not_shown_are_no_test_that_passed(debian: ScanReport) -> None:
    [suite] = parsed(select(debian, Selection(severities=(Severity.CRITICAL,))))
    assert [suite.attrib[name] for name in ("tests", "failures", "skipped")] == ["1", "0", "1"]
    [skipped] = suite.findall("testcase/skipped")
    assert skipped.attrib["message"] == "67 high and 228 medium not shown"


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.name)
def test_every_recorded_report_is_rendered(path: Path) -> None:
    report = trivy_report.read(path)
    [suite] = parsed(report)
    assert len(suite.findall("testcase/failure")) == len(report.findings)


def test_a_secret_is_not_in_the_text(debian: ScanReport) -> None:
    secret = replace(debian.findings[0], kind=FindingKind.SECRET, description="AKIA-the-line", target="a.env")
    data = junit.render(replace(debian, findings=(secret,)), Rendering()).decode()
    assert ">AKIA" not in data


def test_what_is_exploited_comes_first_and_is_marked() -> None:
    failures = parsed(EXPLOITED).findall("testsuite/testcase/failure")
    assert (
        "Known to be exploited (CISA, 2026-11-22; due 2026-12-13; used for ransomware)."
        in failures[0].attrib["message"]
    )
    assert not any("exploited" in failure.attrib["message"] for failure in failures[1:])
