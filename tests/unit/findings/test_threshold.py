"""What a closed gate says: what is exploited first, and only ways out that there are."""

import pytest

from s3c_actions.findings.exploitation import ExploitationFacts, KevCatalogue, add_exploitation
from s3c_actions.findings.model import Severity
from s3c_actions.findings.threshold import Threshold, closed_error
from tests.support import outcomes

KEV = KevCatalogue(released="2026-11-22T15:00:10Z", added={"CVE-2024-0003": "2026-11-22"})
CRITICAL, HIGH = outcomes.vulnerability(1, Severity.CRITICAL), outcomes.vulnerability(2, Severity.HIGH, fixed="")
REPORT = outcomes.report(CRITICAL, HIGH, outcomes.vulnerability(3, Severity.LOW))
EXPLOITED = add_exploitation(REPORT, ExploitationFacts(catalogue=KEV, scores=None))
BY_POLICY = frozenset({Severity.CRITICAL})


def closed(gate: Threshold, of=REPORT):
    return closed_error("registry.example/app@sha256:1", gate, gate.refused(of.findings))


def test_the_worst_severity_is_named_with_what_to_bump():
    error = closed(Threshold(Severity.HIGH))
    assert error.what == "1 critical finding has a fix: bump libssl1."
    assert error.cause == "The gate refuses 2 findings at or over High (1 critical, 1 high)."
    assert error.remedy == (
        "Bump what is named, let the patch step run, or name the finding with a reason and a date in an ignore file."
    )
    assert closed(Threshold(Severity.HIGH, fixable_only=True)).cause.endswith("(1 critical) that have a fix.")


def test_what_is_exploited_is_named_before_what_is_critical():
    error = closed(Threshold(None, refuse=BY_POLICY, deny_exploited=True), EXPLOITED)
    assert error.what == "1 exploited finding has a fix: bump libssl0."
    assert error.cause == "The policy refuses 2 findings (1 critical, 1 low)."
    assert error.remedy == (
        "Bump what is named, let the patch step run, or accept the finding in the policy, with a reason and a date. "
        "No exception in the policy excuses what is exploited or denied by name."
    )


def test_what_is_named_without_a_fix_is_not_to_be_bumped():
    listed = KevCatalogue(released=KEV.released, added={HIGH.id: "2026-11-22"})
    report = add_exploitation(REPORT, ExploitationFacts(catalogue=listed, scores=None))
    error = closed(Threshold(None, refuse=BY_POLICY, deny_exploited=True), report)
    assert error.what == f"1 exploited finding without a fix: {HIGH.id}."
    assert error.remedy.startswith("Fix what is named, let the patch step run, or accept the finding in the policy")


@pytest.mark.parametrize(
    ("gate", "remedy"),
    [
        (Threshold(None, refuse=frozenset(), deny_exploited=True), "Bump what is named, or let the patch step run."),
        (Threshold(None, refuse=frozenset(), fixable_only=True, deny=frozenset({HIGH.id})), "Fix what is named."),
    ],
)
def test_what_nothing_excuses_has_no_such_way_out(gate, remedy):
    error = closed(gate, EXPLOITED)
    assert error.remedy == f"{remedy} No exception in the policy excuses what is exploited or denied by name."
    assert "that have a fix" not in error.cause
