"""Create the client for GitHub's API through PyGithub, with its waiting behaviour.

https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from s3c_actions.core import response_limits
from s3c_actions.github.libraries import pygithub, pygithub_exceptions, pygithub_retry

BETWEEN_WRITES = 1.0
"""Seconds that GitHub asks for between two writes."""
DEFAULT_API = "https://api.github.com"
DEFAULT_SERVER = "https://github.com"
RETRIES = 3
MAX_WAIT = 60.0
"""The longest single wait, in seconds, that GitHub may ask for; a longer one is an error."""
TIMEOUT = 20
"""Time limit of one answer, in seconds."""


def connect(
    token: str,
    environment: Mapping[str, str],
    notice: Callable[[str], None],
    *,
    patience: float = MAX_WAIT,
    timeout: int = TIMEOUT,
) -> pygithub.Github:
    """Create the client for the GitHub that the environment names: github.com, or an Enterprise Server.

    Args:
        token: a `GITHUB_TOKEN`, an app's or a person's.
        environment: has GITHUB_API_URL on a runner.
        notice: called when GitHub asks to wait.
        patience: the longest wait GitHub may ask for, in seconds.
        timeout: of one answer, in seconds.
    """
    response_limits.install_limits()
    # The library writes errors to standard error by itself; we report them, in our own words and escaped.
    pygithub.set_log_level(logging.CRITICAL)
    return pygithub.Github(
        auth=pygithub.Auth.Token(token),
        base_url=(environment.get("GITHUB_API_URL") or DEFAULT_API).rstrip("/"),
        timeout=timeout,
        per_page=100,
        retry=_retry(notice, patience),
        # A run makes a handful of calls, and GitHub asks for a pause between writes only.
        seconds_between_requests=0,
        seconds_between_writes=BETWEEN_WRITES,
        user_agent="s3c",
        lazy=True,
    )


def server_url(environment: Mapping[str, str]) -> str:
    """Return the address of GitHub's pages."""
    return (environment.get("GITHUB_SERVER_URL") or DEFAULT_SERVER).rstrip("/")


def requested_wait(status: int, headers: Mapping[str, Any], now: float) -> float | None:
    """Return the seconds that an answer asks to wait, by Retry-After or the reset of an exhausted limit, or None.

    Args:
        status: of the answer.
        headers: of the answer, in any case.
        now: seconds since the epoch.
    """
    if status not in {403, 429}:
        return None
    lowered = {name.lower(): str(value) for name, value in headers.items()}
    if lowered.get("retry-after", "").isdigit():
        return float(lowered["retry-after"])
    reset = lowered.get("x-ratelimit-reset", "")
    if lowered.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        # One second more: the limit is reset some time in that second.
        return max(0.0, float(reset) - now) + 1
    return 60.0 if status == 429 else None


def _retry(notice: Callable[[str], None], patience: float) -> pygithub_retry.GithubRetry:
    class Patience(pygithub_retry.GithubRetry):
        """Wait as long as GitHub asks to, unless that is too long; also for 429, which PyGithub ignores."""

        def increment(
            self,
            method: str | None = None,
            url: str | None = None,
            response: Any = None,
            error: Exception | None = None,
            _pool: Any = None,
            _stacktrace: Any = None,
        ) -> Any:
            requested = None
            if response is not None:
                requested = requested_wait(response.status, response.headers, time.time())
                if requested is not None and requested > patience:
                    raise pygithub_exceptions.RateLimitExceededExceedsMaxWait(
                        response.status, {"message": "rate limit"}, dict(response.headers), wait=requested
                    )
            retry = super().increment(method, url, response, error, _pool, _stacktrace)
            if requested is not None:
                notice(f"GitHub's rate limit: waiting {requested:.0f} s, as GitHub asks.")
                retry.get_backoff_time = lambda: requested  # type: ignore[method-assign]
            return retry

    return Patience(
        total=RETRIES,
        backoff_factor=0.5,
        status_forcelist=[429, 500, 502, 503, 504],
        # An edit may be repeated; the caller checks for objects that were created twice.
        allowed_methods=["GET", "POST", "PATCH", "DELETE"],
        max_rate_limit_wait=patience,
    )
