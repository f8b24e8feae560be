"""Ask GitHub what a token may do, without doing it.

https://docs.github.com/rest/repos/repos#get-a-repository, https://docs.github.com/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
"""

from __future__ import annotations

from collections.abc import Mapping

from s3c_actions.github import api
from s3c_actions.github.errors import translate_errors

PATIENCE = 2.0
_LEVELS = ("admin", "maintain", "push", "triage", "pull")


def describe(token: str, repository: str, environment: Mapping[str, str]) -> str:
    """Return what GitHub says of a token, as a clause.

    Args:
        token: as for `api.connect`.
        repository: owner/name; empty: only whether the token is accepted.
        environment: of the process.

    Raises:
        GitHubError: it is not accepted, or may not read the repository.
    """
    client = api.connect(token, environment, lambda _text: None, patience=PATIENCE, timeout=10)
    path = f"/repos/{repository}" if repository else "/rate_limit"
    with translate_errors("The token could not be checked", permission="metadata: read"):
        headers, answer = client.requester.requestJsonAndCheck("GET", path)
    scopes = str(headers.get("x-oauth-scopes") or "")
    given = f", with the scopes {scopes}" if scopes else ""
    if not repository:
        return f"accepted{given}; no repository is given"
    permissions = answer.get("permissions") if isinstance(answer, dict) else None
    level = next((name for name in _LEVELS if isinstance(permissions, dict) and permissions.get(name) is True), "")
    if level:
        return f"accepted{given}: {level} on {repository}"
    return f"accepted{given}: reads {repository}; what else a job's token may do stands in its `permissions:` alone"
