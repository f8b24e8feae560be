"""Translate failures of GitHub's API into errors that users can act on.

https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from typing import Any

from s3c_actions.core.errors import OutsideError, S3CError
from s3c_actions.core.explain import Case, explain
from s3c_actions.core.libraries import requests
from s3c_actions.github.api import requested_wait
from s3c_actions.github.libraries import pygithub


class FailureKind(Enum):
    """The reason for which a request to GitHub failed."""

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
    """A request to GitHub failed; `trouble` is the reason."""

    def __init__(self, trouble: FailureKind, what: str, **more: str) -> None:
        super().__init__(what, **more)
        self.trouble = trouble


@contextmanager
def translate_errors(doing: str, *, permission: str = "") -> Iterator[None]:
    """Translate exceptions of the block into GitHubError.

    Args:
        doing: the failed action, as in "The comment could not be written".
        permission: that the token needs for it, as in `pull-requests: write`.
    """
    try:
        yield
    except pygithub.GithubException as error:
        raise _translate_answer(error, doing, permission) from error
    except requests.exceptions.RequestException as error:
        raise GitHubError(
            FailureKind.FAULT,
            f"{doing}: GitHub does not answer.",
            cause=_network_cause(error),
            remedy="Run it again; https://www.githubstatus.com tells whether GitHub has trouble.",
            original=str(error)[:500],
        ) from error
    except (
        pygithub.BadAttributeException,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        AssertionError,
        RecursionError,
    ) as error:
        # The block parses answers: one without a field that GitHub always sends is not from GitHub.
        raise GitHubError(
            FailureKind.FAULT,
            f"{doing}: the answer is not one of GitHub's.",
            cause="A proxy answered in its place, or this GitHub Enterprise Server is of another age.",
            remedy="Look at GITHUB_API_URL, and at what stands between this machine and it.",
            original=f"{type(error).__name__}: {error}"[:500],
        ) from error


def _network_cause(error: Exception) -> str:
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error).lower():
        return "It took too long to answer, several times."
    if isinstance(error, requests.exceptions.RetryError):
        return "It answered with an error of its own, several times."
    return "It cannot be reached from here: a proxy or a firewall may be in the way."


def _translate_answer(error: Any, doing: str, permission: str) -> S3CError:
    body = error.data if isinstance(error.data, dict) else {"message": str(error.data or "")}
    status, message = error.status, str(body.get("message") or "")
    details = [detail for detail in body.get("errors") or () if isinstance(detail, dict)]
    detail_messages = [str(detail.get("message", "")) for detail in details]
    # GraphQL answers 200 also for errors.
    status = next(
        (_STATUS_BY_TYPE[kind] for detail in details if (kind := detail.get("type")) in _STATUS_BY_TYPE), status
    )
    wait = requested_wait(error.status, error.headers or {}, time.time())
    facts = {
        "doing": doing,
        "status": status,
        "until": datetime.fromtimestamp(time.time() + (wait or 60), UTC).strftime("%H:%M:%S UTC"),
        "permission": f"Give the job the permission:\npermissions:\n  {permission}"
        if permission
        else "Give it the permission.",
    }
    limited = "limited" if _is_limited(error, status) else "answered"
    original = f"{status} {' '.join(dict.fromkeys([message, *detail_messages]))}".strip()[:500]
    return explain(f"{limited} {status}: {message.lower()}", CASES, facts, original=original) or GitHubError(
        FailureKind.FAULT,
        f"{doing}: GitHub answered with an error ({status}).",
        remedy="Run it again; https://www.githubstatus.com tells whether GitHub has trouble.",
        original=original,
    )


def _is_limited(error: Any, status: int) -> bool:
    return (
        isinstance(error, pygithub.RateLimitExceededException)
        or requested_wait(status, error.headers or {}, 0.0) is not None
    )


_STATUS_BY_TYPE = {"FORBIDDEN": 403, "NOT_FOUND": 404, "RATE_LIMITED": 429}
# Each answer is matched as one text: `limited STATUS: message` when it asks to wait, else `answered STATUS: message`,
# in lower case.
CASES = (
    Case(
        pattern=r"\Alimited ",
        kind=partial(GitHubError, FailureKind.LIMIT),
        what="{doing}: GitHub's rate limit is used up until {until}.",
        cause="Many runs share the token's limit, or they come too fast after one another.",
        remedy="Run it again after that; a token of its own (`github-token`) has a limit of its own.",
    ),
    Case(
        pattern=r"is locked",
        kind=partial(GitHubError, FailureKind.LOCKED),
        what="{doing}: the conversation is locked.",
        remedy="Unlock the conversation, or set `comment: off`.",
    ),
    Case(
        pattern=r"code scanning is not|advanced security|code security",
        also=r"\Aanswered 403:",
        kind=partial(GitHubError, FailureKind.DISABLED),
        what="{doing}: code scanning is not enabled for this repository.",
        cause="It is off in the settings; a private repository needs GitHub Code Security for it.",
        remedy="Enable it under Settings → Code security, or leave the upload out.",
    ),
    Case(
        pattern=r"\Aanswered 401:",
        kind=partial(GitHubError, FailureKind.TOKEN),
        what="{doing}: GitHub does not know the token.",
        cause="It is mistyped, revoked or expired; a run's own token is valid until its job ends.",
        remedy="Leave `github-token` out to use the run's own, or give one that is valid.",
    ),
    Case(
        pattern=r"\Aanswered 403:",
        kind=partial(GitHubError, FailureKind.PERMISSION),
        what="{doing}: the token may not do that.",
        cause="The job does not have the permission, or it runs for a fork, whose token is read-only; so is that of a "
        "run for Dependabot without `permissions:`.",
        remedy="{permission}",
    ),
    Case(
        pattern=r"\Aanswered (?:404|410):",
        kind=partial(GitHubError, FailureKind.MISSING),
        what="{doing}: GitHub has nothing there that the token may see.",
        cause="It was deleted, or the token is for another repository.",
        remedy="Look at the repository and the number, and at what the token may read.",
    ),
    Case(
        pattern=r"\Aanswered 413:",
        kind=partial(GitHubError, FailureKind.TOO_LARGE),
        what="{doing}: it is too large for GitHub.",
        remedy="Give less at once.",
    ),
    Case(
        pattern=r"\Aanswered (?:400|422):",
        kind=partial(GitHubError, FailureKind.REFUSED),
        what="{doing}: GitHub refuses it.",
        cause="What was sent is not what GitHub expects.",
        remedy="See what GitHub says.",
    ),
)
