"""GitHub's API through PyGithub: the client, and how long it waits.

https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from s3c_actions.core import answers

if TYPE_CHECKING:
    from github import Github
    from github.GithubRetry import GithubRetry

DEFAULT_API = "https://api.github.com"
DEFAULT_SERVER = "https://github.com"
RETRIES = 3
PATIENCE = 60.0
"""The longest single wait, in seconds, that GitHub may ask for; beyond it the limit is told instead."""
TIMEOUT = 20
"""Seconds that one answer may take."""


def connect(
    token: str,
    environment: Mapping[str, str],
    notice: Callable[[str], None],
    *,
    patience: float = PATIENCE,
    timeout: int = TIMEOUT,
) -> Github:
    """The client for the GitHub that the environment names: github.com, or an Enterprise Server.

    Args:
        token: a `GITHUB_TOKEN`, an app's or a person's.
        environment: has GITHUB_API_URL on a runner.
        notice: told when GitHub asks to wait.
        patience: the longest wait GitHub may ask for, in seconds.
        timeout: seconds that one answer may take.
    """
    from github import Auth, Github, set_log_level

    answers.limit()
    # It writes what goes wrong to standard error by itself; we tell it, in our own words and escaped.
    set_log_level(logging.CRITICAL)
    return Github(
        auth=Auth.Token(token),
        base_url=(environment.get("GITHUB_API_URL") or DEFAULT_API).rstrip("/"),
        timeout=timeout,
        per_page=100,
        retry=_retry(notice, patience),
        # A run makes a handful of calls, and GitHub asks for a pause between writes alone.
        seconds_between_requests=0,
        user_agent="s3c",
        lazy=True,
    )


def server(environment: Mapping[str, str]) -> str:
    """The address of GitHub's pages."""
    return (environment.get("GITHUB_SERVER_URL") or DEFAULT_SERVER).rstrip("/")


def wait_asked(status: int, headers: Mapping[str, Any], now: float) -> float | None:
    """The seconds that an answer asks to wait, by Retry-After or by the reset of a used-up limit; None when none.

    Args:
        status: of the answer.
        headers: of the answer, in any case.
        now: seconds of the epoch.
    """
    if status not in {403, 429}:
        return None
    lowered = {name.lower(): str(value) for name, value in headers.items()}
    if lowered.get("retry-after", "").isdigit():
        return float(lowered["retry-after"])
    reset = lowered.get("x-ratelimit-reset", "")
    if lowered.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        # One second more: the limit is renewed some time in that second.
        return max(0.0, float(reset) - now) + 1
    return 60.0 if status == 429 else None


def _retry(notice: Callable[[str], None], patience: float) -> GithubRetry:
    from github.GithubException import RateLimitExceededExceedsMaxWait
    from github.GithubRetry import GithubRetry

    class Patience(GithubRetry):
        """Waits as long as GitHub asks to, unless that is too long; also for 429, which PyGithub leaves out."""

        def increment(
            self,
            method: str | None = None,
            url: str | None = None,
            response: Any = None,
            error: Exception | None = None,
            _pool: Any = None,
            _stacktrace: Any = None,
        ) -> Any:
            asked = None
            if response is not None:
                asked = wait_asked(response.status, response.headers, time.time())
                if asked is not None and asked > patience:
                    raise RateLimitExceededExceedsMaxWait(
                        response.status, {"message": "rate limit"}, dict(response.headers), wait=asked
                    )
            retry = super().increment(method, url, response, error, _pool, _stacktrace)
            if asked is not None:
                notice(f"GitHub's rate limit: waiting {asked:.0f} s, as GitHub asks.")
                retry.get_backoff_time = lambda: asked  # type: ignore[method-assign]
            return retry

    return Patience(
        total=RETRIES,
        backoff_factor=0.5,
        status_forcelist=[429, 500, 502, 503, 504],
        # An edit comes out the same when it is done twice; what was created twice, the caller looks for.
        allowed_methods=["GET", "POST", "PATCH", "DELETE"],
        max_rate_limit_wait=patience,
    )
