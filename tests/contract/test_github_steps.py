"""What a step of a workflow does on GitHub, from its environment to the comment: against GitHub's stand-in."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from s3c_actions.cli import run
from s3c_actions.core.errors import Exit
from s3c_actions.options.command import load
from s3c_actions.options.common import OutputOptions
from s3c_actions.result.model import ImageOutcome, Outcome
from s3c_actions.wiring.context import Context
from tests.contract.test_github_comments import EITHER, texts
from tests.support import samples
from tests.support.commands import FunctionCommand
from tests.support.github import events
from tests.support.github.server import GitHub
from tests.support.github.state import READ_ONLY, Token
from tests.support.hostile import HOSTILE
from tests.unit.cli.test_run import outputs_of

APP, DATABASE = "localhost:5000/voting-app:1.0", "localhost:5000/voting-db:15"


@dataclass
class Ran:
    code: int
    log: str
    outputs: dict[str, str]


Step = Callable[..., Ran]


@pytest.fixture
def step(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """Runs `s3c scan` as a step, whose outcome is given, with the inputs and the environment given."""

    def go(outcome: Outcome, environment: dict[str, str], comment: str = "always", **inputs: str) -> Ran:
        def do(_options: OutputOptions, context: Context) -> Outcome:
            assert "run-token" not in context.environment.values()
            return outcome

        command = FunctionCommand(name="scan", help="", options=OutputOptions, function=do, comments=True)
        monkeypatch.setattr(run, "load", lambda _name: command)
        monkeypatch.chdir(tmp_path)
        for name in ("output", "summary"):
            (tmp_path / name).write_text("")
        given = {
            "S3C_COMMENT": comment,
            "S3C_GITHUB_TOKEN": "run-token",
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            **{f"S3C_{name.upper()}": text for name, text in inputs.items()},
        }
        out = io.StringIO()
        code = run.run("scan", [], environment | given, out, out)
        assert (tmp_path / "summary").read_text()
        return Ran(code, out.getvalue(), outputs_of(tmp_path / "output"))

    return go


def passed(image: str = APP) -> Outcome:
    return samples.outcome(samples.chained(image=image), command="scan")


def refused() -> Outcome:
    return samples.outcome(samples.refused(), command="scan")


@EITHER
def test_a_pull_requests_run_comments_and_the_next_one_updates(github: GitHub, step: Step, tmp_path: Path) -> None:
    pull = github.state.pulls[7]
    first = step(passed(), events.of_pull(github, tmp_path, pull))
    assert first.code == Exit.DONE
    assert first.log.startswith("::add-mask::run-token")
    (comment,) = github.state.of(7)
    assert first.outputs["comment-url"] == f"{github.url}/octo/shop/pull/7#issuecomment-{comment.id}"
    assert "comment-artifact" not in first.outputs
    assert f"{github.url}/octo/shop/actions/runs/1" in comment.body
    # The same run again (a re-run), then a force-push whose gate is closed.
    github.calls.clear()
    assert step(passed(), events.of_pull(github, tmp_path, pull)).code == Exit.DONE
    assert [call.split(" →")[0] for call in github.call_lines()] == [
        "POST /graphql" if not github.prefix else "POST /api/graphql"
    ]
    pull.sha = "f" * 40
    last = step(refused(), events.of_pull(github, tmp_path, pull, run=2))
    assert last.code == Exit.REFUSED
    assert len(github.state.of(7)) == 1
    assert "actions/runs/2" in github.state.of(7)[0].body


def test_one_comment_for_each_image_and_repository(github: GitHub, step: Step, tmp_path: Path) -> None:
    environment = events.environment(
        github, tmp_path, "pull_request", events.pull_request(github, github.state.pulls[7])
    )
    both = samples.outcome(samples.chained(image=APP), samples.chained(image=DATABASE), command="scan")
    step(both, environment)
    assert len(github.state.of(7)) == 2
    # Another tag of the same image; another job; another leg of a matrix that is not over images.
    step(passed("localhost:5000/voting-app:2.0"), environment)
    assert len(github.state.of(7)) == 2
    step(passed(), environment | {"GITHUB_JOB": "other"})
    step(passed(), environment, comment_name="arm64")
    assert len(github.state.of(7)) == 4


def test_which_modes_begin_a_comment(github: GitHub, step: Step, tmp_path: Path) -> None:
    environment = events.environment(
        github, tmp_path, "pull_request", events.pull_request(github, github.state.pulls[7])
    )
    off = step(refused(), environment, comment="off")
    assert github.calls == [] and "comment-url" not in off.outputs
    step(passed(), environment, comment="failures")
    assert github.state.of(7) == []
    assert step(refused(), environment, comment="failures").code == Exit.REFUSED
    assert len(texts(github)) == 1
    assert step(passed(), environment, comment="sometimes").code == Exit.WRONG_INPUT


def test_which_pull_request_it_is(github: GitHub, step: Step, tmp_path: Path) -> None:
    pull = github.state.pulls[7]
    github.state.pull(8, branch="other")
    github.state.pull(9, branch=pull.branch, head_repository="mallory/shop")
    github.state.pull(10, branch=pull.branch, state="closed")
    push = {"GITHUB_REF": f"refs/heads/{pull.branch}", "GITHUB_SHA": pull.sha}
    step(passed(), events.environment(github, tmp_path, "push") | push)
    assert {comment.number for comment in github.state.comments.values()} == {7}
    # A commit that is no longer the head, a branch without a pull request, a tag, a closed pull request.
    comments = len(github.state.comments)
    for variable, value in (("GITHUB_SHA", "0" * 40), ("GITHUB_REF", "refs/heads/x"), ("GITHUB_REF", "refs/tags/v1")):
        ran = step(passed(), events.environment(github, tmp_path, "push") | push | {variable: value})
        assert (ran.code, ran.outputs["comment-url"]) == (Exit.DONE, "")
        assert "no open pull request to comment on" in ran.log
    pull.state = "closed"
    step(passed(), events.of_pull(github, tmp_path, pull, run=3))
    assert len(github.state.comments) == comments
    issue = {"issue": {"number": 8, "state": "open", "pull_request": {"url": "x"}}}
    step(passed(), events.environment(github, tmp_path, "issue_comment", issue))
    assert len(github.state.of(8)) == 1
    step(passed(), events.environment(github, tmp_path, "issue_comment", {"issue": {"number": 5, "state": "open"}}))
    assert len(github.state.comments) == comments + 1


@pytest.mark.parametrize(("fork", "sender"), [("mallory/shop", "mallory"), ("octo/shop", "dependabot[bot]")])
def test_a_read_only_token_changes_no_verdict_and_leaves_the_result(
    github: GitHub, step: Step, tmp_path: Path, fork: str, sender: str, capfd: pytest.CaptureFixture[str]
) -> None:
    github.state.tokens["run-token"] = Token(permissions=READ_ONLY)
    environment = events.of_pull(github, tmp_path, github.state.pull(11, head_repository=fork), sender=sender)
    for outcome, code in ((passed(), Exit.DONE), (refused(), Exit.REFUSED)):
        ran = step(outcome, environment, comment_required="true")
        assert ran.code == code
        assert "::notice" in ran.log and "may only read" in ran.log
        assert ran.outputs["comment-artifact"].startswith("s3c-comment-")
        (left,) = Path(ran.outputs["comment-folder"]).iterdir()
        assert left.name == "result.json"
        assert json.loads(left.read_text())["exit_code"] == code
    # PyGithub would write lines of its own past our log.
    assert capfd.readouterr() == ("", "")


def test_a_forks_run_that_begins_no_comment_leaves_what_may_update_one(
    github: GitHub, step: Step, tmp_path: Path
) -> None:
    """The other workflow may have begun one when the last run failed: it has another key."""
    github.state.tokens["run-token"] = Token(permissions=READ_ONLY)
    fork = github.state.pull(11, head_repository="mallory/shop")
    ran = step(passed(), events.of_pull(github, tmp_path, fork), comment="failures")
    assert (ran.code, ran.outputs["comment-url"]) == (Exit.DONE, "")
    assert ran.outputs["comment-artifact"]
    assert "::notice" not in ran.log
    github.state.tokens["run-token"] = Token()
    ran = step(passed(), events.of_pull(github, tmp_path, github.state.pulls[7]), comment="failures")
    assert "comment-artifact" not in ran.outputs


def test_a_missing_permission_is_reported_with_yaml_and_fails_only_when_required(
    github: GitHub, step: Step, tmp_path: Path
) -> None:
    github.state.tokens["run-token"] = Token(permissions=READ_ONLY)
    environment = events.environment(
        github, tmp_path, "pull_request", events.pull_request(github, github.state.pulls[7])
    )
    ran = step(passed(), environment)
    assert ran.code == Exit.DONE
    warning = next(line for line in ran.log.splitlines() if line.startswith("::warning"))
    assert "permissions:%0A" in warning and "pull-requests: write" in warning
    assert ran.outputs["comment-artifact"]
    assert step(passed(), environment, comment_required="true").code == Exit.OUTSIDE_FAILED
    assert step(refused(), environment, comment_required="true").code == Exit.OUTSIDE_FAILED


@pytest.mark.parametrize("pattern", ["graphql", "POST /repos"])
def test_a_github_that_is_down_changes_no_verdict(github: GitHub, step: Step, tmp_path: Path, pattern: str) -> None:
    github.fail(pattern, 503, times=99)
    environment = events.environment(
        github, tmp_path, "pull_request", events.pull_request(github, github.state.pulls[7])
    )
    ran = step(passed(), environment)
    assert ran.code == Exit.DONE
    assert "error of its own, several times" in ran.log
    assert ran.outputs["verdict"] == "passed"


def test_a_locked_conversation_is_reported_and_changes_no_verdict(github: GitHub, step: Step, tmp_path: Path) -> None:
    environment = events.of_pull(github, tmp_path, github.state.pulls[7])
    github.state.pulls[7].locked = True
    for outcome, code in ((passed(), Exit.DONE), (refused(), Exit.REFUSED)):
        ran = step(outcome, environment)
        assert ran.code == code
        assert "the conversation is locked" in ran.log
        assert "comment-artifact" not in ran.outputs
    assert github.state.comments == {}
    github.state.pulls[7].locked = False
    assert step(passed(), environment).code == Exit.DONE
    assert len(texts(github)) == 1


def test_a_missing_token_is_reported(github: GitHub, step: Step, tmp_path: Path) -> None:
    environment = events.environment(
        github, tmp_path, "pull_request", events.pull_request(github, github.state.pulls[7])
    )
    ran = step(passed(), environment, github_token="")
    assert (ran.code, github.calls) == (Exit.DONE, [])
    assert "github-token: it is empty" in ran.log


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_on_its_way_to_a_comment(github: GitHub, step: Step, tmp_path: Path, text: str) -> None:
    pull = github.state.pull(12, title=text, labels=[text], branch="x")
    environment = events.of_pull(github, tmp_path, pull)
    image = ImageOutcome(image=APP, reference="", failure=samples.refused(text).failure)
    assert (
        step(samples.outcome(samples.chained(text, DATABASE), image, command="scan"), environment).code == Exit.REFUSED
    )
    assert len(github.state.of(12)) == 2
    for comment in github.state.of(12):
        assert comment.body.count("<!-- s3c-comment") == 1
        assert len(comment.body) <= 65_536


def test_every_action_that_comments_is_a_command_that_does() -> None:
    assert [name for name in ("chain", "scan", "patch", "deploy", "sign", "report") if load(name).comments] == [
        "chain",
        "scan",
        "patch",
        "deploy",
    ]
