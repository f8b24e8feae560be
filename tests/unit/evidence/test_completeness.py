import json
from datetime import UTC, datetime

import pytest

from s3c_actions.evidence import completeness
from s3c_actions.evidence.completeness import Completeness
from tests.support import evidence

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SEVERITIES = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]


def policy(**changed):
    stated = {"refuse": SEVERITIES, "deny": [], "fixable-only": False, "packages": [], "licenses": []}
    return {**stated, **changed}


def assess(**stated):
    return completeness.assess(json.loads(evidence.sarif(evidence.run(NOW, **stated)))["runs"])


def test_a_report_of_everything_leaves_nothing_open():
    assert assess() == Completeness()


@pytest.mark.parametrize("stated", [{}, {"aliases": False}, {"aliases": "true"}])
def test_a_report_that_has_one_id_for_each_finding_leaves_the_others_open(stated):
    whole, partial = evidence.run(NOW), evidence.run(NOW)
    del partial["properties"]["aliases"]
    partial["properties"] |= stated
    (clause,) = completeness.assess([whole, partial]).unaliased
    assert "ask by the CVE" in clause


@pytest.mark.parametrize(
    ("stated", "field", "clause"),
    [
        ({"version": 1}, "narrow", "it does not state how much was scanned"),
        ({"scope": evidence.scope(**{"pkg-types": ["os"]})}, "narrow", "packages of type library were not looked at"),
        ({"scope": evidence.scope(**{"skip-dirs": ["/opt"]})}, "narrow", "1 path in it was skipped"),
        ({"scope": evidence.scope(**{"skip-files": ["a", "b"]})}, "narrow", "2 paths in it were skipped"),
        ({"scope": evidence.scope(stated=False)}, "narrow", "paths that it does not state may have been skipped"),
        ({"scope": evidence.scope(scanners=["secret"])}, "blind", "it is of no scan for vulnerabilities"),
        ({"blind": "no packages"}, "blind", "not everything could be looked at: no packages"),
        ({"uncovered": 3}, "blind", "3 packages in it are from sources that publish no advisories"),
        ({"uncovered": None}, "blind", "how many packages have no advisories is not stated"),
        (
            {"policy": policy(refuse=["HIGH", "CRITICAL"])},
            "unlisted",
            "it lists findings of severity CRITICAL and HIGH alone",
        ),
        ({"policy": policy(refuse=[])}, "unlisted", "it lists no findings"),
        ({"policy": policy(**{"fixable-only": True})}, "unlisted", "it lists findings with a fix alone"),
        ({"omitted": 2}, "unlisted", "some of its findings did not fit in"),
        (
            {"scope": evidence.scope(files=[{"kind": "ignore-files", "path": ".trivyignore", "sha256": ""}])},
            "unlisted",
            "findings that ignore-files suppressed are not in it",
        ),
    ],
)
def test_what_is_left_open_is_named(stated, field, clause):
    left = assess(**stated)
    assert getattr(left, field) == (clause,)


def test_what_is_denied_by_name_is_listed_in_any_case():
    assert assess(policy=policy(refuse=[], deny=["cve-2024-5535"])).denied == ("CVE-2024-5535",)


def test_of_several_platforms_all_leave_open():
    runs = [evidence.run(NOW, policy=policy(deny=["CVE-1"])), evidence.run(NOW, omitted=1)]
    assert completeness.assess(runs) == Completeness(unlisted=("some of its findings did not fit in",))


@pytest.mark.parametrize("properties", [None, "text", {"s3c": []}, {"s3c": {"scope": "all", "policy": 1}}])
def test_a_report_of_another_tool_proves_nothing_absent(properties):
    left = completeness.assess([{"properties": properties, "results": []}])
    assert left.narrow
    assert left.unlisted
