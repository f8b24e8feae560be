"""GitLab's container scanning report, against what GitLab requires."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.findings import trivy_report
from s3c_actions.findings.model import FindingKind, ScanReport
from s3c_actions.report.formats import gitlab
from s3c_actions.report.rendering import Rendering
from tests.support import ROOT, gitlab_schema

DATA = ROOT / "tests" / "data" / "trivy"


@pytest.fixture
def debian() -> ScanReport:
    return trivy_report.read(DATA / "debian.json")


def rendered(report: ScanReport) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(gitlab.render(report, Rendering()))
    gitlab_schema.CONTAINER_SCANNING.validate(document)
    return document


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.name)
def test_every_recorded_report_is_what_gitlab_requires(path: Path) -> None:
    report = trivy_report.read(path)
    document = rendered(report)
    vulnerabilities = [finding for finding in report.findings if finding.kind is FindingKind.VULNERABILITY]
    assert [row["identifiers"][0]["value"] for row in document["vulnerabilities"]] == [
        finding.id for finding in vulnerabilities
    ]
    others = len(report.findings) - len(vulnerabilities)
    assert any(text["value"].startswith(f"{others} ") for text in document["scan"]["messages"]) is (others > 0)


def test_an_id_stays_when_the_tag_and_the_version_change(debian: ScanReport) -> None:
    before = rendered(debian)["vulnerabilities"]
    moved = replace(
        debian,
        image=debian.image.replace(":15.0", ":16.0"),
        findings=tuple(replace(finding, installed="9") for finding in debian.findings),
    )
    assert {row["id"] for row in rendered(moved)["vulnerabilities"]} == {row["id"] for row in before}
    assert len({row["id"] for row in before}) == len(before)


def test_what_is_set_aside_is_left_out_and_counted(debian: ScanReport) -> None:
    aside = replace(debian.findings[0], suppressed="not reachable")
    document = rendered(replace(debian, findings=debian.findings[1:], suppressed=(aside,)))
    assert len(document["vulnerabilities"]) == 294
    [message] = document["scan"]["messages"]
    assert message["value"].startswith("1 finding set aside")


def test_weaknesses_and_the_vector_are_named(debian: ScanReport) -> None:
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    finding = replace(debian.findings[0], cwes=("CWE-79", "odd"), vector=vector, source="debian")
    [row] = rendered(replace(debian, findings=(finding,)))["vulnerabilities"]
    assert row["cvss_vectors"] == [{"vendor": "debian", "vector": vector}]
    assert [identifier["value"] for identifier in row["identifiers"]] == [finding.id, "79"]
    [row] = rendered(replace(debian, findings=(replace(finding, vector="CVSS:4.0/AV:N"),)))["vulnerabilities"]
    assert "cvss_vectors" not in row
