"""Whether an environment holds anybody back: PyGithub against GitHub's stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3c_actions.azure import clouds
from s3c_actions.azure.identity import Identity
from s3c_actions.core.progress import Silent
from s3c_actions.github import api, environments
from s3c_actions.github.errors import FailureKind, GitHubError
from s3c_actions.wiring.vault import open_environment
from tests.support.contexts import create_context
from tests.support.github.server import GitHub
from tests.support.github.state import PROTECTED, READ_ONLY, Environment, Token

MAIN = "refs/heads/main"


def described(github: GitHub, *, name: str = "signing", ref: str = MAIN) -> str:
    client = api.connect("run-token", {"GITHUB_API_URL": github.api}, lambda _notice: None)
    return environments.describe_open_environment(client, github.state.repository, name, ref)


@pytest.fixture(autouse=True)
def branches(github: GitHub) -> None:
    github.state.git.commit("main", {"a": "b"})
    github.state.git.commit("topic/1", {"a": "b"})
    github.state.tokens["run-token"] = Token(permissions=READ_ONLY)


@pytest.mark.parametrize("github", ["api.github.com", "ghes-3.19"], indirect=True)
@pytest.mark.parametrize(
    ("rules", "ref", "description"),
    [
        (Environment(), MAIN, "neither a rule on branches nor reviewers"),
        (Environment(branches=("main",)), MAIN, ""),
        (Environment(branches=("release/*", "main")), MAIN, ""),
        (Environment(branches=("main", "**/*")), MAIN, "`**/*`"),
        (Environment(branches=("*",)), MAIN, "`*`"),
        (Environment(branches=("*",), reviewers=True), MAIN, ""),
        (Environment(reviewers=True), MAIN, ""),
        (Environment(branches=PROTECTED), MAIN, ""),
        (Environment(branches=PROTECTED), "refs/heads/topic/1", "topic/1, which is none, got in"),
        (Environment(branches=PROTECTED), "refs/tags/v1", ""),
    ],
)
def test_what_lets_every_branch_in_is_described(github: GitHub, rules: Environment, ref: str, description: str) -> None:
    github.state.protected = {"main"}
    github.state.environments["signing"] = rules
    assert description in described(github, ref=ref)
    assert bool(described(github, ref=ref)) == bool(description)


def test_a_name_is_one_part_of_a_path(github: GitHub) -> None:
    github.state.environments["a/b: c"] = Environment(branches=("main",))
    assert described(github, name="a/b: c") == ""


@pytest.mark.parametrize(("name", "permissions"), [("signing", {"contents:read"}), ("nobody made this", READ_ONLY)])
def test_what_cannot_be_looked_up_is_an_error_with_the_permission(
    github: GitHub, name: str, permissions: set[str]
) -> None:
    github.state.environments["signing"] = Environment()
    github.state.tokens["run-token"] = Token(permissions=frozenset(permissions))
    with pytest.raises(GitHubError) as raised:
        described(github, name=name)
    assert raised.value.trouble is (FailureKind.MISSING if permissions is READ_ONLY else FailureKind.PERMISSION)


class Notes(Silent):
    """Progress that keeps its lines of detail."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize(
    ("subject", "source", "token", "warned", "noted"),
    [
        ("repo:octo@1/shop@2:environment:open", "github-oidc", "run-token", True, False),
        ("repo:octo/shop:environment:open", "github-oidc", "run-token", True, False),
        ("environment:open:repository_owner_id:1", "github-oidc", "run-token", True, False),
        ("repo:octo/shop:environment:with%3A colon", "github-oidc", "run-token", True, False),
        ("repo:octo/shop:environment:signing", "github-oidc", "run-token", False, False),
        ("repo:octo/shop:environment:gone", "github-oidc", "run-token", False, True),
        ("repo:octo/shop:environment:open", "github-oidc", "no-such-token", False, True),
        ("repo:octo/shop:environment:open", "github-oidc", "", False, False),
        ("repo:octo/shop:environment:open", "workload-identity", "run-token", False, False),
        ("repo:octo/shop:ref:refs/heads/main", "github-oidc", "run-token", False, False),
    ],
)
def test_who_signs_in_an_open_environment_is_warned(
    github: GitHub, tmp_path: Path, subject: str, source: str, token: str, warned: bool, noted: bool
) -> None:
    github.state.environments |= {
        "open": Environment(),
        "with: colon": Environment(),
        "signing": Environment(branches=("main",)),
    }
    credential: Any = None
    identity = Identity(
        credential=credential, source=source, description="", cloud=clouds.PUBLIC, claims={"sub": subject}
    )
    environment = {"GITHUB_API_URL": github.api, "GITHUB_REPOSITORY": "octo/shop", "GITHUB_REF": MAIN}
    progress = Notes()
    context = create_context(tmp_path, environment | ({"S3C_GITHUB_TOKEN": token} if token else {}), progress=progress)
    sentence = open_environment(identity, context)
    assert sentence.startswith("Every branch of octo/shop can sign") is warned
    assert bool(sentence) is warned
    assert bool(progress.notes) is noted
    assert all("actions: read" in note and "no-such-token" not in note for note in progress.notes)
