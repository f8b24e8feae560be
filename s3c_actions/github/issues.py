"""One issue that says what there is to do: opened, updated in place, closed when nothing is left.

It is found again by a hidden marker under its author's name: whoever copies the marker has a forgery.
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


class Done(Enum):
    """What became of the issue."""

    OPENED = "opened"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    CLOSED = "closed"
    NOTHING = "nothing to say"


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """An issue to be there.

    Attributes:
        key: see `marker.key`.
        title, body: its text; the body is Markdown, without the marker.
        says: what it says without what differs from run to run.
        run: id of the run that says it.
        labels: given to it when it is opened.
    """

    key: str
    title: str
    body: str
    says: str
    run: int = 0
    labels: tuple[str, ...] = ()


def put(client: Github, repository: str, ticket: Ticket) -> tuple[Done, str]:
    """Have one open issue say it; others with the same key are closed.

    Args:
        client: of the repository's GitHub.
        repository: `owner/name`.
        ticket: what it says.

    Returns:
        What was done, and the issue's address.

    Raises:
        GitHubError: it could not be read or written.
    """
    with errors.told("The issues could not be read", permission=PERMISSION):
        mine = _mine(client, repository, ticket.key)
    with errors.told("The issue could not be written", permission=PERMISSION):
        body = marker.marked(ticket.body, key=ticket.key, says=ticket.says, run=ticket.run)
        title = ticket.title[:TITLE_CHARACTERS]
        if not mine:
            made = client.get_repo(repository).create_issue(title=title, body=body, labels=list(ticket.labels))
            # Somebody who runs at the same time may have been quicker: the first one stays.
            mine = _mine(client, repository, ticket.key) or [made]
            if mine[0].number == made.number:
                _close(mine[1:], "duplicate")
                return Done.OPENED, made.html_url
        first, *others = mine
        _close(others, "duplicate")
        if first.body == body and first.title == title:
            return Done.UNCHANGED, first.html_url
        first.edit(title=title, body=body)
        return Done.UPDATED, first.html_url


def close(client: Github, repository: str, key: str, why: str) -> tuple[Done, str]:
    """Close the issue with a comment, if there is one.

    Args:
        client: of the repository's GitHub.
        repository: `owner/name`.
        key: of the issue.
        why: the comment, Markdown.

    Returns:
        What was done, and the issue's address.

    Raises:
        GitHubError: it could not be read or written.
    """
    with errors.told("The issues could not be read", permission=PERMISSION):
        mine = _mine(client, repository, key)
    if not mine:
        return Done.NOTHING, ""
    with errors.told("The issue could not be closed", permission=PERMISSION):
        mine[0].create_comment(why)
        _close(mine, "completed")
    return Done.CLOSED, mine[0].html_url


def _close(issues: Sequence[Issue], reason: str) -> None:
    for one in issues:
        one.edit(state="closed", state_reason=reason)


def _mine(client: Github, repository: str, key: str) -> list[Issue]:
    """The open issues with that key that this token wrote, the oldest first."""
    # The list has pull requests too. Asking an issue for its `pull_request` would be a call for each.
    found = [
        one
        for one in client.get_repo(repository).get_issues(state="open", sort="created", direction="asc")
        if "/issues/" in one.html_url and (read := marker.read(one.body or "")) and read[0].key == key
    ]
    if not found:
        return []
    answer: dict[str, Any] = client.requester.graphql_query("query { viewer { login } }", {})[1]
    return [one for one in found if one.user.login == answer["data"]["viewer"]["login"]]
