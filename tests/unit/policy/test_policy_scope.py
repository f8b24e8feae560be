"""How much was scanned, as a policy in Python judges it; tests/contract/test_policy.py compares the cluster's rules."""

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace

from s3c_actions.evidence.statement import Statement, scope_facts
from s3c_actions.findings.model import ScanReport
from s3c_actions.findings.scope import SettingsFile, missing_parts
from s3c_actions.policy.judge import judge_evidence
from s3c_actions.policy.model import Policy, ReportRules, parse
from s3c_actions.report.formats import sarif
from s3c_actions.report.rendering import Rendering
from tests.support import evidence
from tests.support.outcomes import LOOKED_AT

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def refusals(policy, **stated):
    report = evidence.document(evidence.sarif(evidence.run(NOW - timedelta(hours=1), **stated)))
    return [objection.code for objection in judge_evidence(policy, evidence.beside(reports=(report,)), NOW)]


def policy(**report):
    return Policy(version=1, report=ReportRules(**report))


def test_a_full_report_passes_the_default_policy():
    assert refusals(policy()) == []


@pytest.mark.parametrize(
    "scope",
    [
        evidence.scope(scanners=["secret"]),
        evidence.scope(**{"pkg-types": ["library"]}),
        evidence.scope(**{"pkg-types": ["os"]}),
        evidence.scope(**{"skip-dirs": ["usr"]}),
        evidence.scope(**{"skip-files": ["**/*.jar"]}),
    ],
)
def test_a_report_that_looked_at_less_is_refused(scope):
    assert refusals(policy(), scope=scope) == ["narrow-report"]


def test_a_policy_may_ask_for_more_scanners_and_for_fewer_packages():
    assert refusals(policy(scanners=("vuln", "license"))) == ["narrow-report"]
    assert refusals(policy(pkg_types=("os",)), scope=evidence.scope(**{"pkg-types": ["os"]})) == []
    assert refusals(policy(allow_skipped=True), scope=evidence.scope(**{"skip-dirs": ["usr"]}, stated=False)) == []
    assert refusals(policy(require_stated=True), scope=evidence.scope(stated=False)) == ["narrow-report"]
    assert refusals(policy(), scope=evidence.scope(stated=False)) == []


def test_a_statement_without_a_scope_cannot_be_read():
    assert refusals(policy(), scope=None) == ["unreadable-report"]
    assert refusals(policy(), version=3) == ["unreadable-report"]
    assert refusals(policy(), version=None) == ["unreadable-report"]


@pytest.mark.parametrize(("until", "counts"), [(None, False), (-1, False), (0, True), (30, True)])
def test_the_previous_version_counts_for_as_long_as_the_policy_says(until, counts):
    day = None if until is None else (NOW + timedelta(days=until)).date()
    codes = refusals(policy(accept_previous_until=day), version=1, scope=None, uncovered=None, unscanned=None)
    assert codes == ([] if counts else ["previous-report"])


def test_packages_without_advisories_are_refused_where_the_policy_asks_for_it():
    assert refusals(policy(), uncovered=3) == []
    assert refusals(policy(require_covered_sources=True), uncovered=3) == ["uncovered"]
    assert refusals(policy(require_covered_sources=True), uncovered=0) == []


def test_blindness_that_was_accepted_needs_the_policy_too():
    blind = {"blind": "Nothing was checked."}
    assert refusals(policy(), **blind) == ["blind"]
    assert refusals(policy(), **blind, unscanned="warn") == ["blind"]
    assert refusals(policy(unscanned="warn"), **blind) == ["blind"]
    assert refusals(policy(unscanned="warn"), **blind, unscanned="warn") == []


@pytest.mark.parametrize(
    "report",
    [{}, {"require_stated": True}, {"scanners": ("vuln", "secret")}, {"pkg_types": ("os",)}, {"allow_skipped": True}],
)
@pytest.mark.parametrize(("skipped", "stated"), [((), True), (("usr",), True), ((), False)])
def test_the_gate_asks_for_the_same_scope(report, skipped, stated):
    for scanners, pkg_types in itertools.product(
        [("vuln",), ("secret",), ("secret", "vuln"), ()], [("library", "os"), ("os",), ("library",), ()]
    ):
        scope = replace(LOOKED_AT, scanners=scanners, pkg_types=pkg_types, skip_dirs=skipped, stated=stated)
        by_gate = missing_parts(scope, policy(**report).required_scope)
        by_report = refusals(policy(**report), scope=scope_facts(scope))
        assert bool(by_gate) is bool(by_report), (scanners, pkg_types)


def test_what_is_stated_is_what_is_judged():
    digest = evidence.SUBJECT
    report = ScanReport(
        image="x",
        digest=digest,
        platform="linux/amd64",
        findings=(),
        created=evidence.stamp(NOW),
        database=evidence.stamp(NOW),
    )
    file = SettingsFile(kind="ignore-files", path=".trivyignore", sha256="ab" * 32)

    def judged(scope):
        stated = Statement(subject=digest, gate=policy().gate(NOW), blind="", policy="", scope=scope, uncovered=0)
        content = sarif.render_evidence([(report, stated)], Rendering())
        objections = judge_evidence(policy(), evidence.beside(reports=(evidence.document(content),)), NOW)
        return content.decode(), [objection.code for objection in objections]

    assert judged(None)[1] == ["narrow-report"]
    content, codes = judged(replace(LOOKED_AT, files=(file,)))
    assert codes == []
    assert file.sha256 in content
    assert ".trivyignore" in content


def test_the_policy_is_read_from_its_file():
    text = (
        "version: 1\nreport: {scanners: [vuln, secret], pkg-types: [os], allow-skipped: true, require-stated: true, "
        "require-covered-sources: true, unscanned: warn, accept-previous-until: 2027-01-31}\n"
    )
    assert parse(text).report == ReportRules(
        scanners=("vuln", "secret"),
        pkg_types=("os",),
        allow_skipped=True,
        require_stated=True,
        require_covered_sources=True,
        unscanned="warn",
        accept_previous_until=date(2027, 1, 31),
    )
