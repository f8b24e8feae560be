"""Ask GitHub for the commit that a tag names.

https://docs.github.com/rest/commits/commits#get-a-commit
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from s3c_actions.core import reading, web
from s3c_actions.core.errors import OutsideError
from s3c_actions.core.libraries import requests
from s3c_actions.github.api import DEFAULT_API, TIMEOUT


def find_commit(repository: str, tag: str, token: str = "", environment: Mapping[str, str] | None = None) -> str:
    """Return the commit of a tag, 40 hexadecimal digits.

    Args:
        repository: owner/name, on github.com.
        tag: of it.
        token: raises the limit on requests; none is needed.
        environment: without it or GITHUB_API_URL in it, github.com is asked.

    Raises:
        OutsideError: GitHub cannot be reached, has no such tag, or refuses to answer.
    """
    api = ((environment or {}).get("GITHUB_API_URL") or DEFAULT_API).rstrip("/")
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with web.create_session() as session:
        try:
            answer = session.get(f"{api}/repos/{repository}/commits/{quote(tag)}", headers=headers, timeout=TIMEOUT)
        except requests.exceptions.RequestException as error:
            raise OutsideError(
                f"GitHub could not be asked for the commit of {repository} {tag}.",
                cause="It cannot be reached from here.",
                original=str(error),
            ) from error
    commit = _sha(answer.content) if answer.status_code == 200 else ""
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise OutsideError(
            f"GitHub does not say which commit {repository} {tag} is: it answers {answer.status_code}.",
            cause="The tag or the repository is not there, or too much was asked from this address.",
        )
    return commit


def _sha(content: bytes) -> str:
    try:
        document = reading.parse_json(content)
    except ValueError:
        return ""
    return str(document.get("sha", "")) if isinstance(document, dict) else ""
