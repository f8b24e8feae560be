"""The workflow run: its repository, commit and event, and the pull requests to comment on.

https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3c_actions.core import reading
from s3c_actions.core.errors import InputError
from s3c_actions.github import api, errors

if TYPE_CHECKING:
    from github import Github

DEPENDABOT = "dependabot[bot]"


class _Owner(msgspec.Struct):
    login: str | None = None


class _Repository(msgspec.Struct):
    full_name: str | None = None
    owner: _Owner | None = None


class _Head(msgspec.Struct):
    sha: str | None = None
    repo: _Repository | None = None


class _Pull(msgspec.Struct):
    number: int = 0
    state: str | None = None
    head: _Head | None = None


class _Issue(msgspec.Struct):
    number: int = 0
    state: str | None = None
    pull_request: dict[str, Any] | None = None


class _Ended(msgspec.Struct):
    id: int | None = None
    path: str | None = None
    head_sha: str | None = None
    head_branch: str | None = None
    head_repository: _Repository | None = None


class _Event(msgspec.Struct):
    """The fields of an event that are read, with the types that GitHub documents."""

    pull_request: _Pull | None = None
    issue: _Issue | None = None
    workflow_run: _Ended | None = None
    sender: _Owner | None = None


class WorkflowRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a workflow; outside GitHub Actions only what was given is known.

    Attributes:
        repository: `owner/name`.
        workflow: path of the workflow's file, the same in every run of it.
        job: id of the job.
        id: of the run, higher in every later one; 0 outside GitHub Actions.
        event, payload: of the trigger.
        sha: the commit that was built: of a pull request its head, not the merge GitHub makes of it.
        ref: the full ref, as `refs/pull/7/merge`.
        url: of the run's page, empty outside GitHub Actions.
        server: address of GitHub's pages.
    """

    repository: str
    workflow: str = ""
    job: str = ""
    id: int = 0
    event: str = ""
    payload: Mapping[str, Any] = msgspec.field(default_factory=dict)
    sha: str = ""
    ref: str = ""
    url: str = ""
    server: str = api.DEFAULT_SERVER

    @property
    def read_only(self) -> bool:
        """Return whether this run's token may be read-only: a fork's is, Dependabot's without `permissions:`."""
        pull = self.payload.get("pull_request") or {}
        head = (pull.get("head") or {}).get("repo") or {}
        fork = self.event == "pull_request" and bool(pull) and head.get("full_name") != self.repository
        sender = (self.payload.get("sender") or {}).get("login")
        return fork or (self.event in {"pull_request", "push"} and sender == DEPENDABOT)


def read_run(environment: Mapping[str, str], repository: str = "") -> WorkflowRun:
    """Return the run that the environment describes; for `workflow_run`, the run that ended.

    Args:
        environment: of the process.
        repository: instead of the environment's.

    Raises:
        InputError: no repository is known, or the event cannot be read.
    """
    repository = repository or environment.get("GITHUB_REPOSITORY", "")
    if not repository:
        raise InputError(
            "repository",
            "it is not known which repository this is about.",
            remedy="Give `repository` as owner/name, or set GITHUB_REPOSITORY.",
        )
    event, payload = environment.get("GITHUB_EVENT_NAME", ""), _payload(environment)
    server = api.server_url(environment)
    ended = payload.get("workflow_run") if event == "workflow_run" else None
    if isinstance(ended, dict):
        return WorkflowRun(
            repository=repository,
            workflow=str(ended.get("path", "")).partition("@")[0],
            id=int(ended.get("id") or 0),
            event=event,
            payload=payload,
            sha=str(ended.get("head_sha", "")),
            url=f"{server}/{repository}/actions/runs/{int(ended.get('id') or 0)}",
            server=server,
        )
    number = environment.get("GITHUB_RUN_ID", "")
    workflow = environment.get("GITHUB_WORKFLOW_REF", "").partition("@")[0].removeprefix(f"{repository}/")
    head = (payload.get("pull_request") or {}).get("head") or {}
    return WorkflowRun(
        repository=repository,
        workflow=workflow or environment.get("GITHUB_WORKFLOW", ""),
        job=environment.get("GITHUB_JOB", ""),
        id=int(number) if number.isdigit() else 0,
        event=event,
        payload=payload,
        sha=str(head.get("sha") or environment.get("GITHUB_SHA", "")),
        ref=environment.get("GITHUB_REF", ""),
        url=f"{server}/{repository}/actions/runs/{number}" if number.isdigit() else "",
        server=server,
    )


def pull_requests(run: WorkflowRun, client: Github) -> list[int]:
    """Return the numbers of the open pull requests of a run.

    The event names the pull request of a run for one. Otherwise they are looked up by the branch, and their head has to
    be the commit of the run: `workflow_run` names none for forks, and a later push has a run of its own.

    Raises:
        GitHubError: they could not be looked up.
    """
    pull = run.payload.get("pull_request") or {}
    issue = run.payload.get("issue") or {}
    named = pull or (issue if issue.get("pull_request") else {})
    if named:
        return [int(named["number"])] if named.get("state") != "closed" else []
    owner, branch = _head(run)
    if not branch or not run.sha:
        return []
    with errors.translate_errors("The pull request could not be looked up", permission="pull-requests: read"):
        pulls = client.get_repo(run.repository).get_pulls(state="open", head=f"{owner}:{branch}")
        return sorted(candidate.number for candidate in pulls if candidate.head.sha == run.sha)


def _head(run: WorkflowRun) -> tuple[str, str]:
    """Return owner and branch of the run."""
    ended = run.payload.get("workflow_run") or {}
    if run.event == "workflow_run":
        owner = ((ended.get("head_repository") or {}).get("owner") or {}).get("login", "")
        return owner, ended.get("head_branch") or ""
    branch = run.ref.removeprefix("refs/heads/") if run.ref.startswith("refs/heads/") else ""
    return run.repository.partition("/")[0], branch


def _payload(environment: Mapping[str, str]) -> Mapping[str, Any]:
    path = environment.get("GITHUB_EVENT_PATH")
    if not path or not Path(path).exists():
        return {}
    try:
        payload = reading.parse_json(reading.read_file(Path(path), reading.MAX_DOCUMENT_BYTES))
        if isinstance(payload, dict):
            msgspec.convert(payload, type=_Event)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise InputError("GITHUB_EVENT_PATH", f"the event in {path} cannot be read: {error}.") from error
    return payload if isinstance(payload, dict) else {}
