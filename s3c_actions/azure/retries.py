"""How requests to Azure are tried again when a service is busy, has a fault, or the connection breaks.

azure-core's own policy repeats a POST only after 500, 503 and 504, or when the answer has Retry-After, which Key Vault
leaves out when it throttles. Each request sent here may be repeated: to sign, to exchange a token or to read changes
nothing.

https://learn.microsoft.com/azure/key-vault/general/overview-throttling
https://learn.microsoft.com/azure/architecture/best-practices/retry-service-specific
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from s3c_actions.azure.tries import MAX_TRIES, RETRIED
from s3c_actions.core.libraries import IMPORTING

with IMPORTING:
    from azure.core.exceptions import AzureError
    from azure.core.pipeline.policies import RetryPolicy

MAX_CONNECTION_TRIES = 4
"""Fewer where no connection comes about: that is mostly a name, a proxy or a firewall."""
FIRST_WAIT, MAX_WAIT = 1.0, 16.0
"""Seconds before the second try and before any later one; it doubles, and varies by a quarter."""
MAX_RETRY_AFTER = 60.0
"""Seconds of a Retry-After that are waited; a longer one counts as none."""
PATIENCE = 120.0
"""Seconds after the first try when no other one is begun any more."""
_JITTER = random.SystemRandom()


class Retries(RetryPolicy[Any, Any]):
    """The retry policy of every Azure client.

    Args:
        announce: called before each wait, with its seconds and the HTTP status, 0 without an answer.
        options: of azure-core's policy; its numbers of tries and its waits have no effect.
    """

    def __init__(
        self, *, announce: Callable[[float, int], None] = lambda _seconds, _status: None, **options: Any
    ) -> None:
        super().__init__(**options)
        self._announce = announce
        self._last = threading.local()

    @property
    def tries(self) -> int:
        """How often the last request of this thread was sent."""
        return int(getattr(self._last, "tries", 0))

    def configure_retries(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of one request."""
        settings = super().configure_retries(options)
        self._last.tries = 1
        return settings | {
            "total": MAX_TRIES - 1,
            "status": MAX_TRIES - 1,
            "read": MAX_TRIES - 1,
            "connect": MAX_CONNECTION_TRIES - 1,
            "methods": frozenset({"GET", "HEAD", "POST"}),
            "until": time.monotonic() + PATIENCE,
        }

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        """Return whether an answer is one after which the request is sent again."""
        return response.http_response.status_code in RETRIED

    def increment(self, settings: dict[str, Any], response: Any = None, error: Exception | None = None) -> bool:
        """Count a try, choose the wait, and return whether there is another one."""
        if not super().increment(settings, response=response, error=error):
            return False
        settings["wait"] = _wait(self.tries, 0.0 if error else self._retry_after(response))
        if time.monotonic() + settings["wait"] > settings["until"]:
            return False
        self._last.tries += 1
        return True

    def sleep(self, settings: dict[str, Any], transport: Any, response: Any = None) -> None:
        """Wait before the next try."""
        self._announce(settings["wait"], response.http_response.status_code if response is not None else 0)
        transport.sleep(settings["wait"])

    def _retry_after(self, response: Any) -> float:
        """Return the seconds of Retry-After; 0 without one, or when it cannot be followed."""
        try:
            seconds = self.get_retry_after(response) or 0.0
        except (ValueError, TypeError, AttributeError, OverflowError, AzureError):
            return 0.0
        return seconds if math.isfinite(seconds) and seconds <= MAX_RETRY_AFTER else 0.0


def _wait(tried: int, retry_after: float) -> float:
    backoff = min(MAX_WAIT, FIRST_WAIT * 2.0 ** (tried - 1))
    # Never earlier than asked for; and jobs that were turned away together do not return together.
    return max(backoff * _JITTER.uniform(0.75, 1.25), retry_after * _JITTER.uniform(1.0, 1.25))
