"""Read the target branch of a pull request: its files, and whether a label of the pull request accepts others.

Everything is read through GitHub's API, because the checkout is the pull request's own, and often has only one commit.
https://docs.github.com/rest/repos/contents, https://docs.github.com/rest/issues/events
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.github import api, errors, run
from s3c_actions.github.libraries import pygithub
from s3c_actions.github.run import WorkflowRun

if TYPE_CHECKING:
    from github import Github
    from github.ContentFile import ContentFile

PERMISSION = "contents: read"
LABEL_PERMISSION = "pull-requests: read"
_WHAT = "The target branch's files could not be read"
_MAINTAINERS = frozenset({"admin", "maintain"})


class TargetBranch:
    """The target branch of one pull request.

    Args:
        workflow_run: the run that the pull request caused.
        client: of the repository's GitHub; connected on first use.
    """

    def __init__(self, workflow_run: WorkflowRun, client: Callable[[], Github]) -> None:
        self._run = workflow_run
        self._connect = client
        self._client: Github | None = None
        self._commit = ""
        self._pull: Mapping[str, Any] = workflow_run.payload["pull_request"]

    @property
    def name(self) -> str:
        """Return the name of the branch; untrusted."""
        return str(self._base.get("ref") or "")

    @property
    def from_fork(self) -> bool:
        """Return whether the pull request comes from another repository."""
        head = (self._pull.get("head") or {}).get("repo") or {}
        return str(head.get("full_name", "")).lower() != self._run.repository.lower()

    def content(self, path: str) -> bytes | dict[str, bytes] | None:
        """Return the branch's content at a path.

        Args:
            path: from the repository's root, with slashes.

        Returns:
            The content of a file; of a folder its files, path below it → content; None when nothing exists there.

        Raises:
            OutsideError: it cannot be read, or is a link or a submodule.
        """
        with errors.translate_errors(_WHAT, permission=PERMISSION):
            repository = self._github().get_repo(self._run.repository)
            # Resolved before: an inaccessible branch must not be mistaken for a missing file.
            commit = self._current_commit()
            try:
                contents = repository.get_contents(path, ref=commit)
            except pygithub.UnknownObjectException:
                return None
            if isinstance(contents, list):
                return self._folder(path, contents)
            return self._file(contents)

    def accepted(self, label: str) -> str:
        """Return who accepted the pull request's own files with a label; empty when nobody did.

        The label has to be set now, and whoever set it last has to be a maintainer of the repository, or another user
        than the pull request's author, with write access.

        Raises:
            GitHubError: that could not be looked up.
        """
        with errors.translate_errors("The pull request's labels could not be read", permission=LABEL_PERMISSION):
            repository = self._github().get_repo(self._run.repository)
            issue = repository.get_issue(int(self._pull["number"]))
            if label not in {entry.name for entry in issue.get_labels()}:
                return ""
            set_by = ""
            for event in issue.get_events():
                if event.event in {"labeled", "unlabeled"} and event.label is not None and event.label.name == label:
                    set_by = event.actor.login if event.event == "labeled" and event.actor is not None else ""
            if not set_by:
                return ""
            try:
                role = repository.get_collaborator_role_name(set_by)
                writes = repository.get_collaborator_permission(set_by) in {"admin", "write"}
            except pygithub.UnknownObjectException:
                return ""
            author = (self._pull.get("user") or {}).get("login")
            return set_by if role in _MAINTAINERS or (writes and set_by != author) else ""

    @property
    def _base(self) -> Mapping[str, Any]:
        return self._pull.get("base") or {}

    def _github(self) -> Github:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _current_commit(self) -> str:
        """Return the commit of the branch now; the event's may be older than what was merged for the run."""
        if not self._commit:
            repository = self._github().get_repo(self._run.repository)
            try:
                reference = repository.get_git_ref(f"heads/{self.name}")
                reference.complete()
                self._commit = reference.object.sha
            except pygithub.UnknownObjectException:
                if not self._base.get("sha"):
                    raise
                self._commit = str(self._base["sha"])
        return self._commit

    def _file(self, file: ContentFile) -> bytes:
        if file.type != "file":
            kind = "a link" if file.type == "symlink" else "a submodule"
            raise OutsideError(
                f"{file.path} cannot be compared with the target branch's: there it is {kind}.",
                cause="What a gate is decided with is read from the target branch.",
                remedy="Have it as a file in the repository.",
            )
        if file.encoding == "base64":
            return file.decoded_content
        # The API omits the content of files over 1 MB.
        blob = self._github().get_repo(self._run.repository).get_git_blob(file.sha)
        return base64.b64decode(blob.content)

    def _folder(self, path: str, listed: list[ContentFile]) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        for entry in listed:
            nested = self.content(entry.path)
            name = entry.path.removeprefix(path.rstrip("/")).lstrip("/")
            if isinstance(nested, bytes):
                files[name] = nested
            elif isinstance(nested, dict):
                files |= {f"{name}/{below}": content for below, content in nested.items()}
        return files


def find_target_branch(
    environment: Mapping[str, str], token: Callable[[], str], notice: Callable[[str], None]
) -> TargetBranch | None:
    """Return the target branch of the pull request that a run is for; None when it is for none.

    Args:
        environment: of the process.
        token: called when GitHub is needed.
        notice: called when GitHub asks to wait.

    Raises:
        InputError: the event cannot be read.
    """
    if not environment.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
        return None
    workflow_run = run.read_run(environment)
    if not isinstance(workflow_run.payload.get("pull_request"), dict):
        raise InputError(
            "GITHUB_EVENT_PATH",
            "the event of this pull request is not known, so that its files cannot be compared with its target's.",
            remedy="Leave the variables of the runner to the runner.",
        )
    return TargetBranch(workflow_run, lambda: api.connect(token(), environment, notice))
