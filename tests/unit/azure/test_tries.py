"""A number of tries as messages give it."""

from __future__ import annotations

import pytest

from s3c_actions.azure.tries import MAX_TRIES, count_tries


@pytest.mark.parametrize(("tries", "described"), [(0, "once"), (1, "once"), (2, "2 times"), (MAX_TRIES, "6 times")])
def test_tries_are_counted_in_words(tries: int, described: str) -> None:
    assert count_tries(tries) == described
