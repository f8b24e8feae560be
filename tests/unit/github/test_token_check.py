"""What GitHub says of a token, as a clause; against the stand-in in tests/contract/test_github_token.py."""

import pytest
from github.Requester import Requester

from s3c_actions.github import token_check

READS = "accepted: reads octo/shop; what else a job's token may do stands in its `permissions:` alone"


@pytest.mark.parametrize(
    ("repository", "headers", "answer", "description"),
    [
        ("octo/shop", {}, {"permissions": {"admin": False, "push": True, "pull": True}}, "accepted: push on octo/shop"),
        ("octo/shop", {"x-oauth-scopes": "repo, read:org"}, {"permissions": {"admin": True}},
         "accepted, with the scopes repo, read:org: admin on octo/shop"),
        ("octo/shop", {}, {}, READS),
        ("octo/shop", {}, {"permissions": {"admin": "yes"}},
         READS),
        ("octo/shop", {}, None, READS),
        ("", {}, {}, "accepted; no repository is given"),
    ],
)  # fmt: skip
def test_what_github_says(monkeypatch, repository, headers, answer, description):
    monkeypatch.setattr(Requester, "requestJsonAndCheck", lambda *_arguments, **_named: (headers, answer))
    assert token_check.describe("token", repository, {}) == description
