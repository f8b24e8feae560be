"""How often a request to Azure is sent, and after which answers: what `retries` does and messages say."""

from __future__ import annotations

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
"""The HTTP statuses after which a request is sent again."""
MAX_TRIES = 6


def count_tries(tries: int) -> str:
    """Describe a number of tries, such as `once` or `6 times`."""
    return "once" if tries <= 1 else f"{tries} times"
