"""A match of an SBOM stands in for a scan only where it shows all that a scan would; anything less is work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.findings.model import Finding, Severity
from s3c_actions.fleet.match_rules import Match, find_news, find_obstacle, find_other_tools, longest_age
from s3c_actions.policy import model
from s3c_actions.policy.model import Policy
from tests.support import evidence as samples
from tests.support import outcomes

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=3)
SBOM = f"sha256:{5:064x}"
STATED = {"sbom": SBOM, "platform": "linux/amd64", "scanner": "trivy 0.74.0"}


def policy(text: str = "findings: {refuse: [CRITICAL, HIGH], fixable-only: true}") -> Policy:
    return model.parse(f"version: 1\n{text}\n")


def run(*findings: Any, **stated: Any) -> dict[str, Any]:
    return samples.run(OLD, findings, **{**STATED, **stated})


def match(*findings: Finding, **changes: Any) -> Match:
    report = replace(outcomes.report(*findings), os="debian 12.5", os_end_of_life=False)
    return replace(Match(report=report, listed=9, matched=9, blind="", uncovered=0), **changes)


def listed(finding: Finding, **changes: Any) -> Any:
    """The finding as the signed report lists it."""
    entry = samples.finding(finding.id, finding.severity.name, package=finding.package, fixed=finding.fixed)
    entry["properties"] |= {"installed": finding.installed, **changes}
    return entry


HIGH = outcomes.vulnerability(1, Severity.HIGH)


def test_a_report_outlasts_the_plan_that_comes_next_and_one_that_fails() -> None:
    assert longest_age(policy(), timedelta(hours=24)) == timedelta(days=4)
    near = policy("report: {maximum-age: 72h}")
    assert longest_age(near, timedelta(hours=24)) == timedelta()


def test_nothing_stands_in_the_way_of_a_report_on_everything() -> None:
    assert find_obstacle(policy(), [run()]) == ""
    assert find_obstacle(policy(), [run(), run(platform="linux/arm64")]) == ""


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ({"sbom": ""}, "names no SBOM"),
        ({"blind": "nothing could be read"}, "could not look at everything"),
        ({"scope": samples.scope(**{"pkg-types": ["os"]})}, "packages of type library were not looked at"),
        ({"scope": samples.scope(**{"skip-dirs": ["usr"]})}, "1 path in it was skipped"),
        ({"scope": samples.scope(stated=False)}, "may have been skipped"),
        ({"scope": samples.scope(files=[{"kind": "trivy-config", "path": "t", "sha256": ""}])}, "trivy.yaml"),
        ({"scope": samples.scope(files=None)}, "trivy.yaml, or does not tell"),
        ({"scope": samples.scope(files=["x"])}, "trivy.yaml, or does not tell"),
        ({"version": 1}, "does not state how much"),
        ({"os": None}, "does not tell distribution"),
        ({"platform": None}, "does not tell distribution"),
        ({"os": "alpine 3.22.1"}, "the advisories of alpine depend on"),
        ({"os": "ubuntu 24.04"}, "the advisories of ubuntu depend on"),
    ],
)
def test_a_report_that_leaves_something_open_is_made_anew(stated: dict[str, Any], why: str) -> None:
    assert why in find_obstacle(policy(), [run(**stated)])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("report: {scanners: [vuln, secret]}", "asks for the scanner secret"),
        ("report: {scanners: [misconfig]}", "asks for the scanner misconfig"),
        ("findings: {deny-exploited: true}", "what is exploited today"),
        ('findings: {refuse: [CRITICAL, {epss: ">=0.1"}]}', "what is exploited today"),
    ],
)
def test_a_policy_that_asks_for_more_than_packages_is_not_met_by_them(text: str, why: str) -> None:
    assert why in find_obstacle(policy(text), [run()])


def test_two_runs_on_one_platform_have_no_sbom_each() -> None:
    assert "tell its platforms apart" in find_obstacle(policy(), [run(), run()])


def test_the_tools_have_to_be_those_of_the_scan_and_the_advisories_no_older() -> None:
    assert find_other_tools([run()], "0.74.0", OLD) == ""
    assert "another version of Trivy" in find_other_tools([run()], "0.75.0", OLD)
    assert "newer advisories" in find_other_tools([run()], "0.74.0", OLD - timedelta(hours=6))
    assert "newer advisories" in find_other_tools([run(database="")], "0.74.0", OLD)


def test_what_the_report_lists_or_the_policy_does_not_ask_about_is_not_new() -> None:
    low, unfixed = outcomes.vulnerability(2, Severity.LOW), replace(HIGH, id="CVE-2024-0009", fixed="")
    assert find_news(policy(), run(), match(), NOW) == ""
    assert find_news(policy(), run(), match(low, unfixed), NOW) == ""
    assert find_news(policy(), run(listed(HIGH)), match(HIGH), NOW) == ""


def test_what_is_new_is_named() -> None:
    news = find_news(policy(), run(), match(HIGH, replace(HIGH, id="CVE-2024-0009")), NOW)
    assert news.startswith(f"its SBOM shows 2 new findings, {HIGH.id} (HIGH, {HIGH.package}, fixed in {HIGH.fixed})")


def test_a_fix_or_another_severity_is_new() -> None:
    unfixed = replace(HIGH, fixed="")
    everything = policy("findings: {refuse: [CRITICAL, HIGH]}")
    assert "1 new finding" in find_news(everything, run(listed(unfixed, fixable=False)), match(HIGH), NOW)
    medium = replace(HIGH, severity=Severity.MEDIUM)
    assert find_news(policy(), run(), match(medium), NOW) == ""
    assert "1 new finding" in find_news(policy(), run(), match(HIGH), NOW)


@pytest.mark.parametrize("facts", [{}, {"exploited": True}], ids=["a wider policy", "exploited"])
def test_what_the_report_lists_with_a_severity_that_was_not_refused_is_new(facts: dict[str, Any]) -> None:
    medium = replace(HIGH, severity=Severity.MEDIUM)
    assert "1 new finding" in find_news(policy(), run(listed(medium, **facts)), match(HIGH), NOW)


def test_what_was_set_aside_at_the_scan_may_count_no_more() -> None:
    assert "1 new finding" in find_news(policy(), run(listed(HIGH, suppressed=True)), match(HIGH), NOW)


def test_what_is_in_a_grace_or_denied_by_name_is_new_too() -> None:
    unfixed = replace(HIGH, fixed="")
    graced = policy("findings: {refuse: [CRITICAL, {HIGH: {grace: 14d}}], fixable-only: true}")
    assert "1 new finding" in find_news(graced, run(), match(HIGH), NOW)
    assert "1 new finding" in find_news(graced, run(), match(unfixed), NOW)  # a later grace counts from this report
    named = policy(f"findings: {{refuse: [CRITICAL], deny: [{HIGH.id}]}}")
    assert "1 new finding" in find_news(named, run(), match(unfixed), NOW)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"matched": 8}, "of 9 packages in its SBOM 8 could be matched"),
        ({"matched": 0, "listed": 0, "blind": "nothing was checked"}, "proves nothing: nothing was checked"),
        ({"uncovered": 1}, "fewer of its packages have advisories"),
        ({"report": replace(outcomes.report(), os="debian 11.9")}, "different distributions"),
        ({"report": replace(outcomes.report(), os="")}, "different distributions"),
        ({"report": replace(outcomes.report(), os="debian 12.5", os_end_of_life=True)}, "gets updates"),
    ],
)
def test_a_match_that_shows_less_than_a_scan_proves_nothing(changes: dict[str, Any], why: str) -> None:
    assert why in find_news(policy(), run(), match(**changes), NOW)


def test_a_match_has_to_find_what_the_scan_found() -> None:
    news = find_news(policy(), run(listed(HIGH)), match(), NOW)
    assert news == f"the match of its SBOM does not find what its report lists, {HIGH.id}"
