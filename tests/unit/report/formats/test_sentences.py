"""The sentence on a finding, of each kind."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from s3c_actions.findings.model import Exploitation, Finding, FindingKind, Severity
from s3c_actions.report.formats.sentences import describe, format_epss, format_share
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


def test_what_is_exploited_is_named_before_its_fix() -> None:
    exploited, unlikely, unrated = (
        replace(finding, exploitation=known)
        for finding, known in zip(
            [outcomes.vulnerability(1, Severity.LOW, title="bad")] * 3,
            (
                Exploitation(known_exploited=True, since="2021-12-10", epss=0.97559),
                Exploitation(known_exploited=False, since="", epss=0.0004),
                Exploitation(known_exploited=False, since="", epss=None),
            ),
            strict=True,
        )
    )
    sentence = describe(REPORT, exploited)
    assert sentence.endswith("(Low): bad. Known to be exploited (CISA, 2021-12-10). Fixed in 3.0.11-1~deb12u2.")
    asked = Exploitation(known_exploited=True, since="2021-12-10", epss=None, due="2021-12-24", ransomware=True)
    sentence = describe(REPORT, replace(exploited, exploitation=asked))
    assert "Known to be exploited (CISA, 2021-12-10; due 2021-12-24; used for ransomware)." in sentence
    assert "xploited" not in describe(REPORT, unlikely)
    assert [format_epss(finding) for finding in (exploited, unlikely, unrated)] == ["97.6%", "0.04%", ""]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.0%"), (1.0, "100.0%"), (0.01, "1.0%"), (0.00009, "0.01%"), (1e-9, "0.01%"), (0.0043, "0.43%")],
)
def test_a_share_has_the_digits_that_are_of_use(share: float, text: str) -> None:
    assert format_share(share) == text
