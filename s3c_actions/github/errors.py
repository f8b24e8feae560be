"""What GitHub did not do, as sentences one can act on.

https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from s3c_actions.core.errors import OutsideError
from s3c_actions.github.api import wait_asked


class Trouble(Enum):
    """What kept GitHub from doing it."""

    TOKEN = "token"  # noqa: S105
    PERMISSION = "permission"
    LIMIT = "limit"
    LOCKED = "locked"
    DISABLED = "disabled"
    MISSING = "missing"
    REFUSED = "refused"
    TOO_LARGE = "too large"
    FAULT = "fault"


class GitHubError(OutsideError):
    """GitHub did not do it; `trouble` tells why."""

    def __init__(self, trouble: Trouble, what: str, **more: str) -> None:
        super().__init__(what, **more)
        self.trouble = trouble


@contextmanager
def told(doing: str, *, permission: str = "") -> Iterator[None]:
    """Turns what goes wrong within into a GitHubError.

    Args:
        doing: what was tried, as in "The comment could not be written".
        permission: what the token needs for it, as in `pull-requests: write`.
    """
    import requests
    from github import GithubException

    try:
        yield
    except GithubException as error:
        raise _translated(error, doing, permission) from error
    except requests.exceptions.RequestException as error:
        raise GitHubError(
            Trouble.FAULT,
            f"{doing}: GitHub does not answer.",
            cause=_network_cause(error),
            remedy="Run it again; https://www.githubstatus.com tells whether GitHub has trouble.",
            original=str(error)[:500],
        ) from error
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError, RecursionError) as error:
        # What is within reads answers: one without a field that GitHub always has is somebody else's.
        raise GitHubError(
            Trouble.FAULT,
            f"{doing}: the answer is not one of GitHub's.",
            cause="A proxy answered in its place, or this GitHub Enterprise Server is of another age.",
            remedy="Look at GITHUB_API_URL, and at what stands between this machine and it.",
            original=f"{type(error).__name__}: {error}"[:500],
        ) from error


def _network_cause(error: Exception) -> str:
    import requests

    if isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error).lower():
        return "It took too long to answer, several times."
    if isinstance(error, requests.exceptions.RetryError):
        return "It answered with an error of its own, several times."
    return "It cannot be reached from here: a proxy or a firewall may be in the way."


def _translated(error: Any, doing: str, permission: str) -> GitHubError:
    data = error.data if isinstance(error.data, dict) else {"message": str(error.data or "")}
    status, said = error.status, str(data.get("message") or "")
    errors = [one for one in data.get("errors") or () if isinstance(one, dict)]
    details = [str(one.get("message", "")) for one in errors]
    # GraphQL answers 200, whatever came of it.
    status = next((_BY_TYPE[kind] for one in errors if (kind := one.get("type")) in _BY_TYPE), status)
    trouble = _trouble(error, status, said.lower())
    why, cause, remedy = _SENTENCES[trouble]
    asked = wait_asked(error.status, error.headers or {}, time.time())
    until = datetime.fromtimestamp(time.time() + (asked or 60), UTC).strftime("%H:%M:%S UTC")
    yaml = f"Give the job the permission:\npermissions:\n  {permission}" if permission else "Give it the permission."
    return GitHubError(
        trouble,
        f"{doing}: {why.format(until=until, status=status)}.",
        cause=cause,
        remedy=remedy.format(yaml=yaml),
        original=f"{status} {' '.join(dict.fromkeys([said, *details]))}".strip()[:500],
    )


def _trouble(error: Any, status: int, said: str) -> Trouble:
    from github import RateLimitExceededException

    if isinstance(error, RateLimitExceededException) or wait_asked(status, error.headers or {}, 0.0) is not None:
        return Trouble.LIMIT
    if "is locked" in said:
        return Trouble.LOCKED
    if status == 403 and any(part in said for part in ("code scanning is not", "advanced security", "code security")):
        return Trouble.DISABLED
    return _BY_STATUS.get(status, Trouble.FAULT)


_BY_TYPE = {"FORBIDDEN": 403, "NOT_FOUND": 404, "RATE_LIMITED": 429}
_BY_STATUS = {
    400: Trouble.REFUSED,
    401: Trouble.TOKEN,
    403: Trouble.PERMISSION,
    404: Trouble.MISSING,
    410: Trouble.MISSING,
    413: Trouble.TOO_LARGE,
    422: Trouble.REFUSED,
}

_SENTENCES = {
    Trouble.LIMIT: (
        "GitHub's rate limit is used up until {until}",
        "Many runs share the token's limit, or they come too fast after one another.",
        "Run it again after that; a token of its own (`github-token`) has a limit of its own.",
    ),
    Trouble.TOKEN: (
        "GitHub does not know the token",
        "It is mistyped, revoked or expired; a run's own token is valid until its job ends.",
        "Leave `github-token` out to use the run's own, or give one that is valid.",
    ),
    Trouble.LOCKED: ("the conversation is locked", "", "Unlock the conversation, or set `comment: off`."),
    Trouble.DISABLED: (
        "code scanning is not enabled for this repository",
        "It is off in the settings; a private repository needs GitHub Code Security for it.",
        "Enable it under Settings → Code security, or leave the upload out.",
    ),
    Trouble.PERMISSION: (
        "the token may not do that",
        "The job does not have the permission, or it runs for a fork or Dependabot, whose token is read-only.",
        "{yaml}",
    ),
    Trouble.MISSING: (
        "GitHub has nothing there that the token may see",
        "It was deleted, or the token is for another repository.",
        "Look at the repository and the number, and at what the token may read.",
    ),
    Trouble.TOO_LARGE: ("it is too large for GitHub", "", "Give less at once."),
    Trouble.REFUSED: ("GitHub refuses it", "What was sent is not what GitHub expects.", "See what GitHub says."),
    Trouble.FAULT: (
        "GitHub answered with an error ({status})",
        "",
        "Run it again; https://www.githubstatus.com tells whether GitHub has trouble.",
    ),
}
