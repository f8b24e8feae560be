"""GitLab's Code Quality report, against what GitLab requires."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from s3c_actions.findings import trivy_report
from s3c_actions.report.formats import gitlab_codequality
from s3c_actions.report.rendering import Rendering
from tests.support import ROOT, gitlab_schema

DATA = ROOT / "tests" / "data" / "trivy"


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.name)
def test_every_recorded_report_is_what_gitlab_requires(path: Path) -> None:
    report = trivy_report.read(path)
    rows = json.loads(gitlab_codequality.render(report, Rendering()))
    gitlab_schema.CODE_QUALITY.validate(rows)
    assert len(rows) == len(report.findings)
    assert len({row["fingerprint"] for row in rows}) == len(rows)


def test_a_finding_stands_at_the_dockerfile() -> None:
    report = trivy_report.read(DATA / "debian.json")
    rendering = Rendering(dockerfile="my app/Dockerfile", dockerfile_text="# why\nFROM x\n")
    [location] = {json.dumps(row["location"]) for row in json.loads(gitlab_codequality.render(report, rendering))}
    assert json.loads(location) == {"path": "my app/Dockerfile", "lines": {"begin": 2}}
