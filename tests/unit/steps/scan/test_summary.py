"""The sentence that a scan's step ends with."""

from __future__ import annotations

import pytest

from s3c_actions.findings.model import Finding, Severity
from s3c_actions.steps.scan.summary import summarize
from tests.support.samples import finding, scan


@pytest.mark.parametrize(
    ("findings", "sentence"),
    [
        ((), "no findings"),
        ((finding(fixed=""),), "1 without a fix"),
        ((finding("openssl"), finding("openssl", number=2)), "2 fixable (2 high) in 1 package"),
        (
            (finding("openssl"), finding("zlib", Severity.MEDIUM, number=2), finding("curl", number=3, fixed="")),
            "2 fixable (1 high, 1 medium) in 2 packages, 1 without a fix",
        ),
    ],
)
def test_the_findings_are_summarized_in_one_sentence(findings: tuple[Finding, ...], sentence: str) -> None:
    assert summarize(scan(*findings)) == sentence
