"""From when on a grace counts, by signed reports; and what whoever may delete reports can gain, which is nothing."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.evidence.fix_history import FixHistory, read_history, release_of
from s3c_actions.evidence.statement import Statement
from s3c_actions.findings.exploit_facts import grace_start
from s3c_actions.findings.model import Finding, FindingKind, ScanReport, Severity
from s3c_actions.findings.threshold import Threshold
from s3c_actions.report.formats import sarif
from s3c_actions.report.rendering import Rendering
from tests.support import evidence
from tests.support.outcomes import LOOKED_AT

DAY = timedelta(days=1)
PUBLISHED = datetime(2026, 11, 1, tzinfo=UTC)
GATE = Threshold(None, refuse=frozenset(), graces=((Severity.HIGH, 14 * DAY),), fixable_only=True)


def vulnerability(fixed="", **changes):
    facts = {"kind": FindingKind.VULNERABILITY, "id": "CVE-2026-1", "severity": Severity.HIGH, "package": "libssl3"}
    return Finding(
        **{**facts, "result_class": "os-pkgs", "published": evidence.stamp(PUBLISHED), "fixed": fixed, **changes}
    )


def report(day, *findings, os="debian 12.5", database=None, image="registry.example/team/app"):
    created = PUBLISHED + day * DAY
    return ScanReport(
        image=f"{image}@{evidence.SUBJECT}",
        digest=evidence.SUBJECT,
        findings=findings,
        created=evidence.stamp(created),
        database=evidence.stamp(PUBLISHED + (day if database is None else database) * DAY),
        os=os,
    )


def attached(scan):
    """The runs of the report that is signed of a scan."""
    stated = Statement(subject=evidence.SUBJECT, gate=GATE, blind="", policy="", scope=LOOKED_AT, uncovered=0)
    return json.loads(sarif.render_evidence([(scan, stated)], Rendering()))["runs"]


def day_of(scan, runs):
    """The day from which the grace of a scan's only finding counts."""
    (finding,) = read_history(runs).apply(scan).findings
    start = grace_start(finding)
    return None if start is None else (start - PUBLISHED) / DAY


def test_without_signed_reports_the_publication_counts():
    assert day_of(report(10, vulnerability("2")), []) == 0
    assert day_of(report(10, vulnerability("2", published="")), []) is None


def test_a_fix_is_younger_than_the_last_report_that_shows_none():
    unfixed = [run for day in (3, 9, 5) for run in attached(report(day, vulnerability()))]
    assert day_of(report(10, vulnerability("2")), unfixed) == 9
    assert day_of(report(10, vulnerability("2", published="")), unfixed) == 9
    # What that scan knew is as old as its database.
    assert day_of(report(10, vulnerability("2")), attached(report(9, vulnerability(), database=4))) == 4


def test_what_a_report_stated_is_carried_on_by_every_later_one_whatever_the_digest():
    runs = attached(report(9, vulnerability()))
    for day in (10, 20, 40):
        scan = read_history(runs).apply(report(day, vulnerability("2")))
        assert grace_start(scan.findings[0]) == PUBLISHED + 9 * DAY
        runs = [*runs, *attached(scan)]
    assert day_of(report(50, vulnerability("3")), attached(scan)) == 9, "the earlier reports were pruned"


def test_no_deletion_of_reports_moves_the_start_to_a_later_time():
    """Of a true history, every part of it that may be left shows the same start or an earlier one."""
    history: list[list[Any]] = []
    for day in range(2, 9):
        scan = report(day, vulnerability("" if day < 5 else "2"))
        runs = attached(read_history(itertools.chain.from_iterable(history)).apply(scan))
        history.append(runs)
    whole = day_of(report(9, vulnerability("2")), itertools.chain.from_iterable(history))
    assert whole == 4
    for number in range(len(history) + 1):
        for left in itertools.combinations(history, number):
            assert day_of(report(9, vulnerability("2")), itertools.chain.from_iterable(left)) <= whole


@pytest.mark.parametrize(
    "other",
    [
        report(8, vulnerability(), os="debian 11.9"),
        report(8, vulnerability(), image="registry.example/team/other"),
        report(8, vulnerability(package="zlib1g")),
        report(8, vulnerability(id="CVE-2026-2")),
        report(8, vulnerability(severity=Severity.LOW)),
        report(8),
    ],
)
def test_reports_about_something_else_prove_nothing(other):
    assert day_of(report(10, vulnerability("2")), attached(other)) == 0


def test_an_update_of_the_same_release_is_no_other_platform():
    assert day_of(report(10, vulnerability("2"), os="debian 12.6"), attached(report(8, vulnerability()))) == 8


@pytest.mark.parametrize(
    ("os", "release"),
    [
        ("debian 12.5", "debian 12"),
        ("ubuntu 22.04", "ubuntu 22.04"),
        ("alpine 3.19.1", "alpine 3.19"),
        ("redhat 9.4", "redhat 9"),
        ("", ""),
    ],
)
def test_releases(os, release):
    assert release_of(os) == release


def test_damaged_facts_prove_nothing():
    (run,) = attached(report(9, vulnerability()))
    statement = run["properties"]["s3c"]
    for broken in ({"os": None}, {"database": ""}, {"created": "yesterday"}):
        changed = {**run, "properties": {"s3c": {**statement, **broken}}}
        assert day_of(report(10, vulnerability("2")), [changed]) == 0
    for prints in (None, {}, {"primaryLocationLineHash": 3}):
        results = [{**result, "partialFingerprints": prints} for result in run["results"]]
        assert day_of(report(10, vulnerability("2")), [{**run, "results": results}]) == 0
    (run,) = attached(report(9, vulnerability("2")))
    for since in ("", None, "2026-11-05", "2026-11-05T00:00:00+01:00", 5):
        results = [{**result, "properties": {**result["properties"], "since": since}} for result in run["results"]]
        assert day_of(report(10, vulnerability("2")), [{**run, "results": results}]) == 0


def test_the_start_is_never_after_the_scan_itself():
    assert day_of(report(10, vulnerability("2")), attached(report(30, vulnerability()))) == 10


def test_what_has_no_fix_or_is_no_vulnerability_is_left_as_it_is():
    history = read_history(attached(report(9, vulnerability())))
    scan = report(10, vulnerability(), vulnerability("2", kind=FindingKind.SECRET))
    assert history.apply(scan) == scan
    assert FixHistory().apply(scan) is scan
    assert replace(scan, findings=()) == history.apply(replace(scan, findings=()))
