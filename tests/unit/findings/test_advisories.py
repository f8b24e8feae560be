import json
from datetime import UTC, datetime, timedelta

import pytest

from s3c_actions.findings.advisories import MAX_DATABASE_AGE, Database, outdated_reason, unknown_reason
from s3c_actions.findings.coverage import assess_coverage
from s3c_actions.findings.releases import DISTRIBUTIONS, find_distribution
from s3c_actions.findings.trivy_warnings import WARNING_CASES, WarningAssessment, WarningMeaning, mentions_layers
from s3c_actions.findings.trivy_warnings import assess_warnings as judge_warnings

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
FULL = Database(
    updated=NOW,
    sources=frozenset({"debian 12", "debian 13", "alpine 3.22", "Red Hat", "ubuntu 24.04", "pip::GHSA", "npm::GHSA"}),
)
FINDING = {"VulnerabilityID": "CVE-2026-1", "PkgName": "openssl", "Severity": "HIGH"}


def report(family, name, *results, eosl=False):
    metadata = {"OS": {"Family": family, "Name": name, "EOSL": eosl}} if family is not None else {}
    return json.dumps({"Metadata": metadata, "Results": list(results)}).encode()


def os_packages(*packages, findings=()):
    listed = [{"Name": name, "Repository": {"Class": place}} if place else {"Name": name} for name, place in packages]
    return {"Class": "os-pkgs", "Packages": listed, "Vulnerabilities": list(findings)}


def library(kind, number, findings=()):
    return {
        "Class": "lang-pkgs",
        "Type": kind,
        "Packages": [{"Name": f"p{index}"} for index in range(number)],
        "Vulnerabilities": list(findings),
    }


OPENSSL = os_packages(("openssl", ""))


def judged(data, database=None, warned=None):
    return assess_coverage(data, scanners=("vuln",), pkg_types=("os", "library"), database=database, warned=warned)


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("debian", "forky/sid"),
        ("debian", "99.1"),
        ("debian", ""),
        ("alpine", "3.99.0"),
        ("ubuntu", "27.10"),
        ("redhat", "11.2"),
        ("centos", "9"),
        ("rocky", "11.0"),
        ("fedora", "44"),
        ("coreos", "1"),
        ("photon", "9.0"),
        ("opensuse-leap", "99.9"),
        ("sles", "17.0"),
        ("oracle", "12"),
        ("acmeos", "1"),
    ],
)
@pytest.mark.parametrize("database", [None, FULL], ids=["report", "scan"])
def test_a_release_without_advisories_is_not_one_without_findings(family, name, database):
    assert judged(report(family, name, OPENSSL), database).blind


@pytest.mark.parametrize(
    ("family", "name"),
    [("debian", "12.5"), ("alpine", "3.22.1"), ("ubuntu", "24.04"), ("redhat", "9.4"), ("centos", "7.9")],
)
@pytest.mark.parametrize("database", [None, FULL], ids=["report", "scan"])
def test_a_release_with_advisories_is_seen(family, name, database):
    assert judged(report(family, name, OPENSSL), database).blind == ""


def test_a_new_release_that_the_database_knows_is_seen():
    database = Database(updated=NOW, sources=frozenset({"debian 14"}))
    assert judged(report("debian", "14.0", OPENSSL), database).blind == ""


def test_a_known_release_that_the_database_lacks_is_blind():
    database = Database(updated=NOW, sources=frozenset({"debian 12"}))
    assert "no advisories for alpine 3.22.1" in judged(report("alpine", "3.22.1", OPENSSL), database).blind


def test_findings_show_that_there_are_advisories():
    packages = os_packages(("openssl", ""), findings=[FINDING])
    assert judged(report("debian", "99", packages), None).blind == ""


def test_an_empty_database_is_blind():
    database = Database(updated=NOW, sources=frozenset())
    assert "empty or damaged" in judged(report("debian", "12.5", OPENSSL), database).blind


def test_ubuntu_is_known_by_its_extended_name_too():
    database = Database(updated=NOW, sources=frozenset({"ubuntu 18.04-ESM"}))
    assert judged(report("ubuntu", "18.04", OPENSSL, eosl=False), database).blind == ""


def test_old_names_of_distributions_are_understood():
    assert find_distribution("suse linux enterprise server") is DISTRIBUTIONS["sles"]


def test_packages_of_other_repositories_are_counted():
    data = report(
        "debian", "12.5", os_packages(("openssl", "official"), ("docker-ce", "third-party"), ("gh", "third-party"))
    )
    seen = judged(data, FULL)
    assert seen.blind == ""
    assert [(packages.source, packages.number) for packages in seen.uncovered] == [
        ("other repositories than debian's", 2)
    ]
    assert "2 packages of other repositories" in seen.warnings[0]


@pytest.mark.parametrize("kind", ["conda-pkg", "wordpress", "", "cargo"])
def test_libraries_without_advisories_are_counted(kind):
    seen = judged(report("debian", "12.5", OPENSSL, library(kind, 3), library("python-pkg", 2)), FULL)
    assert seen.blind == ""
    assert [packages.number for packages in seen.uncovered] == [3]


def test_nothing_covered_is_blind():
    assert "None of the 3 packages" in judged(report(None, "", library("conda-pkg", 3))).blind
    assert "None of the 1 packages" in judged(report("debian", "12.5", os_packages(("x", "third-party"))), FULL).blind
    assert judged(report(None, "", library("conda-pkg", 3), library("node-pkg", 1))).blind == ""


