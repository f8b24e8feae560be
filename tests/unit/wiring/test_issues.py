"""What a command's issue says; that GitHub keeps one is in tests/contract/test_github_issues.py."""

from __future__ import annotations

from typing import Any, cast

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.core.progress import Silent
from s3c_actions.core.secrets import Secrets
from s3c_actions.github import api, issues
from s3c_actions.github.issues import IssueOutcome
from s3c_actions.options import declare
from s3c_actions.options.github import TokenOptions
from s3c_actions.wiring.context import Context
from s3c_actions.wiring.issues import KeptIssue, update_issue

RUN = {"GITHUB_REPOSITORY": "octo/shop", "GITHUB_RUN_ID": "7", "GITHUB_SERVER_URL": "https://github.example"}


class Given:
    """As much of a context as is read here."""

    def __init__(self, **environment: str) -> None:
        self.environment = RUN | environment
        self.progress, self.secrets = Silent(), Secrets()


def kept(*, is_open: bool, repository: str = "") -> KeptIssue:
    return KeptIssue(
        command="refresh",
        repository=repository,
        open=is_open,
        title="2 images",
        render=lambda url: f"two images {url}",
        closing="Nothing is left.",
        labels=("security",),
    )


@pytest.fixture(name="written")
def _written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    written: list[tuple[Any, ...]] = []

    def put(_client: object, repository: str, draft: issues.IssueDraft) -> tuple[IssueOutcome, str]:
        written.append((repository, draft))
        return IssueOutcome.OPENED, "https://github.example/1"

    def close(_client: object, repository: str, _key: str, why: str) -> tuple[IssueOutcome, str]:
        written.append((repository, why))
        return IssueOutcome.CLOSED, "https://github.example/1"

    monkeypatch.setattr(api, "connect", lambda token, *_rest: token)
    monkeypatch.setattr(issues, "put", put)
    monkeypatch.setattr(issues, "close", close)
    return written


def update(issue: KeptIssue, **environment: str) -> tuple[str, str]:
    options = declare.read(TokenOptions, {}, {}, lambda _old: None)
    return update_issue(issue, options, cast("Context", Given(**environment)))


def test_what_is_compared_between_runs_has_no_address_of_one(written: list[tuple[Any, ...]]) -> None:
    assert update(kept(is_open=True), GITHUB_TOKEN="of-the-run") == ("opened", "https://github.example/1")
    [(repository, draft)] = written
    assert (repository, draft.title, draft.labels, draft.run) == ("octo/shop", "2 images", ("security",), 7)
    assert draft.says == "two images "
    assert draft.body.startswith("two images https://github.example/octo/shop/actions/runs/7")


def test_one_without_anything_to_do_is_closed_with_the_reason(written: list[tuple[Any, ...]]) -> None:
    assert update(kept(is_open=False, repository="octo/other"), GITHUB_TOKEN="of-the-run")[0] == "closed"
    assert written == [("octo/other", "Nothing is left.")]


def test_without_a_token_nothing_is_asked(written: list[tuple[Any, ...]]) -> None:
    with pytest.raises(InputError, match="github-token"):
        update(kept(is_open=True))
    assert not written
