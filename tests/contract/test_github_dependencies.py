"""Submitting an image's packages to GitHub's dependency graph, against GitHub's stand-in and its API description."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from s3c_actions.cli import run
from s3c_actions.core.errors import Exit
from s3c_actions.github import dependency_snapshot
from s3c_actions.github.errors import FailureKind, GitHubError
from s3c_actions.github.run import WorkflowRun
from s3c_actions.options.command import COMMANDS, load
from s3c_actions.options.report import FormatOptions
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.wiring.context import Context
from tests.contract.test_github_comments import EITHER, client
from tests.support import ROOT, outcomes
from tests.support.commands import FunctionCommand
from tests.support.github.server import GitHub
from tests.support.github.state import FULL, Token

RECORDED = ROOT / "tests" / "data" / "github" / "dependency-snapshot.json"
COMMIT = "4b6472266afd7b471e86085a6659e8c7f2b119da"
RUN = WorkflowRun(
    repository="octo/shop",
    workflow=".github/workflows/scan.yml",
    job="scan",
    id=42,
    sha=COMMIT,
    ref="refs/heads/main",
    url="https://github.com/octo/shop/actions/runs/42",
)


@pytest.fixture(autouse=True)
def may_write(github: GitHub) -> None:
    github.state.tokens["run-token"] = Token(permissions=FULL | {"contents:write"})


@EITHER
def test_a_snapshot_names_commit_job_and_image(github: GitHub) -> None:
    taken = dependency_snapshot.submit(client(github), RUN, RECORDED, "s3c/voting-app/linux-amd64")
    assert taken.result == "SUCCESS"
    ((detector, correlator),) = github.state.snapshots
    assert (detector, correlator) == ("trivy", ".github/workflows/scan.yml/scan/s3c/voting-app/linux-amd64")
    ((_, sent),) = github.state.snapshots.items()
    assert (sent["sha"], sent["ref"], sent["job"]["id"]) == (COMMIT, "refs/heads/main", "42")
    assert sent["manifests"] == json.loads(RECORDED.read_text())["manifests"]


def test_two_images_of_a_job_do_not_replace_each_other_and_a_later_run_does(github: GitHub) -> None:
    for image in ("a", "b", "a"):
        dependency_snapshot.submit(client(github), RUN, RECORDED, image)
    assert len(github.state.snapshots) == 2


def test_the_error_names_the_permission_that_a_token_lacks(github: GitHub) -> None:
    github.state.tokens["run-token"] = Token(permissions=FULL)
    with pytest.raises(GitHubError) as raised:
        dependency_snapshot.submit(client(github), RUN, RECORDED, "a")
    assert raised.value.trouble is FailureKind.PERMISSION
    assert "contents: write" in raised.value.remedy


def test_a_repository_without_the_graph(github: GitHub) -> None:
    github.state.dependency_graph = False
    with pytest.raises(GitHubError, match="could not be submitted"):
        dependency_snapshot.submit(client(github), RUN, RECORDED, "a")


def test_an_invalid_snapshot_is_no_success(github: GitHub, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(RECORDED.read_text().replace("pkg:deb", "deb"))
    with pytest.raises(GitHubError):
        dependency_snapshot.submit(client(github), RUN, wrong, "a")
    github.violations.clear()  # the description has the pattern too
    github.state.snapshot_result = "INVALID"
    with pytest.raises(GitHubError, match="not taken by GitHub"):
        dependency_snapshot.submit(client(github), RUN, RECORDED, "a")
    assert not github.state.snapshots


def test_an_answer_that_is_not_githubs(github: GitHub) -> None:
    github.fail("POST .*snapshots", 201, message="hello")
    with pytest.raises(GitHubError, match="not one of GitHub's"):
        dependency_snapshot.submit(client(github), RUN, RECORDED, "a")


# As a step


ARGUMENTS = {"scan": ("a:1",), "report": ("trivy.json",), "chain": ("a:1",)}
"""Command → what it is about."""
SUBMITTING = pytest.mark.parametrize("name", ARGUMENTS)


@pytest.fixture
def step(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Runs a command as a step, as it is declared; the snapshot is the recorded one, where it was asked for."""

    def go(name: str, *, token: str = "run-token", **inputs: str) -> tuple[int, str]:
        def do(options: FormatOptions, _context: Context) -> Outcome:
            scan = outcomes.scan(outcomes.report())
            files = {"github": RECORDED} if "github" in options.format else {}
            return Outcome(command=name, images=(ImageOutcome(image="a:1", scan=replace(scan, files=files)),))

        declared = load(name)
        command = FunctionCommand(
            name=name,
            help="",
            options=declared.options,
            function=do,
            comments=declared.comments,
            submits=declared.submits,
        )
        monkeypatch.setattr(run, "load", lambda _name: command)
        monkeypatch.chdir(tmp_path)
        out = io.StringIO()
        environment = {
            "HOME": str(tmp_path),
            **github.variables(token),
            "GITHUB_SHA": COMMIT,
            "GITHUB_REF": "refs/heads/main",
            **{f"S3C_{name.upper()}": text for name, text in inputs.items()},
        }
        return run.run(name, ARGUMENTS[name], environment, out, out), out.getvalue()

    return go


@SUBMITTING
def test_it_is_submitted_when_asked(github: GitHub, step: Callable[..., tuple[int, str]], name: str) -> None:
    assert step(name)[0] == Exit.DONE
    assert not github.call_lines("snapshots")
    code, log = step(name, submit_dependencies="true")
    assert code == Exit.DONE, log
    assert github.call_lines("POST .*snapshots → 201")


@SUBMITTING
def test_a_failure_is_reported_and_changes_no_verdict(
    github: GitHub, step: Callable[..., tuple[int, str]], name: str
) -> None:
    github.state.tokens["run-token"] = Token(permissions=FULL)
    code, log = step(name, submit_dependencies="true")
    assert code == Exit.DONE
    assert "could not be submitted" in log


@SUBMITTING
def test_without_a_token_the_warning_says_what_is_missing(step: Callable[..., tuple[int, str]], name: str) -> None:
    code, log = step(name, token="", submit_dependencies="true")
    assert code == Exit.DONE
    assert "there is no token for GitHub" in log


def test_what_submits_is_what_makes_a_report_of_the_image_in_the_end() -> None:
    assert {name for name in COMMANDS if load(name).submits} == {*ARGUMENTS}