def test_an_old_database_is_outdated():
    assert outdated_reason(Database(updated=NOW - MAX_DATABASE_AGE, sources=None), NOW) == ""
    old = Database(updated=NOW - MAX_DATABASE_AGE - timedelta(seconds=1), sources=None)
    assert "14 days old" in outdated_reason(old, NOW)
    assert outdated_reason(old, NOW, timedelta(days=30)) == ""
    assert "does not say when" in outdated_reason(Database(updated=None, sources=None), NOW)
    assert outdated_reason(None, NOW) == ""
    assert outdated_reason(Database(updated=NOW + timedelta(minutes=5), sources=None), NOW) == ""
    early = Database(updated=NOW + timedelta(minutes=6), sources=None)
    assert "still to come" in outdated_reason(early, NOW, timedelta(days=30))


@pytest.mark.parametrize(
    ("message", "scanner", "meaning"),
    [
        ('This OS version is not on the EOL list   family="debian" version="99"', "vuln", WarningMeaning.REPORTED),
        ('Unsupported os   family="acme"', "vuln", WarningMeaning.BLIND),
        ('[dpkg] Parse error   file_path="var/lib/dpkg/status" err="x"', "vuln", WarningMeaning.BLIND),
        ('[dpkg] Invalid version   OS="debian" package="x" version="y"', "vuln", WarningMeaning.UNCOVERED),
        ("Invalid version found   OS=alpine", "vuln", WarningMeaning.UNCOVERED),
        (
            "[applier] Some OS packages were skipped due to mismatched PURL namespace   pkg_count=3",
            "vuln",
            WarningMeaning.UNCOVERED,
        ),
        ("Conda package is supported for SBOM, not for vulnerability scanning", "vuln", WarningMeaning.UNCOVERED),
        ("[secret] Failed to read content during streaming   err=x", "secret", WarningMeaning.BLIND),
        ("[misconf] scan was broken with InvalidContentError", "misconfig", WarningMeaning.BLIND),
        ('[dpkg] Parse error   file_path="var/lib/dpkg/available"', "vuln", WarningMeaning.SHOWN),
        ("Something that nobody has heard of", "vuln", WarningMeaning.SHOWN),
    ],
)
def test_what_trivy_warns_of_is_judged(message, scanner, meaning):
    assessment = judge_warnings([message], [scanner])
    assert bool(assessment.blind) == (meaning is WarningMeaning.BLIND)
    assert bool(assessment.uncovered) == (meaning is WarningMeaning.UNCOVERED)
    assert bool(assessment.shown) == (meaning is WarningMeaning.SHOWN)


def test_what_the_report_shows_as_well_is_not_reported_twice():
    warnings = [
        "This OS version is not on the EOL list   version=99",
        "No OS package is detected. Make sure",
        'e.g. files under "/lib/apk/db/"',
    ]
    assert judge_warnings(warnings, ["secret"]) == judge_warnings(warnings, ["vuln"]) == judge_warnings([], ["vuln"])


def test_a_warning_about_what_nobody_asked_for_is_only_shown():
    assessment = judge_warnings(["[secret] Failed to read content during streaming"], ["vuln"])
    assert assessment == WarningAssessment(
        blind="", uncovered=(), shown=("Trivy: [secret] Failed to read content during streaming",)
    )


def test_a_blind_warning_makes_the_scan_blind():
    warned = judge_warnings(['[dpkg] Parse error   file_path="var/lib/dpkg/status"'], ["vuln"])
    assert "package database" in judged(report("debian", "12.5", OPENSSL), FULL, warned).blind


def test_warnings_that_come_but_once_are_known():
    assert mentions_layers(['[dpkg] Parse error   file_path="var/lib/dpkg/status"'])
    assert not mentions_layers(["This OS version is not on the EOL list", "whatever"])


def test_every_case_has_a_sentence_and_scanners():
    assert all(case.sentence.endswith(".") and case.scanners for case in WARNING_CASES)


@pytest.mark.parametrize(
    ("release", "known"),
    [
        *(("2018.03", True), ("AMI release 2017.09", True), ("2 (Karoo)", True), ("2023.6.20241031", True)),
        *(("2027.0.20270101", False), ("2025", False)),
    ],
)
def test_a_newer_amazon_linux_is_not_checked_as_the_first(release, known):
    sources = frozenset({"amazon linux 1", "amazon linux 2", "amazon linux 2023"})
    database = Database(updated=None, sources=sources)
    assert (unknown_reason("amazon", release, None, 0) == "") == known
    assert (unknown_reason("amazon", release, database, 0) == "") == known


@pytest.mark.parametrize(
    ("family", "release", "known"),
    [
        *(("azurelinux", "3.0.20240727", True), ("azurelinux", "4.0", False), ("azurelinux", "", False)),
        *(("cbl-mariner", "2.0.20240123", True), ("cbl-mariner", "3.0", False)),
    ],
)
def test_a_newer_azure_linux_is_unknown_until_a_database_has_it(family, release, known):
    assert (unknown_reason(family, release, None, 0) == "") == known
    assert unknown_reason(family, release, None, 1) == ""
    newest = Database(updated=None, sources=frozenset({"Azure Linux 4.0", "CBL-Mariner 3.0", "Azure Linux "}))
    assert (unknown_reason(family, release, newest, 0) == "") == (not known)
