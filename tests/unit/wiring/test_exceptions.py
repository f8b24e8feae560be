"""What is shown of break-glass exceptions, and when nobody is asked for them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.core.progress import Silent
from s3c_actions.policy.break_glass import JudgedException
from s3c_actions.wiring import exceptions
from s3c_actions.wiring.context import Context
from tests.support import exceptions as samples

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
COUNTS = JudgedException(digest=samples.digest(1), grant=samples.grant(NOW), granter="oncall", ignored="")
IGNORED = JudgedException(digest=samples.digest(2), grant=None, granter="", ignored="it cannot be read")


class Recording(Silent):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notices: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def notice(self, text: str) -> None:
        self.notices.append(text)


class Given:
    """As much of a context as is read here."""

    def __init__(self) -> None:
        self.progress, self.now = Recording(), NOW


def test_one_that_counts_is_a_warning_and_another_a_notice() -> None:
    given = Given()
    warnings = exceptions.report_exceptions("registry.example/app", [COUNTS, IGNORED], cast("Context", given))
    assert list(warnings) == given.progress.warnings
    assert "registry.example/app: exception sha256:000000000000 excuses CVE-2024-1" in given.progress.warnings[0]
    assert given.progress.notices == [
        "registry.example/app: exception sha256:000000000000 does not count: it cannot be read"
    ]


def test_the_list_has_a_line_for_each_and_no_control_characters() -> None:
    hostile = JudgedException(
        digest=samples.digest(3), grant=samples.grant(NOW, who="Ada \x1b[31m"), granter="oncall", ignored=""
    )
    text = exceptions.describe_exceptions("app", [COUNTS, IGNORED, hostile], NOW)
    assert text.splitlines()[0] == "app: 3 exceptions"
    assert len(text.splitlines()) == 4
    assert "\x1b" not in text
    assert exceptions.describe_exceptions("app", [], NOW) == "app: no exceptions\n"


def test_without_a_policy_that_lets_somebody_grant_them_nobody_is_asked(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\n")
    anything = cast("Any", None)
    for path in (None, policy):
        with exceptions.open_exception_finder(path, anything, anything, {"registry.example"}) as find:
            assert find("registry.example/app@sha256:1") == ()
    with pytest.raises(InputError, match="lets nobody grant exceptions"):
        exceptions.read_policy(policy)
