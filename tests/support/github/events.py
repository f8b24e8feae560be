"""What a runner tells a step of the event that caused it: the parts of the webhook payloads that GitHub documents.

https://docs.github.com/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.github.server import GitHub
from tests.support.github.state import Pull

WORKFLOW = ".github/workflows/images.yml"


def pull_request(github: GitHub, pull: Pull, *, sender: str = "developer") -> dict[str, Any]:
    """The payload of `pull_request`."""
    return {
        "action": "synchronize",
        "number": pull.number,
        "pull_request": {
            "number": pull.number,
            "state": pull.state,
            "title": pull.title,
            "labels": [{"name": name} for name in pull.labels],
            "user": {"login": pull.author},
            "head": {"ref": pull.branch, "sha": pull.sha, "repo": {"full_name": pull.head_repository}},
            "base": {"ref": "main", "repo": {"full_name": github.state.repository}},
        },
        "repository": {"full_name": github.state.repository},
        "sender": {"login": sender},
    }


def workflow_run(github: GitHub, pull: Pull, *, run: int) -> dict[str, Any]:
    """The payload of `workflow_run`: for a fork `pull_requests` is empty."""
    owner, _, _ = pull.head_repository.partition("/")
    return {
        "action": "completed",
        "workflow_run": {
            "id": run,
            "event": "pull_request",
            "path": WORKFLOW,
            "head_branch": pull.branch,
            "head_sha": pull.sha,
            "head_repository": {"full_name": pull.head_repository, "owner": {"login": owner}},
            "pull_requests": [],
        },
        "repository": {"full_name": github.state.repository},
        "sender": {"login": owner},
    }


def server(github: GitHub, *, run: int) -> dict[str, str]:
    """What tells a run under act which GitHub it belongs to."""
    return {
        "GITHUB_API_URL": github.api,
        "GITHUB_SERVER_URL": github.url,
        "GITHUB_REPOSITORY": github.state.repository,
        "GITHUB_RUN_ID": str(run),
    }


def environment(
    github: GitHub, folder: Path, event: str, payload: dict[str, Any] | None = None, *, run: int = 1
) -> dict[str, str]:
    """The variables that a runner sets for a step."""
    path = folder / "event.json"
    path.write_text(json.dumps(payload or {}))
    number = (payload or {}).get("number", 0)
    return {
        "HOME": str(folder),
        "RUNNER_TEMP": str(folder),
        "GITHUB_ACTIONS": "true",
        **server(github, run=run),
        "GITHUB_WORKFLOW": "images",
        "GITHUB_WORKFLOW_REF": f"{github.state.repository}/{WORKFLOW}@refs/pull/{number}/merge",
        "GITHUB_JOB": "scan",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REF": f"refs/pull/{number}/merge",
        "GITHUB_SHA": "e" * 40,
    }


def of_pull(github: GitHub, folder: Path, pull: Pull, *, sender: str = "developer", run: int = 1) -> dict[str, str]:
    """The variables of a step that a pull request caused."""
    return environment(github, folder, "pull_request", pull_request(github, pull, sender=sender), run=run)
