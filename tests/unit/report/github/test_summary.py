"""The summary of a command that an error ended, with and without a template."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import S3CError
from s3c_actions.core.secrets import Secrets
from s3c_actions.findings.scope import SettingsFile
from s3c_actions.report.github import summary
from s3c_actions.report.render import markdown
from s3c_actions.result.document import build_document
from s3c_actions.result.model import Outcome

OUTCOME = Outcome(command="scan", images=(), exit_code=2)
WITH_FILE = replace(OUTCOME, settings=(SettingsFile(kind="policy", path="p.yaml", sha256="ab" * 32),))


def rendered(outcome: Outcome, error: S3CError) -> str:
    return summary.render(build_document(outcome, datetime(2026, 11, 30, tzinfo=UTC), Secrets(), error))


@pytest.mark.parametrize("cause", ["", "<b>a</b> | @me"])
@pytest.mark.parametrize("original", ["", "two\n\n\nlines of #1"])
def test_an_error_alone_is_shown_as_beside_other_facts(
    cause: str, original: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = S3CError("it is *none*", cause=cause, remedy="Run `s3c help`.", original=original, image="r.example/a:1")
    beside = rendered(WITH_FILE, error)
    # Wrong input does not wait for the library of templates.
    monkeypatch.setattr(markdown, "markdown_environment", None)
    alone = rendered(OUTCOME, error)
    assert alone.startswith("### ❌ s3c scan · it is ")
    assert "**What to do:** Run `s3c help`." in alone
    assert beside.startswith(alone)
    assert "p.yaml" in beside.removeprefix(alone)
