"""A fleet's findings in code scanning, against GitHub's stand-in and its API description."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from s3c_actions.fleet import plan as plans
from s3c_actions.github import code_scanning
from s3c_actions.result import document
from tests.contract.test_github_comments import EITHER
from tests.contract.test_github_uploads import COMMIT, MAIN
from tests.support import fleets
from tests.support.bare import ended
from tests.support.github.server import GitHub
from tests.support.github.state import FULL, Token

PLAN = fleets.plan(90, working=60)


RULE = {"id": "CVE-1", **{name: {"text": "t"} for name in ("shortDescription", "fullDescription", "help")}}


def sarif(category: str) -> str:
    place = {"physicalLocation": {"artifactLocation": {"uri": "Dockerfile"}}}
    run = {
        "tool": {"driver": {"name": "s3c", "rules": [RULE]}},
        "automationDetails": {"id": f"{category}/"},
        "results": [{"ruleId": "CVE-1", "message": {"text": category}, "locations": [place]}],
    }
    return json.dumps({"version": "2.1.0", "runs": [run]})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plan and its shards' results, each image with a report of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(code_scanning, "FIRST_PAUSE", 0.01)
    (tmp_path / "plan.json").write_bytes(plans.render(PLAN))
    for result in fleets.results(PLAN):
        shard = tmp_path / "shards" / str(result.shard)
        shard.mkdir(parents=True, exist_ok=True)
        text = document.render_document(result.document)
        number = 0
        while '"report.sarif"' in text:
            text = text.replace('"report.sarif"', f'"{number}.sarif"', 1)
            (shard / f"{number}.sarif").write_text(sarif(f"s3c/app-{result.shard}-{number}"))
            number += 1
        (shard / "result.json").write_text(text)
    return tmp_path


def report(folder: Path, github: GitHub, *flags: str) -> tuple[int, str]:
    environment = {**github.variables(), "GITHUB_SHA": COMMIT, "GITHUB_REF": MAIN}
    return ended(("fleet report", "--plan", "plan.json", "--results", "shards", *flags), folder, **environment)


@EITHER
def test_every_image_is_a_category_and_twenty_are_an_upload(folder: Path, github: GitHub) -> None:
    code = report(folder, github)[0]
    assert not github.call_lines("sarifs")
    assert report(folder, github, "--code-scanning")[0] == code
    reports = len(list((folder / "s3c-out" / "sarif").iterdir()))
    assert reports > 20
    assert len(github.call_lines("POST .*sarifs → 202")) == -(-reports // 20)
    assert len({category for alert in github.state.ingested for _, category in alert.places}) == reports
    assert {alert.state(MAIN) for alert in github.state.ingested} == {"open"}


def test_a_token_that_may_not_changes_no_verdict(folder: Path, github: GitHub) -> None:
    without = report(folder, github)[0]
    github.state.tokens["run-token"] = Token(permissions=FULL - {"security-events:write"})
    code, log = report(folder, github, "--code-scanning")
    assert code == without
    assert "Not every SARIF report is in code scanning." in log
    assert "security-events: write" in log


def test_what_code_scanning_refuses_is_reported(folder: Path, github: GitHub) -> None:
    for path in (folder / "shards").rglob("*.sarif"):
        path.write_text(path.read_text().replace('"fullDescription"', '"description"'))
    code, log = report(folder, github, "--code-scanning")
    assert code == report(folder, github)[0]
    assert "Code scanning refused" in log
    assert not github.state.ingested
