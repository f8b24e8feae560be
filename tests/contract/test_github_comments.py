"""Comments on pull requests, by PyGithub, against GitHub's stand-in: one each, whatever happens around them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from s3c_actions.github import api, delivery, marker
from s3c_actions.github.comments import CommentDraft, CommentOutcome, Conversation
from s3c_actions.github.errors import FailureKind, GitHubError
from tests.support.github.server import GitHub
from tests.support.github.state import READ_ONLY

EITHER = pytest.mark.parametrize("github", ["api.github.com", "ghes-3.19"], indirect=True)


def client(github: GitHub, token: str = "run-token", **more: Any) -> Any:
    return api.connect(token, {"GITHUB_API_URL": github.api}, lambda _notice: None, **more)


def conversation(github: GitHub, number: int = 7, **more: Any) -> Conversation:
    return Conversation(client(github, **more), github.state.repository, number)


def message(body: str = "### passed\n\n| a | b |\n", *, key: str = "0" * 16, run: int = 1, **more: Any) -> CommentDraft:
    return CommentDraft(key=key, body=body, says=more.pop("says", body), run=run, **more)


def texts(github: GitHub, number: int = 7) -> list[str]:
    """What stands below the markers."""
    return [read[1] for comment in github.state.of(number) if (read := marker.read(comment.body))]


@EITHER
def test_one_comment_is_begun_updated_in_place_and_left_alone(github: GitHub) -> None:
    done, url = conversation(github).put(message())
    assert done is CommentOutcome.CREATED
    assert url == f"{github.url}/octo/shop/pull/7#issuecomment-{github.state.of(7)[0].id}"
    github.calls.clear()
    assert conversation(github).put(message())[0] is CommentOutcome.UNCHANGED
    assert len(github.calls) <= 4
    assert not github.call_lines("^(POST|PATCH|DELETE) /repos")
    assert conversation(github).put(message("### failed\n", run=2)) == (CommentOutcome.UPDATED, url)
    assert texts(github) == ["### failed\n"]


def test_among_300_comments(github: GitHub) -> None:
    for number in range(150):
        github.state.comment(7, f"remark {number}", "reviewer")
    assert conversation(github).put(message())[0] is CommentOutcome.CREATED
    for number in range(150):
        github.state.comment(7, f"remark {number}", "reviewer")
    github.state.pull(8)
    github.state.comment(8, github.state.of(7)[150].body)
    github.calls.clear()
    assert conversation(github).put(message())[0] is CommentOutcome.UNCHANGED
    assert len(github.calls) == 4
    assert conversation(github).put(message("else"))[0] is CommentOutcome.UPDATED
    assert len(github.state.of(7)) == 301


def test_a_marker_that_somebody_else_wrote_is_a_forgery(github: GitHub) -> None:
    forged = github.state.comment(7, message().marked, "mallory")
    assert conversation(github).put(message("### failed\n"))[0] is CommentOutcome.CREATED
    assert forged.body == message().marked
    assert texts(github) == [message().body, "### failed\n"]
    assert conversation(github).put(message("### failed\n"))[0] is CommentOutcome.UNCHANGED


@pytest.mark.parametrize("only_changes", [False, True])
def test_what_was_edited_by_hand_is_set_right(github: GitHub, only_changes: bool) -> None:
    conversation(github).put(message())
    (comment,) = github.state.of(7)
    comment.body = comment.body.replace("passed", "everything is fine")
    assert conversation(github).put(message(only_changes=only_changes))[0] is CommentOutcome.UPDATED
    assert texts(github) == [message().body]
    # GitHub's editor ends lines otherwise; that is no edit.
    comment.body = comment.body.replace("\n", "\r\n").rstrip()
    assert conversation(github).put(message(only_changes=only_changes))[0] is CommentOutcome.UNCHANGED


def test_what_was_deleted_is_written_again(github: GitHub) -> None:
    conversation(github).put(message())
    github.state.comments.clear()
    assert conversation(github).put(message())[0] is CommentOutcome.CREATED
    # Also when it goes between reading and writing.
    late = conversation(github)
    late.put(message())
    github.state.comments.clear()
    assert late.put(message("later"))[0] is CommentOutcome.CREATED
    assert texts(github) == ["later"]


def test_a_comment_without_its_marker_is_somebodys_own(github: GitHub) -> None:
    conversation(github).put(message())
    github.state.of(7)[0].body = "mine now"
    assert conversation(github).put(message())[0] is CommentOutcome.CREATED
    assert [comment.body for comment in github.state.of(7)] == ["mine now", message().marked]


def test_only_what_changed_is_written_when_asked(github: GitHub) -> None:
    first = message("passed\nrun 1", says="passed", run=1)
    conversation(github).put(first)
    again = message("passed\nrun 2", says="passed", run=2, only_changes=True)
    assert conversation(github).put(again)[0] is CommentOutcome.UNCHANGED
    assert texts(github) == ["passed\nrun 1"]
    assert conversation(github).put(message("passed\nrun 2", says="passed", run=2))[0] is CommentOutcome.UPDATED
    changed = message("failed\nrun 3", says="failed", run=3, only_changes=True)
    assert conversation(github).put(changed)[0] is CommentOutcome.UPDATED


def test_none_is_begun_for_what_passed_when_failures_are_asked_for(github: GitHub) -> None:
    assert conversation(github).put(message(begins=False)) == (CommentOutcome.NOT_BEGUN, "")
    assert github.state.of(7) == []
    conversation(github).put(message("failed"))
    assert conversation(github).put(message("passed", begins=False))[0] is CommentOutcome.UPDATED


def test_an_older_run_leaves_a_newer_ones_comment_alone(github: GitHub) -> None:
    conversation(github).put(message("of the newer push", run=20))
    assert conversation(github).put(message("of the older push", run=10))[0] is CommentOutcome.NEWER
    assert texts(github) == ["of the newer push"]
    assert conversation(github).put(message("of its re-run", run=20))[0] is CommentOutcome.UPDATED


def test_anew_with_the_old_one_hidden(github: GitHub) -> None:
    conversation(github).put(message("first"))
    assert conversation(github).put(message("first", run=2, anew=True))[0] is CommentOutcome.UNCHANGED
    done, url = conversation(github).put(message("second", run=3, anew=True))
    old, new = github.state.of(7)
    assert (done, url.rpartition("-")[2]) == (CommentOutcome.CREATED, str(new.id))
    assert (old.minimized, new.minimized) == ("OUTDATED", "")
    assert "first" in old.body and marker.read(old.body) is None
    assert conversation(github).put(message("third", run=4))[0] is CommentOutcome.UPDATED
    assert texts(github) == ["third"]


def test_jobs_of_a_matrix_do_not_overwrite_each_other(github: GitHub) -> None:
    ended: list[CommentOutcome] = []
    jobs = [
        threading.Thread(target=lambda key=key: ended.append(conversation(github).put(message(key, key=key))[0]))
        for key in ("a" * 16, "b" * 16)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert ended == [CommentOutcome.CREATED, CommentOutcome.CREATED]
    assert sorted(texts(github)) == ["a" * 16, "b" * 16]


def test_two_that_write_the_same_comment_at_once_end_with_one(github: GitHub) -> None:
    # Both have read that there is none, and only then both write.
    for number in range(3):
        github.state.pull(100 + number)
        both = threading.Barrier(2)

        def job(run: int, number: int = 100 + number, both: threading.Barrier = both) -> None:
            mine = conversation(github, number)
            mine._own_comments("0" * 16)
            both.wait()
            mine.put(message(f"of run {run}", run=run))

        threads = [threading.Thread(target=job, args=(run,)) for run in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(texts(github, 100 + number)) == 1, number
    # What an earlier race left, the next run fixes.
    github.state.comment(7, message("one").marked)
    github.state.comment(7, message("two").marked)
    conversation(github).put(message("three"))
    assert texts(github) == ["three"]


def test_a_comment_that_was_written_although_the_answer_was_lost_is_there_once(github: GitHub) -> None:
    github.fail("POST /repos/.*/comments", 502, after=True)
    assert conversation(github).put(message())[0] is CommentOutcome.CREATED
    assert len(github.state.of(7)) == 1
    assert len(github.call_lines("POST /repos")) == 2


def test_a_body_at_githubs_limit_fits(github: GitHub) -> None:
    conversation(github).put(message("x" * delivery.BODY_BYTES))
    with pytest.raises(GitHubError) as caught:
        conversation(github).put(message("x" * 65_536))
    assert caught.value.trouble is FailureKind.REFUSED
    assert "Body is too long (maximum is 65536 characters)" in caught.value.original


SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
PRIMARY = "API rate limit exceeded for installation ID 1."
LATER = {"Retry-After": "3600"}
SPOILED: dict[str, tuple[Callable[[GitHub], object], FailureKind, str]] = {
    "revoked": (
        lambda github: setattr(github.state.tokens["run-token"], "revoked", True),
        FailureKind.TOKEN,
        "does not know",
    ),
    "read-only": (
        lambda github: setattr(github.state.tokens["run-token"], "permissions", READ_ONLY),
        FailureKind.PERMISSION,
        "permissions:\n  pull-requests: write",
    ),
    "locked": (
        lambda github: setattr(github.state.pulls[7], "locked", True),
        FailureKind.LOCKED,
        "the conversation is locked",
    ),
    "missing": (lambda github: github.state.pulls.clear(), FailureKind.MISSING, "has nothing there"),
    "primary": (lambda github: setattr(github, "limit", 0), FailureKind.LIMIT, "is used up until"),
    "secondary": (
        lambda github: github.fail("POST /repos", 403, message=SECONDARY, headers=LATER),
        FailureKind.LIMIT,
        "is used up until",
    ),
    "429": (lambda github: github.fail("POST /repos", 429, headers=LATER), FailureKind.LIMIT, "is used up until"),
    "down": (lambda github: github.fail("graphql", 503, times=9), FailureKind.FAULT, "error of its own, several times"),
    "slow": (
        lambda github: github.fail("graphql", 200, times=9, delay=1.2),
        FailureKind.FAULT,
        "took too long to answer",
    ),
    "refused": (lambda github: github.fail("POST /repos", 400), FailureKind.REFUSED, "GitHub refuses it"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_what_goes_wrong_is_explained(github: GitHub, how: str) -> None:
    spoil, trouble, explanation = SPOILED[how]
    spoil(github)
    # The stand-in's first answer takes seconds: it reads GitHub's whole schema.
    patience = {"timeout": 1} if how == "slow" else {}
    with pytest.raises(GitHubError) as caught:
        conversation(github, **patience).put(message())
    assert caught.value.trouble is trouble
    assert explanation in str(caught.value)
    assert caught.value.remedy
    assert github.state.of(7) == []


@pytest.mark.parametrize(
    ("status", "message_", "headers"),
    [
        (403, SECONDARY, {"Retry-After": "1"}),
        (429, SECONDARY, {"Retry-After": "1"}),
        (403, PRIMARY, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0"}),
        (500, "Server Error", {}),
    ],
)
def test_what_passes_is_waited_for(github: GitHub, status: int, message_: str, headers: dict[str, str]) -> None:
    notices: list[str] = []
    github.fail("POST /graphql", status, message=message_, headers=headers)
    github.fail("POST /repos", status, message=message_, headers=headers)
    connection = api.connect("run-token", {"GITHUB_API_URL": github.api}, notices.append)
    assert Conversation(connection, github.state.repository, 7).put(message())[0] is CommentOutcome.CREATED
    assert len(github.state.of(7)) == 1
    assert all("waiting 1 s, as GitHub asks" in notice for notice in notices)
    assert len(notices) == (0 if status == 500 else 2)


def test_writes_keep_the_distance_that_github_asks_for(github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "BETWEEN_WRITES", 1.0)
    pull_request = conversation(github)
    started = time.monotonic()
    pull_request.put(message())
    pull_request.put(message("later"))
    assert time.monotonic() - started >= 1
