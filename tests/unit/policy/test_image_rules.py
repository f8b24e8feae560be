"""Rules on exploitation data, platform and base: what is not stated, or not readable, denies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from s3c_actions.policy import model
from s3c_actions.policy.judge import judge_evidence
from tests.support import evidence

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SCANNED = NOW - timedelta(hours=1)


def codes(policy, /, **stated):
    report = evidence.document(evidence.sarif(evidence.run(SCANNED, **stated)))
    return [
        objection.code
        for objection in judge_evidence(model.parse(f"version: 1\n{policy}"), evidence.beside((report,)), NOW)
    ]


def days_before(days):
    return evidence.stamp(SCANNED - timedelta(days=days))


KEV = "findings: {deny-exploited: true}"
EPSS = 'findings: {refuse: [{epss: ">=0.1"}]}'


@pytest.mark.parametrize("policy", [KEV, EPSS])
def test_data_that_rules_depend_on_has_to_be_there_and_new(policy):
    own, other = ("kev", "epss") if policy == KEV else ("epss", "kev")
    assert codes(policy, exploitation={own: days_before(7), other: ""}) == []
    assert codes(policy, exploitation={own: days_before(7.1), other: ""}) == ["stale-exploitation-data"]
    for missing in ({own: ""}, {}, {own: 3}, {own: "yesterday"}, None, "no"):
        assert codes(policy, exploitation=missing) == ["no-exploitation-data"]
    strict = f"{policy}\nexploitation: {{maximum-age: 3d}}"
    assert codes(strict, exploitation={own: days_before(4)}) == ["stale-exploitation-data"]


@pytest.mark.parametrize(("policy", "key"), [(KEV, "kev"), (EPSS, "epss")])
def test_data_of_days_to_come_is_believed_by_nobody(policy, key):
    # That of the day is later than a report that was kept; a day without a zone may have begun elsewhere.
    for believed in (SCANNED + timedelta(minutes=50), NOW + timedelta(days=1)):
        assert codes(policy, exploitation={key: evidence.stamp(believed)}) == []
    for lie in (evidence.stamp(NOW + timedelta(days=1, seconds=1)), "2099-01-01T00:00:00Z"):
        assert codes(policy, exploitation={key: lie}) == ["future-exploitation-data"]


def test_a_database_or_a_fix_of_days_to_come_is_none_of_today():
    policy = "report: {maximum-database-age: 3d}"
    assert codes(policy, database=days_before(3)) == []
    for database in (days_before(4), evidence.stamp(SCANNED + timedelta(minutes=6)), "2099-01-01T00:00:00Z"):
        assert codes(policy, database=database) == ["stale-database"]
    graced = "findings: {refuse: [{CRITICAL: {grace: 7d}}]}"
    run = {"policy": {"refuse": ["CRITICAL"], "deny": [], "fixable-only": False, "packages": [], "licenses": []}}
    for since, refused in ((days_before(6), []), (days_before(8), ["finding"]), ("2099-01-01T00:00:00Z", ["finding"])):
        report = evidence.document(
            evidence.sarif(evidence.run(SCANNED, (evidence.finding("CVE-2024-1", "CRITICAL", since=since),), **run))
        )
        judged = judge_evidence(model.parse(f"version: 1\n{graced}"), evidence.beside((report,)), NOW)
        assert [objection.code for objection in judged] == refused


def test_without_rules_that_depend_on_it_no_data_is_needed():
    assert codes("exploitation: {maximum-age: 3d}", exploitation=None) == []


def test_a_report_that_did_not_list_what_is_exploited_is_laxer():
    lax = {"refuse": ["CRITICAL", "HIGH"], "deny": [], "fixable-only": False, "packages": [], "licenses": []}
    assert codes(KEV, policy=lax) == ["laxer-report"]
    assert codes(KEV, policy={**lax, "exploited": True}) == []
    assert codes(EPSS, policy={**lax, "exploited": True}) == ["laxer-report"]
    assert codes(EPSS, policy={**lax, "epss": "0.20000"}) == ["laxer-report"]
    assert codes(EPSS, policy={**lax, "epss": "0.05000"}) == []
    assert codes("findings: {refuse: [{LOW: {grace: 1d}}]}", policy=lax) == ["laxer-report"]


def test_a_platform_at_its_end_is_refused_where_the_policy_asks():
    assert codes("sbom: {}", **{"end-of-life": True}) == []
    policy = "platform: {end-of-life: refuse}"
    assert codes(policy) == []
    assert codes(policy, **{"end-of-life": True}) == ["end-of-life"]
    assert codes(policy, **{"end-of-life": None}) == ["unknown-platform"]
    assert codes(policy, os=None) == ["unknown-platform"]


def test_the_age_of_the_base_is_that_of_today():
    policy = "base: {maximum-age: 90d}"
    assert codes(policy, **{"base-created": days_before(89)}) == []
    assert codes(policy, **{"base-created": days_before(90)}) == ["old-base"]
    for unknown in (
        days_before(-1),
        "2099-01-01T00:00:00Z",
        "",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        None,
        5,
    ):
        assert codes(policy, **{"base-created": unknown}) == ["unknown-base"]
