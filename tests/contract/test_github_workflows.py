"""The workflow that comments for forks, as docs/github.md shows it, under act and against GitHub's stand-in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.contract.test_github_comments import texts
from tests.contract.test_github_forks import RUN, archive, document
from tests.support import ROOT, act, samples
from tests.support.github import events
from tests.support.github.server import GitHub
from tests.support.github.state import Artifact, Pull

GUIDE = (ROOT / "docs" / "github.md").read_text()
(CALLER,) = (block for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if "workflow_run:" in block)


def ended(github: GitHub, pull: Pull, folder: Path, workflow: str = CALLER) -> act.Job:
    """The run of the caller's workflow when the one for a pull request ended."""
    return act.run(
        workflow,
        folder,
        event="workflow_run",
        payload=events.workflow_run(github, pull, run=RUN),
        secrets={"GITHUB_TOKEN": "run-token"},
        environment=events.server(github, run=500),
    )


def left(github: GitHub, *documents: bytes) -> None:
    """What the run for the fork left."""
    github.state.artifacts = [
        Artifact(number, RUN, f"s3c-comment-{number}", archive(data)) for number, data in enumerate(documents, 1)
    ]


def test_what_a_forks_run_left_becomes_a_comment(github: GitHub, tmp_path: Path) -> None:
    pull = github.state.pull(7, head_repository="mallory/shop")
    left(github, document(samples.outcome(samples.refused(), command="scan")))
    job = ended(github, pull, tmp_path / "first")
    assert job.succeeded, job.log
    (body,) = texts(github)
    assert body.startswith("### ❌")
    assert "Made by a run for a fork or Dependabot" in body
    assert f"{github.url}/octo/shop/actions/runs/{RUN}" in body
    # Nothing of the fork's was asked for but the artifact and the pull request.
    paths = [re.sub(r"\d+", "N", call.path) for call in github.calls]
    assert sorted(set(paths)) == [
        "/graphql",
        "/repos/octo/shop/actions/artifacts/N/zip",
        "/repos/octo/shop/actions/runs/N/artifacts",
        "/repos/octo/shop/issues/N/comments",
        "/repos/octo/shop/pulls",
    ]
    assert not (job.folder / "pwned").exists()
    # Its next run: what it left is hostile, the workflow fails, and the comment stays as it is.
    left(github, document().replace(b'"passed"', b'"<b>approved</b>"'))
    job = ended(github, pull, tmp_path / "second")
    assert not job.succeeded
    assert "are not accepted" in job.log
    assert "approved" not in job.log
    assert texts(github) == [body]


def test_a_run_that_may_comment_itself_costs_nothing(github: GitHub, tmp_path: Path) -> None:
    left(github, document())
    job = ended(github, github.state.pull(7), tmp_path / "own")
    assert job.succeeded, job.log
    assert github.calls == []
    job = ended(github, github.state.pull(8, branch="dependabot/pip/flask-3"), tmp_path / "dependabot")
    assert job.succeeded, job.log
    assert len(texts(github, 8)) == 1


def test_one_comment_of_everything_that_a_run_left(github: GitHub, tmp_path: Path) -> None:
    pull = github.state.pull(7, head_repository="mallory/shop")
    images: list[Any] = [samples.chained(), samples.refused()]
    left(github, *(document(samples.outcome(image, command="scan")) for image in images))
    merged = CALLER.rstrip() + "\n    with:\n      merge: true\n"
    job = ended(github, pull, tmp_path / "act", merged)
    assert job.succeeded, job.log
    assert len(texts(github)) == 1
