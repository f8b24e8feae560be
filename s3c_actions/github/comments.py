"""Our comments on one pull request: found, written, kept to one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from s3c_actions.github import marker, trouble
from s3c_actions.github.marker import Marker

if TYPE_CHECKING:
    from github import Github
    from github.IssueComment import IssueComment

PERMISSION = "pull-requests: write"
ATTEMPTS = 3
_RACE = timedelta(minutes=5)
"""How far back the comments of somebody who runs at the same time are looked for: longer than a listing can take."""


class Done(Enum):
    """What became of a comment."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    NEWER = "left to a newer run"
    NOT_BEGUN = "not begun"


@dataclass(frozen=True, kw_only=True)
class Message:
    """One comment to be there.

    Attributes:
        key: of the comment, see `marker.key`.
        body: its Markdown, without the marker.
        says: what it says without what differs from run to run, to tell whether that changed.
        run: id of the run that says it.
        begins: whether a comment is begun when there is none.
        only_changes: whether one that says the same is left as it is, although it is from an earlier run.
        anew: when it changed, write a new comment and hide the old one as outdated.
    """

    key: str
    body: str
    says: str
    run: int
    begins: bool = True
    only_changes: bool = False
    anew: bool = False

    @property
    def marked(self) -> str:
        """The comment's whole text."""
        return marker.marked(self.body, key=self.key, says=self.says, run=self.run)


class Conversation:
    """The comments of one pull request. Read once; every write that finds it changed reads it again.

    Args:
        client: of the repository's GitHub.
        repository: `owner/name`.
        number: of the pull request.
    """

    def __init__(self, client: Github, repository: str, number: int) -> None:
        self._client = client
        self._issue = client.get_repo(repository).get_issue(number)
        self._marked: list[tuple[IssueComment, Marker]] | None = None

    def put(self, message: Message) -> tuple[Done, str]:
        """Have one comment say it.

        Returns:
            What was done, and the comment's address (empty when there is none).

        Raises:
            GitHubError: it could not be read or written.
        """
        for attempt in range(ATTEMPTS):
            with trouble.told("The comments could not be read", permission=PERMISSION):
                mine = self._mine(message.key)
            try:
                with trouble.told("The comment could not be written", permission=PERMISSION):
                    return self._put(message, mine)
            except trouble.GitHubError as error:
                # Somebody deleted it since it was read.
                if error.trouble is not trouble.Trouble.MISSING or not mine or attempt == ATTEMPTS - 1:
                    raise
                self._marked = None
        raise AssertionError

    def _put(self, message: Message, mine: list[tuple[IssueComment, Marker]]) -> tuple[Done, str]:
        if not mine:
            if not message.begins:
                return Done.NOT_BEGUN, ""
            return Done.CREATED, self._create(message)
        (comment, there), *others = mine
        for other, _ in others:
            self._delete(other)
        if there.run > message.run > 0:
            return Done.NEWER, comment.html_url
        if self._same(message, comment, there):
            return Done.UNCHANGED, comment.html_url
        if message.anew and there.says != marker.digest(message.says):
            comment.edit(marker.retired(comment.body))
            comment.minimize("OUTDATED")
            return Done.CREATED, self._create(message)
        comment.edit(message.marked)
        return Done.UPDATED, comment.html_url

    def _same(self, message: Message, comment: IssueComment, there: Marker) -> bool:
        read = marker.read(comment.body)
        body = read[1] if read else ""
        if marker.digest(body) != there.text:
            return False
        expected, now = (there.says, message.says) if message.only_changes else (there.text, message.body)
        return expected == marker.digest(now)

    def _create(self, message: Message) -> str:
        """Write it, and look whether somebody did the same meanwhile: the first one stays, and says what is newer."""
        made = self._issue.create_comment(message.marked)
        since = made.created_at - _RACE
        same = [
            one
            for one in self._issue.get_comments(since=since)
            if one.user.login == made.user.login and (read := marker.read(one.body)) and read[0].key == message.key
        ]
        first = min(same, key=lambda one: one.id, default=made)
        for one in same:
            if one.id != first.id:
                self._delete(one)
        if first.id != made.id:
            read = marker.read(first.body)
            if read is None or read[0].run <= message.run:
                first.edit(message.marked)
        return first.html_url

    def _delete(self, comment: IssueComment) -> None:
        from github import UnknownObjectException

        # The other one may have been quicker.
        with suppress(UnknownObjectException):
            comment.delete()

    def _mine(self, key: str) -> list[tuple[IssueComment, Marker]]:
        """The comments with that key that this token wrote, the oldest first; somebody else's marker is a forgery."""
        if self._marked is None:
            read = ((one, marker.read(one.body)) for one in self._issue.get_comments())
            self._marked = [(one, found[0]) for one, found in read if found]
        candidates = [(one, found) for one, found in self._marked if found.key == key]
        return [(one, found) for one, found in candidates if one.user.login == self._author]

    @cached_property
    def _author(self) -> str:
        # The user's own record is closed to a run's token; this is not.
        _, answer = self._client.requester.graphql_query("query { viewer { login } }", {})
        login: str = answer["data"]["viewer"]["login"]
        return login
