"""Keep one issue that lists what there is to do: opened, updated in place, closed when nothing is left.

It is found again by a hidden marker under its author's name: a marker copied by somebody else is a forgery.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.github import errors, marker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from github import Github
    from github.Issue import Issue

PERMISSION = "issues: write"
BODY_CHARACTERS = 65_536
TITLE_CHARACTERS = 256


class IssueOutcome(Enum):
    """The result of writing the issue."""

    OPENED = "opened"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    CLOSED = "closed"
    NOTHING = "nothing to say"


class IssueDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An issue to write.

    Attributes:
        key: see `marker.key`.
        title, body: its text; the body is Markdown, without the marker.
        says: its content without what differs from run to run.
        run: id of the run that writes it.
        labels: set when it is opened.
    """

    key: str
    title: str
    body: str
    says: str
    run: int = 0
    labels: tuple[str, ...] = ()


def put(client: Github, repository: str, ticket: IssueDraft) -> tuple[IssueOutcome, str]:
    """Ensure that one open issue has this content; others with the same key are closed.

    Args:
        client: of the repository's GitHub.
        repository: `owner/name`.
        ticket: the content.

    Returns:
        The result, and the issue's address.

    Raises:
        GitHubError: it could not be read or written.
    """
    with errors.translate_errors("The issues could not be read", permission=PERMISSION):
        own_issues = _own_issues(client, repository, ticket.key)
    with errors.translate_errors("The issue could not be written", permission=PERMISSION):
        body = marker.add_marker(ticket.body, key=ticket.key, says=ticket.says, run=ticket.run)
        title = ticket.title[:TITLE_CHARACTERS]
        if not own_issues:
            created = client.get_repo(repository).create_issue(title=title, body=body, labels=list(ticket.labels))
            # A concurrent run may have been quicker: the first one stays.
            own_issues = _own_issues(client, repository, ticket.key) or [created]
            if own_issues[0].number == created.number:
                _close(own_issues[1:], "duplicate")
                return IssueOutcome.OPENED, created.html_url
        first, *duplicates = own_issues
        _close(duplicates, "duplicate")
        if first.body == body and first.title == title:
            return IssueOutcome.UNCHANGED, first.html_url
        first.edit(title=title, body=body)
        return IssueOutcome.UPDATED, first.html_url


def close(client: Github, repository: str, key: str, why: str) -> tuple[IssueOutcome, str]:
    """Close the issue with a comment, if there is one.

    Args:
        client: of the repository's GitHub.
        repository: `owner/name`.
        key: of the issue.
        why: the comment, Markdown.

    Returns:
        The result, and the issue's address.

    Raises:
        GitHubError: it could not be read or written.
    """
    with errors.translate_errors("The issues could not be read", permission=PERMISSION):
        own_issues = _own_issues(client, repository, key)
    if not own_issues:
        return IssueOutcome.NOTHING, ""
    with errors.translate_errors("The issue could not be closed", permission=PERMISSION):
        own_issues[0].create_comment(why)
        _close(own_issues, "completed")
        return IssueOutcome.CLOSED, own_issues[0].html_url


def _close(issues: Sequence[Issue], reason: str) -> None:
    for issue in issues:
        issue.edit(state="closed", state_reason=reason)


def _own_issues(client: Github, repository: str, key: str) -> list[Issue]:
    """Return the open issues with that key that this token wrote, the oldest first."""
    # The list includes pull requests. Asking an issue for its `pull_request` would be a call for each.
    candidates = [
        issue
        for issue in client.get_repo(repository).get_issues(state="open", sort="created", direction="asc")
        if "/issues/" in issue.html_url and (parsed := marker.read(issue.body or "")) and parsed[0].key == key
    ]
    if not candidates:
        return []
    answer: dict[str, Any] = client.requester.graphql_query("query { viewer { login } }", {})[1]
    return [issue for issue in candidates if issue.user.login == answer["data"]["viewer"]["login"]]
