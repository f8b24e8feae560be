"""What a report shows of its scan, and what a gate makes of one that is narrower than usual."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from s3c_actions.findings import trivy_report
from s3c_actions.findings.exploitation import ExploitationFacts, KevCatalogue
from s3c_actions.findings.model import Exploitation, Severity
from s3c_actions.findings.scope import DEFAULT_SCOPE, missing_parts
from s3c_actions.findings.scope_inference import infer
from s3c_actions.findings.threshold import Threshold
from s3c_actions.policy import model
from s3c_actions.policy.model import Policy
from s3c_actions.result.model import ScanResult
from s3c_actions.steps import assess
from s3c_actions.steps.assess import Criteria
from s3c_actions.steps.closed_gate import closed_gate_error
from tests.support import ROOT
from tests.support.outcomes import LOOKED_AT
from tests.unit.test_every_gate import ALPINE, CLEAN, NODE, PACKAGE, packages, report

DATA = ROOT / "tests" / "data" / "trivy"
NOW = datetime.now(UTC)
# Of the same moment: a report that is minutes younger than NOW is one of the future.
BLIND = report(Family="none", Name="")
EMPTY = report()
ANY = Threshold(Severity.UNKNOWN)
FAILED = {"ID": "DS-0001", "Severity": "LOW", "Status": "FAIL"}
CONFIG = {"Target": "Dockerfile", "Class": "config", "Type": "dockerfile", "MisconfSummary": {"Successes": 27}}
LICENCE = {"Target": "OS Packages", "Class": "license"}
VULNERABILITY = {
    "VulnerabilityID": "CVE-2026-1",
    "PkgName": "a",
    "InstalledVersion": "1",
    "Severity": "LOW",
    "Status": "affected",
}


def criteria(gate: Threshold = ANY, policy: Policy | None = None, **changes: Any) -> Criteria:
    facts: dict[str, Any] = {
        "gate": gate if policy is None else policy.gate(NOW),
        "policy": policy,
        "unscanned_fails": True,
        "ignore_unfixed": False,
        "now": NOW,
        "bill": lambda _path: b'{"packages": []}',
    }
    return Criteria(**facts | changes)


def judged(data: bytes, folder: Path, by: Criteria) -> ScanResult:
    path = folder / "trivy.json"
    path.write_bytes(data)
    return assess.assess_given_report(path, image="app", reference="app@x", criteria=by, report=trivy_report.read(path))


NARROW = {
    "libraries alone": (report(NODE, **ALPINE), ("os",)),
    "secrets alone": (report({"Target": "a.env", "Class": "secret"}, **ALPINE), ("vuln",)),
    "misconfigurations alone": (report(CONFIG, **ALPINE), ("vuln",)),
    "licences alone": (report(LICENCE, **ALPINE), ("vuln",)),
    "nothing, of an image that Trivy knows": (report(**ALPINE), ("vuln",)),
    "no packages listed": (report(packages(), **ALPINE), ("os",)),
}
USUAL_ONES = {
    "packages": CLEAN,
    "packages and libraries": report(packages(PACKAGE), NODE, **ALPINE),
    "libraries of an image without a distribution": report(NODE),
    "findings, and no packages listed": report(packages() | {"Vulnerabilities": [VULNERABILITY]}, **ALPINE),
}


@pytest.mark.parametrize(("data", "left_out"), NARROW.values(), ids=NARROW)
def test_a_narrow_report_passes_a_plain_gate_with_a_notice_and_no_policy(data, left_out, tmp_path) -> None:
    plain = judged(data, tmp_path, criteria())
    assert closed_gate_error(plain, ANY) is None
    assert missing_parts(plain.scope, DEFAULT_SCOPE) == left_out
    assert any("does not show that" in sentence for sentence in plain.warnings)
    policy = model.parse("version: 1\n")
    held = judged(data, tmp_path, criteria(policy=policy))
    refused = closed_gate_error(held, policy.gate(NOW))
    assert held.missing == left_out
    assert refused is not None
    assert "The policy requires a scan that looks at" in refused.what


@pytest.mark.parametrize("data", USUAL_ONES.values(), ids=USUAL_ONES)
def test_a_usual_report_is_not_called_narrow(data, tmp_path) -> None:
    policy = model.parse("version: 1\nfindings: {refuse: [CRITICAL]}\n")
    result = judged(data, tmp_path, criteria(policy=policy))
    assert (result.missing, result.warnings) == ((), ())
    assert closed_gate_error(result, policy.gate(NOW)) is None


def test_without_the_list_of_packages_none_of_them_can_be_refused_by_name(tmp_path) -> None:
    policy = model.parse("version: 1\nfindings: {refuse: [CRITICAL]}\npackages: {refuse: [telnetd]}\n")
    result = judged(USUAL_ONES["findings, and no packages listed"], tmp_path, criteria(policy=policy))
    refused = closed_gate_error(result, policy.gate(NOW))
    assert refused is not None
    assert "the list of all packages" in refused.what


def test_what_trivy_recorded_is_inferred_as_it_was_made() -> None:
    shown = {name: infer((DATA / f"{name}.json").read_bytes()).scope for name in ("deb", "debian", "secret", "nopkg")}
    assert shown["deb"].scanners == ("license", "vuln")
    assert shown["secret"].scanners == ("misconfig", "secret", "vuln")
    assert [missing_parts(shown[name], DEFAULT_SCOPE) for name in ("deb", "debian", "secret")] == [(), (), ()]
    assert missing_parts(shown["nopkg"], DEFAULT_SCOPE) == ("os",)
    assert shown["deb"].platforms == ("linux/amd64",)
    assert not any(scope.stated for scope in shown.values())


def test_our_own_scan_is_narrow_as_it_was_asked_to_be(tmp_path) -> None:
    path = tmp_path / "trivy.json"
    path.write_bytes(report({"Target": "a.env", "Class": "secret"}, **ALPINE))
    result = assess.assess_scan(
        path,
        trivy_report.read(path),
        image="app",
        reference="app@x",
        scope=replace(LOOKED_AT, scanners=("secret",)),
        kept=False,
        criteria=criteria(),
        database=None,
        warned=None,
    )
    assert result.warnings == ("Not looked at, as the inputs ask: vulnerabilities.",)
    assert closed_gate_error(result, ANY) is None


@pytest.mark.parametrize(("kept", "closed"), [(True, True), (False, False)])
def test_a_kept_report_ages_and_a_new_scan_does_not(kept, closed, tmp_path) -> None:
    path = tmp_path / "trivy.json"
    path.write_bytes(report(packages(PACKAGE), age=timedelta(hours=25), **ALPINE))
    result = assess.assess_scan(
        path,
        trivy_report.read(path),
        image="app",
        reference="app@x",
        scope=LOOKED_AT,
        kept=kept,
        criteria=criteria(),
        database=None,
        warned=None,
    )
    assert (closed_gate_error(result, ANY) is not None) is closed
    assert result.reused is kept


@pytest.mark.parametrize(
    "created", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "", "yesterday"]
)
def test_a_time_that_nobody_set_is_none(created, tmp_path) -> None:
    document = json.loads(report(packages(PACKAGE), **ALPINE)) | {"CreatedAt": created}
    document["Results"][0]["Vulnerabilities"] = [VULNERABILITY | {"PublishedDate": created}]
    document["Results"][0]["Vulnerabilities"][0]["FixedVersion"] = "2"
    policy = model.parse("version: 1\nfindings: {refuse: [{LOW: {grace: 9d}}]}\n")
    result = judged(json.dumps(document).encode(), tmp_path, criteria(policy=policy))
    assert result.outdated == "The report does not say when the scan was made."
    assert [finding.id for finding in result.refused] == ["CVE-2026-1"]


def test_who_accepts_a_blind_scan_has_it_on_record(tmp_path) -> None:
    accepted = judged(BLIND, tmp_path, criteria(unscanned_fails=False))
    assert closed_gate_error(accepted, ANY) is None
    assert (accepted.blind, "not checked" in accepted.overridden) == ("", True)
    assert "not checked" in judged(BLIND, tmp_path, criteria()).blind


def test_an_empty_report_of_a_folder_is_no_blind_image(tmp_path) -> None:
    folder = json.loads(EMPTY) | {"ArtifactType": "filesystem", "ArtifactName": "."}
    result = judged(json.dumps(folder).encode(), tmp_path, criteria())
    assert closed_gate_error(result, ANY) is None
    assert result.warnings == ("The report does not show that vulnerabilities were looked at.",)


CVE = "CVE-2021-44228"


def exploited(added: dict[str, str]) -> ExploitationFacts:
    return ExploitationFacts(catalogue=KevCatalogue(released="2026-11-22T15:00:10Z", added=added), scores=None)


def test_a_report_is_judged_with_todays_facts_and_the_same_one_later_with_those_of_then(tmp_path: Path) -> None:
    """Facts are no part of a report that is kept or given: a CVE that enters the catalogue tonight counts tonight."""
    data = report(packages(PACKAGE) | {"Vulnerabilities": [VULNERABILITY | {"VulnerabilityID": CVE}]}, **ALPINE)
    before = judged(data, tmp_path, criteria(exploitation=exploited({"CVE-2014-0160": "2022-05-04"})))
    after = judged(data, tmp_path, criteria(exploitation=exploited({CVE: "2026-11-23"})))
    unknown = judged(data, tmp_path, criteria())
    assert [result.report.total_exploited for result in (before, after, unknown)] == [0, 1, None]
    assert after.refused[0].exploitation == Exploitation(known_exploited=True, since="2026-11-23", epss=None)
    assert unknown.report.findings[0].exploitation is None
    assert before.report_sha256 == after.report_sha256
