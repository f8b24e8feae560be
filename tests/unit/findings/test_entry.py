"""A finding as `result.json` has it."""

from __future__ import annotations

import pytest

from s3c_actions.findings.entry import entry, finding, reasoned
from s3c_actions.findings.model import Finding, FindingKind, Severity

KINDS = pytest.mark.parametrize("kind", FindingKind)
FIXED = pytest.mark.parametrize("fixed", ["", "1.2"])


@KINDS
@FIXED
@pytest.mark.parametrize("severity", Severity)
def test_an_entry_is_of_the_same_finding(kind: FindingKind, fixed: str, severity: Severity) -> None:
    of = Finding(
        kind=kind,
        id="x",
        severity=severity,
        package="a",
        installed="1",
        fixed=fixed,
        target="t",
        title="b",
        url="c",
        result_class="lang-pkgs",
    )
    assert finding(entry(of)) == of
    assert entry(of).fixable == of.fixable


def test_a_reason_is_the_last_of_its_facts() -> None:
    of = reasoned(Finding(kind=FindingKind.SECRET, id="x", severity=Severity.HIGH, line=3), "why")
    assert (of.line, of.reason, of.__struct_fields__[-1]) == (3, "why", "reason")
