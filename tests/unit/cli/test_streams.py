"""Where progress is drawn in place; what a console shows is tested with whole runs (test_run.py)."""

from __future__ import annotations

import io

import pytest

from s3c_actions.cli.streams import is_live


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "live"),
    [
        (Terminal(), {"TERM": "xterm-256color"}, True),
        (Terminal(), {}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"TERM": "unknown"}, False),
        (Terminal(), {"TERM": "xterm", "CI": "true"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
    ids=["terminal", "unnamed", "dumb", "unknown", "ci", "file"],
)
def test_progress_is_drawn_where_it_can_be(stream: io.StringIO, environment: dict[str, str], live: bool) -> None:
    assert is_live(stream, environment) == live
