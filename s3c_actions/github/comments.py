"""Our comments on one pull request: found, written, kept to one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.github import errors, marker
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


class Message(msgspec.Struct, frozen=True, kw_only=True):
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


_COMMENTS = """
query Comments($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      comments(first: 100, after: $after) {
        nodes { fullDatabaseId url body viewerDidAuthor }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}
"""
"""By GraphQL, because it tells what is ours: a run's token may not ask who it is, and a list by REST would take that
question as a call of its own."""


class _Ours(msgspec.Struct, frozen=True, kw_only=True):
    """A comment that this token wrote, with a marker."""

    id: int
    url: str
    text: str
    marker: Marker


class Conversation:
    """The comments of one pull request. Read once; every write that finds it changed reads it again.

    Args:
        client: of the repository's GitHub.
        repository: `owner/name`.
        number: of the pull request.
    """

    def __init__(self, client: Github, repository: str, number: int) -> None:
        self._client = client
        owner, _, name = repository.partition("/")
        self._place = {"owner": owner, "name": name, "number": number}
        self._issue = client.get_repo(repository).get_issue(number)
        self._ours: list[_Ours] | None = None

    def put(self, message: Message) -> tuple[Done, str]:
        """Have one comment say it.

        Returns:
            What was done, and the comment's address (empty when there is none).

        Raises:
            GitHubError: it could not be read or written.
        """
        for attempt in range(ATTEMPTS):
            with errors.told("The comments could not be read", permission=PERMISSION):
                mine = self._mine(message.key)
            try:
                with errors.told("The comment could not be written", permission=PERMISSION):
                    return self._put(message, mine)
            except errors.GitHubError as error:
                # Somebody deleted it since it was read.
                if error.trouble is not errors.Trouble.MISSING or not mine or attempt == ATTEMPTS - 1:
                    raise
                self._ours = None
        raise AssertionError

    def _put(self, message: Message, mine: list[_Ours]) -> tuple[Done, str]:
        if not mine:
            if not message.begins:
                return Done.NOT_BEGUN, ""
            return Done.CREATED, self._create(message)
        first, *others = mine
        for other in others:
            self._delete(self._issue.get_comment(other.id))
        if first.marker.run > message.run > 0:
            return Done.NEWER, first.url
        if self._same(message, first):
            return Done.UNCHANGED, first.url
        comment = self._issue.get_comment(first.id)
        if message.anew and first.marker.says != marker.digest(message.says):
            comment.edit(marker.retired(first.text))
            comment.minimize("OUTDATED")
            return Done.CREATED, self._create(message)
        comment.edit(message.marked)
        return Done.UPDATED, first.url

    def _same(self, message: Message, there: _Ours) -> bool:
        read = marker.read(there.text)
        edited = read is None or marker.digest(read[1]) != there.marker.text
        expected, now = (there.marker.says, message.says) if message.only_changes else (there.marker.text, message.body)
        return not edited and expected == marker.digest(now)

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

    def _mine(self, key: str) -> list[_Ours]:
        """The comments with that key that this token wrote, the oldest first; somebody else's marker is a forgery."""
        if self._ours is None:
            self._ours = list(self._read())
        return [one for one in self._ours if one.marker.key == key]

    def _read(self) -> Iterator[_Ours]:
        after: str | None = None
        while True:
            variables = {**self._place, "after": after}
            _, answer = self._client.requester.graphql_query(_COMMENTS, variables)
            page = answer["data"]["repository"]["pullRequest"]["comments"]
            for one in page["nodes"]:
                found = marker.read(one["body"]) if one["viewerDidAuthor"] else None
                if found:
                    yield _Ours(id=int(one["fullDatabaseId"]), url=one["url"], text=one["body"], marker=found[0])
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                return
