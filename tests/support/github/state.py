"""What the stand-in for GitHub remembers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.github.code_scanning import Alert
from tests.support.github.git import Git

ACTIONS = "github-actions[bot]"
FULL = frozenset({"contents:read", "pull-requests:write", "security-events:write", "actions:read"})
READ_ONLY = frozenset({"contents:read", "pull-requests:read", "actions:read"})
"""What `GITHUB_TOKEN` may do in a run that a fork or Dependabot caused."""


@dataclass
class Token:
    """Who comes with it, and what it may do: `pull-requests:write`. `write` has `read` in it."""

    login: str = ACTIONS
    permissions: frozenset[str] = FULL
    revoked: bool = False

    def may(self, *any_of: str) -> bool:
        """Whether it has any of these."""
        return any(
            permission in self.permissions or f"{permission.partition(':')[0]}:write" in self.permissions
            for permission in any_of
        )


@dataclass
class Comment:
    """A comment of an issue or a pull request; `minimized` is the reason it was hidden for."""

    id: int
    number: int
    author: str
    body: str
    created: datetime
    updated: datetime
    minimized: str = ""


@dataclass
class Pull:
    """A pull request; `head_repository` is another one when it comes from a fork, `labelled` its labels' events."""

    number: int
    branch: str
    sha: str
    head_repository: str
    state: str = "open"
    locked: bool = False
    title: str = "A change"
    body: str = ""
    base: str = "main"
    author: str = "developer"
    labels: list[str] = field(default_factory=list)
    labelled: list[tuple[str, str, str]] = field(default_factory=list)

    def label(self, name: str, by: str) -> None:
        """Set a label."""
        self.labels.append(name)
        self.labelled.append(("labeled", name, by))

    def unlabel(self, name: str, by: str) -> None:
        """Take a label away."""
        self.labels.remove(name)
        self.labelled.append(("unlabeled", name, by))


@dataclass
class Issue:
    """An issue; `reason` is what it was closed for."""

    number: int
    author: str
    title: str
    body: str
    labels: list[str] = field(default_factory=list)
    state: str = "open"
    reason: str | None = None
    locked: bool = False


@dataclass
class Artifact:
    """An artifact of a run; `data` is the archive."""

    id: int
    run: int
    name: str
    data: bytes
    expired: bool = False
    size: int | None = None


PROTECTED = ("protected branches",)


@dataclass
class Environment:
    """Where jobs run: whether somebody has to review that, and patterns of branches that may (None: every branch)."""

    reviewers: bool = False
    branches: tuple[str, ...] | None = None


@dataclass
class Upload:
    """One SARIF file handed in; it is looked at when its status has been asked for often enough."""

    id: str
    request: dict[str, Any]
    sarif: bytes
    pending: int
    errors: list[str] | None = None


@dataclass
class State:
    """One repository and all around it.

    Attributes:
        roles: of collaborators: `admin`, `maintain`, `write`, `triage` or `read`.
        protected: the protected branches.
        dependency_graph: whether it is switched on; `snapshots` are those kept, by detector and correlator.
        snapshot_result: what a snapshot that is valid is answered with.
        code_scanning: whether it is switched on; `ingested` are the alerts of uploads.
        organization: whether the owner is one; `deployments` and `storage` are the records of its linked artifacts.
        last_id: ids of comments are over 32 bits by now, which GraphQL's Int does not hold.
        pending: how often the status of an upload is `pending`.
    """

    repository: str = "octo/shop"
    organization: bool = True
    deployments: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    storage: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    artifacts: list[Artifact] = field(default_factory=list)
    uploads: dict[str, Upload] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    ingested: tuple[Alert, ...] = ()
    git: Git = field(default_factory=Git)
    roles: dict[str, str] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)
    code_scanning: bool = True
    dependency_graph: bool = True
    snapshot_result: str = "SUCCESS"
    snapshots: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    pending: int = 1
    last_id: int = 2_900_000_000
    lock: threading.RLock = field(default_factory=threading.RLock)

    def next_id(self) -> int:
        """An id that nothing has."""
        with self.lock:
            self.last_id += 1
            return self.last_id

    def comment(self, number: int, body: str, author: str = ACTIONS) -> Comment:
        """A new comment."""
        now = datetime.now(UTC).replace(microsecond=0)
        comment = Comment(self.next_id(), number, author, body, now, now)
        self.comments[comment.id] = comment
        return comment

    def of(self, number: int) -> list[Comment]:
        """The comments of one pull request, in GitHub's order."""
        return sorted(
            (comment for comment in self.comments.values() if comment.number == number), key=lambda comment: comment.id
        )

    def issue(self, title: str, body: str, author: str = ACTIONS, **more: Any) -> Issue:
        """A new issue."""
        with self.lock:
            number = max([*self.issues, *self.pulls, 0]) + 1
            issue = Issue(number=number, author=author, title=title, body=body, **more)
            self.issues[number] = issue
        return issue

    def pull(self, number: int = 7, *, head_repository: str = "", **more: Any) -> Pull:
        """A new pull request."""
        pull = Pull(
            number=number,
            branch=more.pop("branch", f"change-{number}"),
            sha=more.pop("sha", f"{number:040x}"),
            head_repository=head_repository or self.repository,
            **more,
        )
        self.pulls[number] = pull
        return pull
