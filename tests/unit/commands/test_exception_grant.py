"""`s3c exception grant`: what the policy does not allow ends before a key is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bare import GRANTING, KEY, PINNED, ended

SAYS = ("--why", "checkout is down", "--who", "Ada")


def granted(folder: Path, findings: str, until: str, policy: str = GRANTING) -> tuple[int, str]:
    (folder / "own.yaml").write_text(policy)
    what = ("--findings", findings, "--until", until, "--policy", "own.yaml")
    return ended(("exception grant", PINNED, *what, *SAYS, *KEY), folder)


@pytest.mark.parametrize(
    ("findings", "until", "more", "sentence"),
    [
        ("CVE-1", "25h", "break-glass: {maximum: 24h}\n", "24h at most by this policy"),
        ("CVE-1", "2020-01-01T00:00Z", "", "it may last a minute at least, and 72h at most"),
        ("CVE-1", "2999-01-01T00:00Z", "", "72h at most"),
        ("all,cve-1", "1h", "findings: {deny: [CVE-1]}\n", "which no exception excuses"),
    ],
)
def test_what_the_policy_does_not_allow(alone: Path, findings: str, until: str, more: str, sentence: str) -> None:
    code, printed = granted(alone, findings, until, GRANTING + more)
    assert (code, sentence in " ".join(printed.split())) == (2, True), printed


def test_a_policy_in_which_nobody_may(alone: Path) -> None:
    code, printed = granted(alone, "all", "1h", GRANTING.replace(", grant-exceptions", ""))
    assert (code, "lets nobody grant exceptions" in printed) == (2, True), printed
