from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from s3c_actions.evidence.completeness import Completeness
from s3c_actions.evidence.packages import Package
from s3c_actions.fleet.find.answer import Answer, answer
from s3c_actions.fleet.find.facts import Facts, ReportedFinding
from s3c_actions.fleet.find.query import parse

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
DIGEST = "sha256:" + 64 * "a"


def package(ecosystem, name, version, *, namespace="", **more):
    return Package(ecosystem=ecosystem, namespace=namespace, name=name, version=version, **more)


LIBSSL = package(
    "deb", "libssl3", "3.0.11-1", namespace="debian", source="openssl", source_version="3.0.11-1", licences="Apache-2.0"
)
BASH = package("deb", "bash", "5.2.15-2+b8", namespace="debian", source="bash", source_version="5.2.15-2")
LOG4J = package("maven", "log4j-core", "2.14.1", namespace="org.apache.logging.log4j", licences="GPL-2.0+ OR MIT")
NODE = package("npm", "node", "20.1.0", namespace="@types")
FOO = package("pypi", "foo-bar", "1.0")
DEVEL = package("golang", "app", "(devel)", namespace="example.com")
TOOL = package("", "tool", "1.0")
ALL = (LIBSSL, BASH, LOG4J, NODE, FOO, DEVEL, TOOL)
FINDING = ReportedFinding(
    id="CVE-2024-5535", severity="HIGH", package="libssl3", installed="3.0.11-1", fixed="3.0.13-1"
)


def sbom(*packages):
    return Facts(evidence=DIGEST, subject=DIGEST, kind="sbom", created="2026-11-01T00:00:00Z", packages=packages or ALL)


def report(*findings, created="2026-11-29T06:00:00Z", **left):
    return Facts(
        evidence=DIGEST,
        subject=DIGEST,
        kind="report",
        created=created,
        findings=findings,
        completeness=Completeness(**left),
    )


def ask(query, bill=None, scan=None):
    return answer(parse(query), bill, scan, now=NOW, maximum_age=timedelta(days=7))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("openssl", ["libssl3"]),
        ("libssl3", ["libssl3"]),
        ("OpenSSL<3.0.13", ["libssl3"]),
        ("openssl<3.0.11", []),
        ("openssl=3.0.11", ["libssl3"]),
        ("openssl>=3.0.11,<3.0.12", ["libssl3"]),
        ("bash<5.2.15-2+b9", ["bash"]),
        ("rpm:openssl", []),
        ("pkg:deb/debian/openssl", ["libssl3"]),
        ("pkg:deb/ubuntu/openssl", []),
        ("log4j-core<2.17.1", ["org.apache.logging.log4j:log4j-core"]),
        ("org.apache.logging.log4j:log4j-core", ["org.apache.logging.log4j:log4j-core"]),
        ("node", []),
        ("@types/node", ["@types/node"]),
        ("Foo.Bar", ["foo-bar"]),
        ("pypi:foo_bar", ["foo-bar"]),
        ("nothing", []),
        ("tool", ["tool"]),
    ],
)
def test_packages_by_name_source_and_version(query, names):
    given = ask(query, sbom())
    assert [match.package for match in given.matches if not match.problem] == names
    assert given.open == ()


def test_what_was_built_from_a_source_is_compared_by_the_source():
    built = replace(BASH, name="bash-static", version="99")
    assert [match.source for match in ask("bash<6", sbom(built)).matches] == ["bash"]
    assert ask("bash-static<6", sbom(built)).matches == ()


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("example.com/app<1.0", "'(devel)' is no version of golang"),
        ("tool<2", "its ecosystem is not known"),
        ("foo-bar<1.0-1~deb12u1", "'1.0-1~deb12u1' is no version of pypi"),
    ],
)
def test_what_cannot_be_compared_is_named_and_not_left_out(query, problem):
    (match,) = ask(query, sbom()).matches
    assert match.problem == problem


def test_a_package_has_the_fix_of_the_report():
    (match,) = ask("openssl", sbom(), report(FINDING, replace(FINDING, id="CVE-2", fixed="3.0.15-1"))).matches
    assert match.fixed == "3.0.13-1, 3.0.15-1"
    (match,) = ask("openssl", sbom(), report(replace(FINDING, installed="1.0"))).matches
    assert match.fixed == ""


def test_without_a_bill_of_materials_there_is_no_answer():
    assert ask("openssl", None, report(FINDING)) == Answer(
        matches=(), open=("it has no bill of materials by a trusted signer",)
    )


