"""A scan is judged by what it could have found: the database behind it, and what Trivy warned of."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from s3c_actions.findings import trivy_report, trivy_warnings
from s3c_actions.findings.advisories import MAX_DATABASE_AGE, Database
from s3c_actions.findings.model import Severity
from s3c_actions.findings.threshold import Threshold
from s3c_actions.policy.model import Policy, ReportRules
from s3c_actions.steps import assess
from s3c_actions.steps.closed_gate import closed_gate_error
from tests.support.outcomes import LOOKED_AT

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
GATE = Threshold(fail_on=Severity.CRITICAL)
DEBIAN = Database(updated=NOW - timedelta(hours=6), sources=frozenset({"debian 12"}))


def scanned(
    folder, *, os="12.5", third_party=0, database=DEBIAN, warned=trivy_warnings.NO_WARNINGS, policy=None, accept=False
):
    packages = [
        {"Name": "openssl"},
        *({"Name": "x", "Repository": {"Class": "third-party"}} for _ in range(third_party)),
    ]
    document = {
        "SchemaVersion": 2,
        "CreatedAt": "2026-11-28T11:59:00Z",
        "ArtifactName": "registry.example/app:1",
        "ArtifactType": "container_image",
        "Metadata": {
            "OS": {"Family": "debian", "Name": os},
            "RepoDigests": ["registry.example/app@sha256:" + 64 * "a"],
        },
        "Results": [{"Target": "app (debian)", "Class": "os-pkgs", "Type": "debian", "Packages": packages}],
    }
    path = folder / "trivy.json"
    path.write_text(json.dumps(document))
    criteria = assess.Criteria(
        gate=policy.gate(NOW) if policy is not None else GATE,
        policy=policy,
        unscanned_fails=not accept,
        ignore_unfixed=False,
        now=NOW,
        bill=lambda _: b"{}",
    )
    result = assess.assess_scan(
        path,
        trivy_report.read(path),
        image="registry.example/app:1",
        reference="registry.example/app@sha256:" + 64 * "a",
        scope=LOOKED_AT,
        kept=False,
        criteria=criteria,
        database=database,
        warned=warned,
    )
    return result, closed_gate_error(result, criteria.gate)


def test_a_clean_image_that_could_be_looked_at_passes(tmp_path):
    result, refused = scanned(tmp_path)
    assert refused is None
    assert result.warnings == ()


@pytest.mark.parametrize(
    ("database", "why"),
    [
        (Database(updated=None, sources=frozenset({"debian 12"})), "does not say when"),
        (
            Database(updated=NOW - MAX_DATABASE_AGE - timedelta(hours=1), sources=frozenset({"debian 12"})),
            "14 days old",
        ),
        (Database(updated=NOW, sources=frozenset()), "empty or damaged"),
        (Database(updated=NOW, sources=frozenset({"alpine 3.22"})), "no advisories for debian 12.5"),
    ],
)
def test_a_database_that_knows_nothing_closes_the_gate(tmp_path, database, why):
    result, refused = scanned(tmp_path, database=database)
    assert why in refused.what
    assert why in result.blind
    assert any(why in sentence for sentence in result.warnings)


def test_a_policy_says_how_old_a_database_may_be(tmp_path):
    old = Database(updated=NOW - timedelta(days=20), sources=frozenset({"debian 12"}))
    assert scanned(tmp_path, database=old, policy=Policy(version=1))[1] is not None
    assert (
        scanned(tmp_path, database=old, policy=Policy(version=1, report=ReportRules(maximum_database_age="30d")))[1]
        is None
    )


def test_an_unknown_release_closes_the_gate_and_can_be_accepted_only_by_saying_so(tmp_path):
    result, refused = scanned(tmp_path, os="forky/sid")
    assert "no advisories for debian forky/sid" in refused.what
    result, refused = scanned(tmp_path, os="forky/sid", accept=True)
    assert refused is None
    assert "no advisories for debian forky/sid" in result.overridden


def test_packages_of_other_sources_close_the_gate_where_the_policy_asks_for_it(tmp_path):
    result, refused = scanned(tmp_path, third_party=2, policy=Policy(version=1))
    assert refused is None
    assert result.uncovered == 2
    strict = Policy(version=1, report=ReportRules(require_covered_sources=True))
    assert "packages that somebody publishes advisories for" in scanned(tmp_path, third_party=2, policy=strict)[1].what
    assert scanned(tmp_path, policy=strict)[1] is None


def test_a_warning_of_trivys_closes_the_gate(tmp_path):
    warned = trivy_warnings.assess_warnings(['[dpkg] Parse error   file_path="var/lib/dpkg/status"'], ["vuln"])
    assert "package database" in scanned(tmp_path, warned=warned)[1].what


def test_other_warnings_of_trivys_are_shown(tmp_path):
    warned = trivy_warnings.assess_warnings(["Something new"], ["vuln"])
    result, refused = scanned(tmp_path, warned=warned)
    assert refused is None
    assert result.warnings == ("Trivy: Something new",)
