"""The one issue on what is deployed, by PyGithub, against GitHub's stand-in."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from s3c_actions.github import api, issues, marker
from s3c_actions.github.errors import FailureKind, GitHubError
from s3c_actions.github.issues import IssueDraft, IssueOutcome
from s3c_actions.options import declare
from s3c_actions.options.gate import GateInputs
from s3c_actions.wiring import gate_preview
from tests.support.contexts import create_context
from tests.support.github.server import GitHub
from tests.support.github.state import Token
from tests.unit.report.test_gate_preview import entry, image
from tests.unit.steps.test_promote_gate import APP, OTHER

KEY = "0" * 16
EITHER = pytest.mark.parametrize("github", ["api.github.com", "ghes-3.19"], indirect=True)


@pytest.fixture(autouse=True)
def _permissions(github: GitHub) -> None:
    github.state.tokens["run-token"] = Token(permissions=frozenset({"contents:read", "issues:write"}))


def client(github: GitHub) -> Any:
    return api.connect("run-token", {"GITHUB_API_URL": github.api}, lambda _notice: None)


def put(github: GitHub, body: str = "two images\n", **more: Any) -> tuple[IssueOutcome, str]:
    ticket = IssueDraft(key=more.pop("key", KEY), title=more.pop("title", "2 images"), body=body, says=body, **more)
    return issues.put(client(github), github.state.repository, ticket)


@EITHER
def test_one_issue_is_opened_updated_in_place_and_closed(github: GitHub) -> None:
    done, url = put(github, labels=("security",))
    assert done is IssueOutcome.OPENED
    [issue] = github.state.issues.values()
    assert url == f"{github.url}/octo/shop/issues/{issue.number}"
    assert (issue.title, issue.labels) == ("2 images", ["security"])
    github.calls.clear()
    assert put(github)[0] is IssueOutcome.UNCHANGED
    assert not github.call_lines("^(POST|PATCH|DELETE) /repos")
    assert put(github, "one image\n", title="1 image", run=2) == (IssueOutcome.UPDATED, url)
    assert (issue.title, issue.body.partition("\n")[2]) == ("1 image", "one image\n")
    assert issues.close(client(github), "octo/shop", KEY, "Nothing is left.") == (IssueOutcome.CLOSED, url)
    assert (issue.state, issue.reason) == ("closed", "completed")
    assert [comment.body for comment in github.state.of(issue.number)] == ["Nothing is left."]
    assert issues.close(client(github), "octo/shop", KEY, "Nothing is left.") == (IssueOutcome.NOTHING, "")
    assert put(github)[0] is IssueOutcome.OPENED
    assert len(github.state.issues) == 2


def test_among_others_forgeries_and_pull_requests(github: GitHub) -> None:
    ours = marker.add_marker("two images\n", key=KEY, says="two images\n", run=0)
    for number in range(120):
        github.state.issue(f"bug {number}", "it does not work", "somebody")
    forged = github.state.issue("2 images", ours, "somebody")
    other = github.state.issue("2 images", marker.add_marker("x", key="1" * 16, says="x", run=0))
    done, url = put(github)
    assert done is IssueOutcome.OPENED
    assert put(github, "one image\n") == (IssueOutcome.UPDATED, url)
    assert (forged.body, other.state) == (ours, "open")


def test_runs_at_the_same_time_leave_one(github: GitHub) -> None:
    threads = [threading.Thread(target=put, args=(github, f"{number} images\n")) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    put(github, "at last\n")
    still = [issue for issue in github.state.issues.values() if issue.state == "open"]
    assert [issue.body.partition("\n")[2] for issue in still] == ["at last\n"]
    assert {issue.reason for issue in github.state.issues.values() if issue.state == "closed"} <= {"duplicate"}


def test_a_missing_permission_is_reported(github: GitHub) -> None:
    github.state.tokens["run-token"] = Token(permissions=frozenset({"contents:read"}))
    with pytest.raises(GitHubError) as caught:
        put(github)
    assert caught.value.trouble is FailureKind.PERMISSION
    assert "issues: write" in caught.value.remedy


@pytest.mark.parametrize("github", ["api.github.com"], indirect=True)
def test_the_issue_of_a_gates_preview_is_opened_kept_and_closed(github: GitHub, tmp_path: Path) -> None:
    environment = {"GITHUB_API_URL": github.api, "GITHUB_REPOSITORY": github.state.repository}
    given = {"task": "preview", "issue": "true", "issue-labels": "security"}
    options = declare.read(GateInputs, given, {"GITHUB_TOKEN": "run-token"}, lambda _old: None)
    context = create_context(tmp_path, {**environment, "GITHUB_TOKEN": "run-token"})
    url = gate_preview.update_issue(options, context, entry(image(), image(OTHER, "admitted")))
    [issue] = github.state.issues.values()
    assert url == f"{github.url}/octo/shop/issues/{issue.number}"
    assert (issue.title, issue.labels) == ("Gate: 1 of 2 images would be refused", ["security"])
    assert f"s3c sign {APP}" in issue.body
    assert gate_preview.update_issue(options, context, entry(image(), image(OTHER, "admitted"))) == url
    assert (issue.state, len(github.state.issues)) == ("open", 1)
    unknown = entry(image(APP, "unknown"), image(OTHER, "admitted"))
    gate_preview.update_issue(options, context, unknown)
    assert issue.state == "open", "what could not be judged closes nothing"
    gate_preview.update_issue(options, context, entry(image(APP, "admitted"), image(OTHER, "admitted")))
    assert issue.state == "closed"
