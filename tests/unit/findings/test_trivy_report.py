"""Reading Trivy's JSON: what is understood, and that nothing unintelligible is ever taken for "no findings"."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from s3c_actions.core.errors import InputError, OutsideError
from s3c_actions.findings import coverage, trivy_report
from s3c_actions.findings.model import FindingKind, Severity
from s3c_actions.findings.scope_inference import infer
from tests.support import ROOT, reports


def report(**changes: Any) -> bytes:
    whole: dict[str, Any] = {
        "SchemaVersion": 2,
        "ArtifactName": "localhost:5000/app:1",
        "ArtifactType": "container_image",
        "Metadata": {
            "OS": {"Family": "debian", "Name": "12.5"},
            "DiffIDs": ["sha256:aa", "sha256:bb"],
            "RepoDigests": ["other/app@sha256:11", "localhost:5000/app@sha256:22"],
            "ImageConfig": {
                "os": "linux",
                "architecture": "arm",
                "variant": "v7",
                "history": [{"created_by": "base"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "RUN"}],
                "config": {"Labels": {"a": "b"}},
            },
        },
        "Results": [
            {
                "Target": "localhost:5000/app:1 (debian 12.5)",
                "Class": "os-pkgs",
                "Type": "debian",
                "Vulnerabilities": [vulnerability()],
            }
        ],
    }
    return json.dumps(whole | changes).encode()


def vulnerability(**changes: Any) -> dict[str, Any]:
    return {
        "VulnerabilityID": "CVE-2024-1",
        "PkgName": "libssl3",
        "InstalledVersion": "3.0.1",
        "FixedVersion": "3.0.2",
        "Severity": "HIGH",
    } | changes


def result(**lists: Any) -> list[dict[str, Any]]:
    return [{"Target": "etc/app.conf", "Class": "secret", **lists}]


def test_image_facts() -> None:
    read = trivy_report.parse(report())
    assert (read.digest, read.platform, read.os) == ("sha256:22", "linux/arm/v7", "debian 12.5")
    assert read.history == ("base", "RUN")
    assert read.labels == {"a": "b"}
    [finding] = read.findings
    assert (finding.kind, finding.id, finding.package) == (FindingKind.VULNERABILITY, "CVE-2024-1", "libssl3")
    assert finding.fixable


def test_an_image_with_nothing_to_scan_has_no_results_member() -> None:
    whole = json.loads(report())
    del whole["Results"]
    assert trivy_report.parse(json.dumps(whole).encode()).findings == ()


def test_score_is_the_vendors_whose_severity_was_taken() -> None:
    cvss = {"nvd": {"V3Score": 9.8, "V3Vector": "nvd"}, "ghsa": {"V3Score": 5.3, "V3Vector": "ghsa"}}
    scored = vulnerability(CVSS=cvss, SeveritySource="ghsa")
    [finding] = trivy_report.parse(report(Results=[{"Target": "t", "Vulnerabilities": [scored]}])).findings
    assert (finding.score, finding.vector) == (5.3, "ghsa")


def test_other_ids_of_a_vulnerability_are_those_of_its_vendors() -> None:
    listed = [vulnerability(VendorIDs=["GHSA-xc9x-jj77-9p9j"]), vulnerability(VendorIDs=None)]
    read = trivy_report.parse(report(Results=[{"Target": "t", "Vulnerabilities": listed}]))
    assert sorted(finding.aliases for finding in read.findings) == [(), ("GHSA-xc9x-jj77-9p9j",)]


def test_passed_checks_are_no_findings_but_every_other_status_is() -> None:
    checks = [{"ID": f"DS-{status}", "Severity": "LOW", "Status": status} for status in ("PASS", "FAIL", "", "ODD")]
    failed = trivy_report.parse(report(Results=result(Misconfigurations=checks))).findings
    assert {finding.id for finding in failed} == {"DS-FAIL", "DS-", "DS-ODD"}


@pytest.mark.parametrize(
    ("status", "suppressed"),
    [("ignored", True), ("not_affected", True), ("fixed", True), ("affected", False), ("under_investigation", False)],
)
def test_only_words_that_say_no_harm_suppress(status: str, suppressed: bool) -> None:
    modified = {"Type": "vulnerability", "Status": status, "Statement": "because", "Source": "vex.json"}
    results = result(ExperimentalModifiedFindings=[modified | {"Finding": vulnerability()}])
    read = trivy_report.parse(report(Results=results))
    assert (len(read.suppressed), len(read.findings)) == ((1, 0) if suppressed else (0, 1))
    # What counts carries no reason not to: whoever reads that alone, as the cluster does, counts it as well.
    assert (read.suppressed or read.findings)[0].suppressed == ("because (vex.json)" if suppressed else "")


@pytest.mark.parametrize(
    ("source", "verified"),
    [
        ("vex.json", True),
        ("VEX Repository: default (https://github.com/aquasecurity/vexhub)", True),
        ("VEX attestation in OCI registry (pkg:oci/app@sha256%3Aaa?repository_url=localhost:5000/app)", False),
        ("https://evil.example/vex.json", False),
        ("HTTPS://evil.example/vex.json", False),
        ("http://evil.example/vex.json", False),
    ],
)
def test_vex_that_nobody_verified_sets_nothing_aside(source: str, verified: bool) -> None:
    modified = {"Type": "vulnerability", "Status": "not_affected", "Statement": "", "Source": source}
    results = result(ExperimentalModifiedFindings=[modified | {"Finding": vulnerability()}])
    read = trivy_report.parse(report(Results=results))
    assert (len(read.suppressed), len(read.findings)) == ((1, 0) if verified else (0, 1))


def test_the_most_severe_and_fixable_come_first() -> None:
    listed = [
        vulnerability(VulnerabilityID="low", Severity="LOW"),
        vulnerability(VulnerabilityID="unfixed", Severity="CRITICAL", FixedVersion=""),
        vulnerability(VulnerabilityID="fixed", Severity="CRITICAL"),
        vulnerability(VulnerabilityID="none", Severity=""),
    ]
    read = trivy_report.parse(report(Results=[{"Target": "t", "Vulnerabilities": listed}]))
    assert [finding.id for finding in read.findings] == ["fixed", "unfixed", "low", "none"]
    assert read.findings[-1].severity is Severity.UNKNOWN


UNINTELLIGIBLE = {
    "empty": (b"", "is empty"),
    "not JSON": (b"FATAL error", "is not JSON"),
    "truncated": (report()[:-20], "is cut off after"),
    "two reports": (report() + report(), "is not JSON"),
    "PowerShell's": (report().decode().encode("utf-16"), "UTF-16"),
    "PowerShell's, big-endian": (b"\xfe\xff" + report().decode().encode("utf-16-be"), "UTF-16"),
    "with a byte order mark": (b"\xef\xbb\xbf" + report(), "byte order mark"),
    "packed": (gzip.compress(report()), "gzip"),
    "behind a log": (b"2026-11-29T10:00:00Z\tINFO\tsecrets are looked for\n" + report(), "lines before its JSON"),
    "behind a warning": (b"WARN: old\n" + report(), "lines before its JSON"),
    "a severity in small letters": (
        report(Results=result(Vulnerabilities=[vulnerability(Severity="high")])),
        "'high' - at `$.Results[0].Vulnerabilities[0].Severity` is no severity of Trivy's (UNKNOWN, LOW,",
    ),
    "not UTF-8": (report().replace(b"CVE", b"\xff\xff"), "is not JSON"),
    "bottomless": (b'{"a":' + b"[" * 100_000, "is not JSON"),
    "null": (b"null", "no Trivy report"),
    "a list": (b"[]", "no Trivy report"),
    "an empty object": (b"{}", "an empty object"),
    "Grype's": (b'{"matches": [], "source": {}, "descriptor": {"name": "grype"}}', "Grype"),
    "an npm lock": (b'{"name": "x", "lockfileVersion": 3, "packages": {}}', "npm lock file"),
    "CycloneDX": (b'{"bomFormat": "CycloneDX", "specVersion": "1.6"}', "CycloneDX"),
    "another schema": (report(SchemaVersion=1), "schema version 1"),
    "an account": (report(ArtifactType="aws_account"), "'aws_account'"),
    "Trivy 0.19's": (b'[{"Target": "x (alpine 3.10)", "Type": "alpine", "Vulnerabilities": null}]', "before 0.20"),
    "a newer schema": (report(SchemaVersion=3), "newer Trivy (schema version 3)"),
    "a newer schema of another shape": (report(SchemaVersion=3, Results={}), "newer Trivy (schema version 3)"),
    "of a cluster": (b'{"ClusterName": "c", "Resources": []}', "`trivy k8s`"),
    "results an object": (report(Results={}), "damaged"),
    "no id": (report(Results=result(Vulnerabilities=[{"PkgName": "x", "Severity": "HIGH"}])), "damaged"),
    "a new severity": (report(Results=result(Vulnerabilities=[vulnerability(Severity="AWFUL")])), "AWFUL"),
    "a wrong type": (report(Results=result(Vulnerabilities=[vulnerability(PkgName=7)])), "damaged"),
    "packages that are no list": (report(Results=result(Packages="all")), "damaged"),
    "a package that is a text": (report(Results=result(Packages=["openssl"])), "damaged"),
    "a package's source that is a number": (report(Results=result(Packages=[{"Repository": {"Class": 7}}])), "damaged"),
    "a hollow suppression": (
        report(Results=result(ExperimentalModifiedFindings=[{"Type": "secret", "Status": "ignored", "Finding": {}}])),
        "damaged",
    ),
}


@pytest.mark.parametrize("name", UNINTELLIGIBLE)
def test_unintelligible_reports_are_refused_and_named(name: str, tmp_path: Any) -> None:
    data, reason = UNINTELLIGIBLE[name]
    path = tmp_path / "report.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"report: .*report\.json") as caught:
        trivy_report.read(path)
    assert reason in str(caught.value)
    with pytest.raises(OutsideError, match=r"report\.json"):
        trivy_report.read_output(path, image="app")


def test_a_report_that_is_not_there(tmp_path: Any) -> None:
    with pytest.raises(InputError, match=r"baseline: .*none\.json.*No such file"):
        trivy_report.read(tmp_path / "none.json", field="baseline")


def test_the_versions_of_packages_are_as_those_of_findings() -> None:
    packages = [
        {"Name": "libperl5.36", "Version": "5.36.0", "Release": "7+deb12u4"},
        {"Name": "bsdutils", "Version": "2.38.1", "Release": "5+deb12u3", "Epoch": 1},
    ]
    python = [{"Name": "pip", "Version": "24.0"}]
    listed = reports.image([{"Target": "x", "Packages": packages}, {"Target": "y", "Packages": python}])
    assert trivy_report.installed_versions(listed) == {
        "libperl5.36": "5.36.0-7+deb12u4",
        "bsdutils": "1:2.38.1-5+deb12u3",
        "pip": "24.0",
    }


RECORDED = {path.stem: path.read_bytes() for path in (ROOT / "tests" / "data" / "trivy").glob("*.json")}
DECISIVE = {
    "SchemaVersion", "ArtifactName", "ArtifactType", "Target", "VulnerabilityID", "PkgName", "Finding", "Name",
    "RuleID", "ID", "Type", "Results", "Vulnerabilities", "Severity", "Secrets", "Misconfigurations", "Licenses",
    "ExperimentalModifiedFindings", "Status",
}  # fmt: skip


def nulled(value: Any, member: str) -> Any:
    """The document with null wherever the member of this name is."""
    if isinstance(value, dict):
        return {key: None if key == member else nulled(inner, member) for key, inner in value.items()}
    return [nulled(inner, member) for inner in value] if isinstance(value, list) else value


def members(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(members, value.values()))
    return set().union(*map(members, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.slow
def test_null_is_what_go_takes_it_for(name: str) -> None:
    document = json.loads(RECORDED[name])
    whole = trivy_report.parse(RECORDED[name])
    optional = members(document) - DECISIVE
    assert optional
    for member in sorted(optional):
        data = json.dumps(nulled(document, member)).encode()
        assert len(trivy_report.parse(data).findings) == len(whole.findings), member
        infer(data)
        coverage.assess_coverage(data, scanners=("vuln",), pkg_types=())
        trivy_report.installed_versions(data)


@pytest.mark.parametrize("member", ["Results", "Vulnerabilities"])
def test_lists_that_are_null_are_empty_and_prove_nothing(member: str) -> None:
    data = json.dumps(nulled(json.loads(report()), member)).encode()
    assert trivy_report.parse(data).findings == ()
    judged = coverage.assess_coverage(data, scanners=("vuln",), pkg_types=())
    assert judged.blind


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"Results":', '"results":'),
        ('"Results":', '"Results": [], "results":'),
        ('"Results":', '"Results": [], "Results":'),
        ('"Vulnerabilities":', '"vulnerabilities":'),
        ('"Vulnerabilities":', '"Vulnerabilities": [{}], "Vulnerabilities":'),
        ('"Vulnerabilities":', '"VULNERABILITIES":'),
        ('"Class":', '"class":'),
        ('"Severity":', '"severity":'),
        ('"Severity":', '"Severity": "LOW", "Severity":'),
        ('"Results":', '"Results": [], "\\u0072esults":'),
        ('"Results":', '"Results": [], "Result\\u0073":'),
        ('"Results":', '"Results": [], "Re\u017fults":'),
        ('"Results":', '"Results": [], "Re\\u017fults":'),
    ],
)
def test_findings_that_only_other_readers_see_are_no_clean_report(was: str, becomes: str) -> None:
    data = report().replace(was.encode(), becomes.encode()).replace(b"[{}]", json.dumps([vulnerability()]).encode())
    with pytest.raises(trivy_report.InvalidTrivyReport, match="twice, or in letters"):
        trivy_report.parse(data)


def test_names_of_members_may_stand_in_texts_and_labels() -> None:
    labels = {"results": "a", "severity": "b", "Results": "c"}
    vulnerable = vulnerability(Title="Secrets", Description='"Vulnerabilities": []')
    data = report(
        Metadata={"ImageConfig": {"config": {"Labels": labels}}},
        Results=[{"Target": "Results", "Class": "os-pkgs", "Vulnerabilities": [vulnerable], "Secrets": []}],
    )
    [finding] = trivy_report.parse(data).findings
    assert finding.title == "Secrets"


def test_a_number_that_python_does_not_read_beside_such_a_name_is_no_bug() -> None:
    data = report().replace(b'"Results":', b'"results": ' + b"1" * 5000 + b', "Results":')
    with pytest.raises(trivy_report.InvalidTrivyReport, match="is not JSON that can be read"):
        trivy_report.parse(data)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-11-24T09:18:03.5+14:00", "2026-11-23T19:18:03.500000Z"),
        ("2026-11-23T19:18:03.123456789Z", "2026-11-23T19:18:03.123456789Z"),
        ("2026-11-23 in the evening", "2026-11-23 in the evening"),
        ("2026-11-23T19:18:03", "2026-11-23T19:18:03"),
    ],
)
def test_the_time_of_the_scan_is_in_utc_whatever_the_zone_of_trivys_machine(written, shown):
    assert trivy_report.parse(report(CreatedAt=written)).created == shown