def test_a_scan_that_left_something_out_proves_no_package_absent():
    left = report(narrow=("1 path in it was skipped",), blind=("x",), unlisted=("y",))
    assert ask("nothing", sbom(), left).open == ("1 path in it was skipped",)


def test_a_bill_of_materials_never_grows_old():
    old = replace(sbom(), created="2020-01-01T00:00:00Z")
    assert ask("nothing", old, report(created="2020-01-01T00:00:00Z")).open == ()


def test_licences():
    assert [match.package for match in ask("license:GPL-2.0-only", sbom()).matches] == [LOG4J.full_name]
    assert [match.licence for match in ask("license:apache-2.0", sbom()).matches] == ["Apache-2.0"]
    assert ask("license:GPL-3.0-only", sbom()) == Answer(matches=())


def test_a_vulnerability():
    (match,) = ask("cve-2024-5535", None, report(FINDING)).matches
    assert (match.package, match.installed, match.fixed, match.severity) == ("libssl3", "3.0.11-1", "3.0.13-1", "HIGH")
    assert match.note == ""
    assert ask("CVE-2024-1111", sbom(), report(FINDING)) == Answer(matches=())


def test_a_vulnerability_that_does_not_count_is_there():
    (match,) = ask("CVE-2024-5535", None, report(replace(FINDING, reason="not reached"))).matches
    assert match.note == "does not count: not reached"


def test_a_vulnerability_found_long_ago_is_found():
    given = ask("CVE-2024-5535", None, report(FINDING, created="2026-01-01T00:00:00Z"))
    assert len(given.matches) == 1


@pytest.mark.parametrize(
    ("scan", "reason"),
    [
        (None, "it has no scan report by a trusted signer"),
        (report(created="2026-11-22T11:59:59Z"), "its report is of 2026-11-22T11:59:59Z, older than 7 days"),
        (report(created="2026-11-29T12:06:00Z"), "its report is dated 2026-11-29T12:06:00Z, which is still to come"),
        (report(created=""), "its report does not state when it was made"),
        (report(narrow=("narrow",)), "narrow"),
        (report(blind=("blind",)), "blind"),
        (report(unlisted=("unlisted",)), "unlisted"),
    ],
)
def test_what_proves_no_vulnerability_absent_leaves_it_open(scan, reason):
    assert ask("CVE-2024-1111", sbom(), scan) == Answer(matches=(), open=(reason,))


def test_a_report_that_denies_it_by_name_lists_it_whatever_else_it_lists():
    scan = report(unlisted=("it lists findings of severity HIGH alone",), denied=("CVE-2024-1111",))
    assert ask("CVE-2024-1111", None, scan).open == ()
    assert ask("CVE-2024-2222", None, scan).open


def test_what_is_exploited_is_noted_before_why_it_does_not_count():
    exploited = replace(FINDING, exploited_since="2024-07-01")
    notes = [
        ask("CVE-2024-5535", scan=report(finding)).matches[0].note
        for finding in (FINDING, exploited, replace(exploited, reason="accepted"))
    ]
    assert notes == ["", "exploited (CISA, 2024-07-01)", "exploited (CISA, 2024-07-01); does not count: accepted"]


def test_a_vulnerability_is_found_by_any_of_its_ids():
    by_cve = replace(FINDING, aliases=("GHSA-xc9x-jj77-9p9j", "DSA-5532-1"))
    by_ghsa = replace(FINDING, id="GHSA-xc9x-jj77-9p9j", aliases=("CVE-2024-5535",))
    for finding in (by_cve, by_ghsa):
        for asked in ("cve-2024-5535", "GHSA-xc9x-jj77-9p9j"):
            (match,) = ask(asked, scan=report(finding)).matches
            assert match.advisory == finding.id
            assert match.note == ("" if asked.upper() == finding.id.upper() else f"reported as {finding.id}")
    assert [match.package for match in ask("DSA-5532-1", scan=report(by_cve)).matches] == ["libssl3"]
    assert not ask("DSA-5532-1", scan=report(by_ghsa)).matches


def test_a_report_that_states_one_id_each_does_not_prove_that_another_is_absent():
    scan = report(FINDING, unaliased=("one id each",))
    assert ask("GHSA-xc9x-jj77-9p9j", scan=scan).open == ("one id each",)
    assert ask("CVE-2024-0001", scan=scan).open == ask("CVE-2024-5535", scan=scan).open == ()
    denied = report(FINDING, unaliased=("one id each",), denied=("GHSA-XC9X-JJ77-9P9J",))
    assert ask("GHSA-xc9x-jj77-9p9j", scan=denied).open == ()
