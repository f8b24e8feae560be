"""`s3c exception list` needs a policy that says whose exceptions count."""

from __future__ import annotations

from pathlib import Path

from tests.support.bare import PINNED, ended


def test_without_such_a_policy_nothing_is_listed(alone: Path) -> None:
    code, printed = ended(("exception list", PINNED), alone)
    assert (code, "s3c-policy.yaml' does not exist" in printed) == (2, True), printed
    code, printed = ended(("exception list", PINNED, "--policy", "policy.yaml"), alone)
    assert (code, "lets nobody grant exceptions" in printed) == (2, True), printed
