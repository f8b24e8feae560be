"""The sentence on a finding, of each kind."""

from __future__ import annotations

from msgspec.structs import replace

from s3c_actions.findings.model import Finding, FindingKind, Severity
from s3c_actions.report.formats.sentences import describe
from tests.support import outcomes

REPORT = replace(outcomes.report(), image="app:1")


def test_a_vulnerability_with_and_without_a_fix() -> None:
    finding = Finding(
        kind=FindingKind.VULNERABILITY,
        id="CVE-1",
        severity=Severity.HIGH,
        package="p",
        installed="1",
        fixed="2",
        title="bad",
        result_class="os-pkgs",
    )
    assert describe(REPORT, finding) == "p 1 in app:1 has CVE-1 (High): bad. Fixed in 2."
    unfixed = replace(finding, fixed="", title="", result_class="lang-pkgs", path="a/b.jar")
    assert describe(REPORT, unfixed) == "p 1 in app:1 has CVE-1 (High), at a/b.jar. No fix yet (affected)."


def test_the_other_kinds() -> None:
    common = Finding(kind=FindingKind.SECRET, id="r", severity=Severity.LOW, target="f", title="t", description="d")
    assert describe(REPORT, common) == "t (Low) in f of app:1: d"
    assert describe(REPORT, replace(common, kind=FindingKind.MISCONFIGURATION)) == "t (Low) in f: d"
    licence = replace(common, kind=FindingKind.LICENSE, id="GPL-3.0", package="p", category="restricted")
    assert describe(REPORT, licence) == "p (f) in app:1 is under GPL-3.0: restricted (Low)."
