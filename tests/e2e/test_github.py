"""A pull request's run under act, on the lab's images and GitHub's stand-in: comments, annotations, forks."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from s3c_lab.lab import Lab
from tests.contract.test_github_comments import texts
from tests.contract.test_github_forks import RUN, archive
from tests.contract.test_github_workflows import ended
from tests.e2e.test_actions import filled
from tests.support import act
from tests.support.github import events
from tests.support.github.server import GitHub
from tests.support.github.state import READ_ONLY, Artifact, Pull, Token

MATRIX = """
on: pull_request
jobs:
  image:
    runs-on: ubuntu-24.04
    strategy:
      fail-fast: false
      matrix:
        image: [APP, DATABASE]
    steps:
      - uses: actions/checkout@v7
      - uses: org/s3c/actions/scan@v1
        id: scan
        with:
          image: ${{ matrix.image }}
          fail-on: GATE
          comment: always
          trivy-cache-dir: TRIVY
          offline: true
          cache: false
"""
DOCKERFILE = "# the application\nFROM debian:12\nCOPY app /app\n"


@pytest.fixture
def run(lab: Lab, fresh: Callable[[str], str], github: GitHub, tmp_path: Path) -> Callable[..., act.Job]:
    """The run of a pull request over the lab's two images."""
    images = {"APP": fresh("voting-app"), "DATABASE": fresh("voting-db")}

    def go(pull: Pull, number: int, gate: str = "none") -> act.Job:
        return act.run(
            filled(MATRIX, lab, tmp_path, GATE=gate, **images),
            tmp_path / f"act-{number}-{gate}",
            files={"Dockerfile": DOCKERFILE},
            secrets={"GITHUB_TOKEN": "run-token"},
            environment=events.server(github, run=number),
            event="pull_request",
            payload=events.pull_request(github, pull),
        )

    return go


def names(github: GitHub) -> list[str]:
    """The images that comments are about."""
    return sorted(re.findall(r"^### . (\S+)", "\n".join(texts(github)), re.MULTILINE))


def test_each_leg_of_a_matrix_has_its_comment_and_keeps_it(github: GitHub, run: Callable[..., act.Job]) -> None:
    pull = github.state.pull(7)
    job = run(pull, 1)
    assert job.succeeded, job.log
    assert names(github) == ["voting-app", "voting-db"]
    assert "comment-artifact" not in job.log
    first = {comment.id: comment.body for comment in github.state.of(7)}
    # What can be patched is shown at the base image's line.
    warnings = [line for line in job.log.splitlines() if "::warning " in line]
    assert warnings
    assert all("file=Dockerfile" in line and "line=2" in line for line in warnings), warnings
    assert any("Fixed in" in line for line in warnings), warnings
    # The next push, whose gate is closed: the same two comments say so.
    pull.sha = "f" * 40
    job = run(pull, 2, "HIGH")
    assert not job.succeeded
    assert {comment.id for comment in github.state.of(7)} == set(first)
    assert all("### ❌" in body and "actions/runs/2" in body for body in texts(github))


def test_a_forks_verdict_stands_and_its_comment_comes_from_the_other_workflow(
    github: GitHub, run: Callable[..., act.Job], tmp_path: Path
) -> None:
    pull = github.state.pull(7, head_repository="mallory/shop")
    for gate, passes in (("none", True), ("HIGH", False)):
        github.state.tokens["run-token"] = Token(permissions=READ_ONLY)
        before = texts(github)
        job = run(pull, RUN, gate)
        assert job.succeeded is passes, job.log
        assert texts(github) == before
        assert "may only read" in job.log
        left = sorted((job.folder / "artifacts").iterdir())
        assert [sorted(file.name for file in folder.rglob("*")) for folder in left] == [
            ["result.json"],
            ["result.json"],
        ]
        github.state.artifacts = [
            Artifact(number, RUN, folder.name, archive((folder / "result.json").read_bytes()))
            for number, folder in enumerate(left, 1)
        ]
        github.state.tokens["run-token"] = Token()
        other = ended(github, pull, tmp_path / f"ended-{gate}")
        assert other.succeeded, other.log
        assert names(github) == ["voting-app", "voting-db"]
        # Without a gate it has the colour of the worst severity.
        assert all((body[4] in "🔴🟠🟡🔵⚪") if passes else body.startswith("### ❌") for body in texts(github))
        assert all("Made by a run for a fork or Dependabot" in body for body in texts(github))
    assert len(github.state.of(7)) == 2
