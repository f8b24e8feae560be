"""What is checked before a scan whose packages are submitted; tests/contract/test_github_dependencies.py submits."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from s3c_actions.core.errors import InputError
from s3c_actions.github import dependency_snapshot
from s3c_actions.github.run import WorkflowRun

RUN = WorkflowRun(repository="octo/shop", sha="4b6472266afd7b471e86085a6659e8c7f2b119da", ref="refs/heads/main")


def test_a_run_with_a_commit_will_do() -> None:
    dependency_snapshot.check_run(RUN)


@pytest.mark.parametrize("missing", ["sha", "ref"])
def test_without_a_commit_nothing_is_scanned(missing: str) -> None:
    with pytest.raises(InputError, match="not known which commit") as raised:
        dependency_snapshot.check_run(replace(RUN, **{missing: ""}))
    assert f"GITHUB_{missing.upper()}" in raised.value.remedy
