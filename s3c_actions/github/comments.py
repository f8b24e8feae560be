"""Keep our comments on one pull request: find, write and deduplicate them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from s3c_actions.github import errors, marker
from s3c_actions.github.libraries import pygithub
from s3c_actions.github.marker import Marker

if TYPE_CHECKING:
    from github import Github
    from github.IssueComment import IssueComment

PERMISSION = "pull-requests: write"
ATTEMPTS = 3
_RACE = timedelta(minutes=5)
"""How far back comments of concurrent runs are looked for: longer than a listing can take."""


class CommentOutcome(Enum):
    """The result of writing a comment."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    NEWER = "left to a newer run"
    NOT_BEGUN = "not begun"


class CommentDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A comment to write.

    Attributes:
        key: of the comment, see `marker.key`.
        body: its Markdown, without the marker.
        says: its content without what differs from run to run, to detect changes.
        run: id of the run that writes it.
        begins: whether to create the comment when there is none.
        only_changes: whether to leave one with the same content as it is, although it is from an earlier run.
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
        """Return the comment's whole text."""
        return marker.add_marker(self.body, key=self.key, says=self.says, run=self.run)


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
"""By GraphQL, because it states which comments are ours: a run's token may not ask for its user, and REST would need
an extra call for that."""


class _OwnComment(msgspec.Struct, frozen=True, kw_only=True):
    """A comment that this token wrote, with a marker."""

    id: int
    url: str
    text: str
    marker: Marker


class Conversation:
    """The comments of one pull request. Read once; a write that finds them changed reads them again.

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
        self._ours: list[_OwnComment] | None = None

    def put(self, message: CommentDraft) -> tuple[CommentOutcome, str]:
        """Ensure that one comment has this content.

        Returns:
            The result, and the comment's address (empty when there is none).

        Raises:
            GitHubError: it could not be read or written.
        """
        for attempt in range(ATTEMPTS):
            with errors.translate_errors("The comments could not be read", permission=PERMISSION):
                own_comments = self._own_comments(message.key)
            try:
                with errors.translate_errors("The comment could not be written", permission=PERMISSION):
                    return self._write(message, own_comments)
            except errors.GitHubError as error:
                # It was deleted since it was read.
                if error.trouble is not errors.FailureKind.MISSING or not own_comments or attempt == ATTEMPTS - 1:
                    raise
                self._ours = None
        raise AssertionError

    def _write(self, message: CommentDraft, own_comments: list[_OwnComment]) -> tuple[CommentOutcome, str]:
        if not own_comments:
            if not message.begins:
                return CommentOutcome.NOT_BEGUN, ""
            return CommentOutcome.CREATED, self._create(message)
        first, *duplicates = own_comments
        for duplicate in duplicates:
            self._delete(self._issue.get_comment(duplicate.id))
        if first.marker.run > message.run > 0:
            return CommentOutcome.NEWER, first.url
        if self._is_unchanged(message, first):
            return CommentOutcome.UNCHANGED, first.url
        comment = self._issue.get_comment(first.id)
        if message.anew and first.marker.says != marker.text_hash(message.says):
            comment.edit(marker.retire_marker(first.text))
            comment.minimize("OUTDATED")
            return CommentOutcome.CREATED, self._create(message)
        comment.edit(message.marked)
        return CommentOutcome.UPDATED, first.url

    def _is_unchanged(self, message: CommentDraft, existing: _OwnComment) -> bool:
        parsed = marker.read(existing.text)
        edited = parsed is None or marker.text_hash(parsed[1]) != existing.marker.text
        expected, actual = (
            (existing.marker.says, message.says) if message.only_changes else (existing.marker.text, message.body)
        )
        return not edited and expected == marker.text_hash(actual)

    def _create(self, message: CommentDraft) -> str:
        """Create the comment, and check for concurrent creations: the first one stays, with the newest content."""
        created = self._issue.create_comment(message.marked)
        since = created.created_at - _RACE
        same = [
            comment
            for comment in self._issue.get_comments(since=since)
            if comment.user.login == created.user.login
            and (parsed := marker.read(comment.body))
            and parsed[0].key == message.key
        ]
        first = min(same, key=lambda comment: comment.id, default=created)
        for comment in same:
            if comment.id != first.id:
                self._delete(comment)
        if first.id != created.id:
            parsed = marker.read(first.body)
            if parsed is None or parsed[0].run <= message.run:
                first.edit(message.marked)
        return first.html_url

    def _delete(self, comment: IssueComment) -> None:
        # A concurrent run may have deleted it already.
        with suppress(pygithub.UnknownObjectException):
            comment.delete()

    def _own_comments(self, key: str) -> list[_OwnComment]:
        """Return the comments with that key that this token wrote, the oldest first; markers of others are forged."""
        if self._ours is None:
            self._ours = list(self._read_comments())
        return [comment for comment in self._ours if comment.marker.key == key]

    def _read_comments(self) -> Iterator[_OwnComment]:
        after: str | None = None
        while True:
            variables = {**self._place, "after": after}
            _, answer = self._client.requester.graphql_query(_COMMENTS, variables)
            page = answer["data"]["repository"]["pullRequest"]["comments"]
            for node in page["nodes"]:
                parsed = marker.read(node["body"]) if node["viewerDidAuthor"] else None
                if parsed:
                    yield _OwnComment(
                        id=int(node["fullDatabaseId"]), url=node["url"], text=node["body"], marker=parsed[0]
                    )
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                return
