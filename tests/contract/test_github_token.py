"""What is asked of GitHub besides its writing: what a token may do, and which commit a tag is; against its stand-in."""

from __future__ import annotations

import pytest

from s3c_actions.core.errors import OutsideError
from s3c_actions.github import commits, token_check
from s3c_actions.github.errors import FailureKind, GitHubError
from tests.support.github.server import GitHub


@pytest.mark.parametrize("github", ["api.github.com", "ghes-3.19"], indirect=True)
def test_a_token_that_is_accepted_and_nothing_is_written(github: GitHub) -> None:
    environment = {"GITHUB_API_URL": github.api}
    assert token_check.describe("run-token", github.state.repository, environment).startswith("accepted")
    assert token_check.describe("run-token", "", environment) == "accepted; no repository is given"
    assert not github.call_lines("^(POST|PATCH|PUT|DELETE) ")


def test_one_that_is_not_accepted(github: GitHub) -> None:
    with pytest.raises(GitHubError) as caught:
        token_check.describe("wrong-token", github.state.repository, {"GITHUB_API_URL": github.api})
    assert caught.value.trouble is FailureKind.TOKEN
    assert "wrong-token" not in str(caught.value)


def test_a_repository_that_it_may_not_read(github: GitHub) -> None:
    with pytest.raises(GitHubError) as caught:
        token_check.describe("run-token", "octo/other", {"GITHUB_API_URL": github.api})
    assert caught.value.trouble is FailureKind.MISSING


@pytest.mark.parametrize("github", ["api.github.com", "ghes-3.19"], indirect=True)
def test_the_commit_of_a_tag(github: GitHub) -> None:
    environment = {"GITHUB_API_URL": github.api}
    commit = commits.find_commit(github.state.repository, "v1.0.0", "run-token", environment)
    assert len(commit) == 40
    assert github.call_lines("^GET /repos/octo/shop/commits/v1.0.0")
    with pytest.raises(OutsideError, match="octo/other"):
        commits.find_commit("octo/other", "v1.0.0", "run-token", environment)
