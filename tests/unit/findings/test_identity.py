"""The identity of findings and images: what keeps it, what has its own, and what existing alerts keep."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from s3c_actions.findings import trivy_report
from s3c_actions.findings.difference import compare_scans
from s3c_actions.findings.identity import (
    hash_detail,
    identify,
    image_identity,
    number_occurrences,
    pinned_reference,
    strip_versions,
)
from s3c_actions.findings.model import IMAGE_CONFIGURATION, Finding, FindingKind, ScanReport, Severity
from tests.support import ROOT, builds, outcomes, reports
from tests.support.builds import BUILDS, OCCURRENCES, Build, Occurrence

ID, DIGEST = "sha256:" + "1" * 64, "sha256:" + "2" * 64
RECORDED = {path.stem: path.read_bytes() for path in (ROOT / "tests" / "data" / "trivy").glob("*.json")}


def scanned(occurrences: list[Occurrence], build: Build | None = None) -> ScanReport:
    return trivy_report.parse(builds.report(occurrences, build or Build()))


@pytest.mark.parametrize(
    ("path", "stable"),
    [
        ("usr/lib/python3.11/site-packages/foo-1.2.dist-info", "usr/lib/python/site-packages/foo.dist-info"),
        ("usr/lib/python3/dist-packages/foo-7.egg-info", "usr/lib/python3/dist-packages/foo.egg-info"),
        ("app/lib/log4j-core-2.14.0.jar", "app/lib/log4j-core.jar"),
        ("app/guava-31.1-jre.jar", "app/guava.jar"),
        ("app/spring-core-5.3.9.RELEASE.jar", "app/spring-core.jar"),
        ("app/x-1.0-SNAPSHOT.war/WEB-INF/lib/json-20231013.jar", "app/x.war/WEB-INF/lib/json.jar"),
        ("app/netty-4.1.100.Final-linux-x86_64.jar", "app/netty-linux-x86_64.jar"),
        ("usr/lib/ruby/gems/3.1.0/specifications/rack-2.2.3.gemspec", "usr/lib/ruby/gems//specifications/rack.gemspec"),
        ("node_modules/.pnpm/foo@1.2.3_bar@4.5.6/node_modules/foo", "node_modules/.pnpm/foo_bar/node_modules/foo"),
        ("go/pkg/mod/example.com/x@v1.2.3+incompatible/go.mod", "go/pkg/mod/example.com/x/go.mod"),
        ("opt/node-v18.2.0-linux-x64/bin/node", "opt/node-linux-x64/bin/node"),
        ("usr/lib/libssl.so.1.1", "usr/lib/libssl.so"),
        ("go/pkg/mod/x.test/net@v0.0.0-20210101000000-abcdef123456/go.mod", "go/pkg/mod/x.test/net/go.mod"),
        ("go/pkg/mod/x.test/net@v1.2.3-0.20210101000000-abcdef123456/go.mod", "go/pkg/mod/x.test/net/go.mod"),
        ("app/jetty-9.4.44.v20210927.jar", "app/jetty.jar"),
        ("app/foo-1.0-20240101.123456-1.jar", "app/foo.jar"),
        ("app/app-1.2.3-1a2b3c4.jar", "app/app.jar"),
        ("app/x-1.0.0_1.jar", "app/x.jar"),
        ("app/x-1.0.0-b01.jar", "app/x.jar"),
        ("app/log4j-1.2-api-2.17.0.jar", "app/log4j-api.jar"),
        ("site-packages/foo-1.0a1.dist-info", "site-packages/foo.dist-info"),
        ("site-packages/foo-1.2.dev3+g1234abc.dist-info", "site-packages/foo.dist-info"),
        ("opt/conda/conda-meta/foo-1.2-py311h1234567_0.json", "opt/conda/conda-meta/foo.json"),
        ("dotnet/sdk/8.0.100-rc.1.23455.8/x.deps.json", "dotnet/sdk//x.deps.json"),
        ("bundler/gems/foo-0123456789ab/foo.gemspec", "bundler/gems/foo/foo.gemspec"),
        ("app/static/js/main.3f2a1b9c.js", "app/static/js/main.js"),
        ("nix/store/abcdefghijklmnopqrstuvwxyz012345-foo-1.2/x.jar", "nix/store/foo/x.jar"),
        ("srv/550e8400-e29b-41d4-a716-446655440000/x", "srv//x"),
        ("site-packages/torch-2.1.0+cu118.dist-info/METADATA", "site-packages/torch.dist-info/METADATA"),
        ("site-packages/foo-1.0+ubuntu.1.local.egg-info", "site-packages/foo.egg-info"),
        ("srv/assets/index-BkX3aQ9z.js", "srv/assets/index.js"),
        ("srv/assets/index-D_sXz-pL.css", "srv/assets/index.css"),
        ("srv/chunk-5QTVK3ZA.js.map", "srv/chunk.js.map"),
        ("srv/chunk-ABCDEFGH.mjs", "srv/chunk.mjs"),
        ("srv/views-Carousel.js", "srv/views-Carousel.js"),
        ("srv/ui-MenuItem.js", "srv/ui-MenuItem.js"),
        ("srv/x-ui-Panel.js", "srv/x-ui-Panel.js"),
        ("srv/jquery.dateTime.js", "srv/jquery.dateTime.js"),
        ("srv/md-Heading2.js", "srv/md-Heading2.js"),
        ("srv/jquery-abstract.js", "srv/jquery-abstract.js"),
        ("srv/jquery.validate.js", "srv/jquery.validate.js"),
        ("srv/index-BkX3aQ9z.txt", "srv/index-BkX3aQ9z.txt"),
        ("webapps/ROOT##12.war", "webapps/ROOT.war"),
        ("webapps/ROOT##12/WEB-INF/lib/guava.jar", "webapps/ROOT/WEB-INF/lib/guava.jar"),
        ("webapps/ROOT##1.2.3-rc.1.war/WEB-INF/lib/x.jar", "webapps/ROOT.war/WEB-INF/lib/x.jar"),
        ("webapps/shop#api##blue/x.jar", "webapps/shop#api/x.jar"),
        ("##KEY = ****", "##KEY = ****"),
        ("x ##12/y", "x ##12/y"),
        ("app/guava-r09.jar", "app/guava.jar"),
        ("opt/app-r12/lib/x.jar", "opt/app/lib/x.jar"),
        ("opt/app_rev12/x", "opt/app/x"),
        ("srv/app.build77/x", "srv/app/x"),
        ("srv/pair-r/r2/x-router2.js", "srv/pair-r/r2/x-router2.js"),
        ("releases/2026-11-30/x", "releases//x"),
        ("releases/20261130/x", "releases//x"),
        ("releases/20261130120000/x", "releases//x"),
        ("releases/20261130T120000Z/x", "releases//x"),
        ("releases/2026-11-30T12:00:00Z/x", "releases//x"),
        ("releases/2026_11_30-1200/x", "releases//x"),
        ("opt/app-2026-11-30-blue/x", "opt/app-blue/x"),
        ("opt/app-2026-11-30.jar/x.class", "opt/app.jar/x.class"),
        ("opt/app-2026-11-30.jar", "opt/app.jar"),
        ("keys/2026-11-30.pem", "keys/2026-11-30.pem"),
        ("db/20261130120000_create.sql", "db/20261130120000_create.sql"),
        ("srv/20269930/x", "srv/20269930/x"),
        ("srv/120261130/x", "srv/120261130/x"),
        ("srv/logo.D41D8CD98F00B204E9800998ECF8427E.png", "srv/logo.png"),
        ("srv/app-3F2A1B9C.jar", "srv/app.jar"),
        ("srv/550E8400-E29B-41D4-A716-446655440000/x", "srv//x"),
        ("srv/DEADBEEF/12345678/x", "srv/DEADBEEF/12345678/x"),
        ("srv/ABCdef1234/x", "srv/ABCdef1234/x"),
        ("srv/deadbeef/x", "srv/deadbeef/x"),
        ("/app/.env", "/app/.env"),
        ("app/log4j.jar", "app/log4j.jar"),
        ("usr/bin/x86_64-linux-gnu-gcc-12", "usr/bin/x86_64-linux-gnu-gcc-12"),
        ("srv/worker-1/package-lock.json", "srv/worker-1/package-lock.json"),
        ("", ""),
    ],
)  # fmt: skip
def test_versions_in_paths(path: str, stable: str) -> None:
    assert strip_versions(path) == stable
    assert strip_versions(stable) == stable


@pytest.mark.parametrize("part", ["-", ".a", "+a.", "-1.0", "A-", "a##", "##.war", "-20261130", "-r1", "A1"])
def test_a_path_of_any_length_is_no_hang(part: str) -> None:
    assert strip_versions(part * 50_000) is not None


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("webapps/ROOT##11/WEB-INF/lib/x.jar", "webapps/ROOT##12/WEB-INF/lib/x.jar"),
        ("opt/app-r11/x.jar", "opt/app-r12/x.jar"),
        ("releases/2026-11-29/x.jar", "releases/2026-11-30/x.jar"),
        ("srv/x-D41D8CD98F00B204.jar", "srv/x-3F2A1B9C00B204E9.jar"),
    ],
)
def test_what_a_build_renames_is_the_same_finding_and_two_beside_each_other_are_two(earlier: str, later: str) -> None:
    finding = Finding(kind=FindingKind.VULNERABILITY, id="CVE-1", severity=Severity.HIGH, package="p", target="Java")
    old, new = (replace(finding, path=path, result_class="lang-pkgs") for path in (earlier, later))
    assert identify(old).fingerprint("a/b") == identify(new).fingerprint("a/b")
    assert [number for _, number in number_occurrences([old])] == [1]
    assert sorted(number for _, number in number_occurrences([new, old])) == [1, 2]


def test_blanks_and_versions_do_not_count_in_a_detail() -> None:
    assert hash_detail("KEY = ****") == hash_detail("  KEY  = ****\t")
    assert hash_detail("use foo 1.2.3") == hash_detail("use foo 1.2.4")
    assert hash_detail("a", "b") != hash_detail("ab", "")


# Alerts that exist


def fingerprint_of_version_1(image: str, finding: Finding) -> str:
    """What version 1.0.0 wrote."""
    target = "" if finding.result_class == "os-pkgs" else finding.target
    text = "\0".join((image, finding.kind, finding.id, finding.package, target))
    return hashlib.sha256(text.encode()).hexdigest()


KEPT = ("os", "gobinary", "whole-file-check", "os-license", "license")


@pytest.mark.parametrize("kind", KEPT)
def test_fingerprints_that_were_stable_and_of_one_place_are_kept(kind: str) -> None:
    [finding] = scanned([Occurrence(kind=kind, rule=1, subject=1, file=1)]).findings
    assert identify(finding).fingerprint("a/b") == fingerprint_of_version_1("a/b", finding)


@pytest.mark.parametrize("kind", [kind for kind in builds.KINDS if kind not in KEPT])
def test_fingerprints_that_were_of_several_places_or_of_one_build_are_not(kind: str) -> None:
    finding, other = (scanned([Occurrence(kind=kind, rule=1, subject=1, file=1)], b).findings[0] for b in
                      (Build(), Build(tag="2.0", version=7, shift=3)))  # fmt: skip
    assert identify(finding).fingerprint("a/b") == identify(other).fingerprint("a/b")
    assert finding.target == IMAGE_CONFIGURATION or (
        identify(finding).fingerprint("a/b") != fingerprint_of_version_1("a/b", finding)
    )


@pytest.mark.parametrize("name", ["debian", "deb"])
def test_the_alerts_of_recorded_reports_are_kept(name: str) -> None:
    report = trivy_report.parse(RECORDED[name])
    assert report.findings
    for finding, (identity, _) in zip(report.findings, number_occurrences(report.findings), strict=True):
        assert identity.fingerprint("x") == fingerprint_of_version_1("x", finding)


# Occurrences


def test_each_occurrence_counts_and_has_its_place() -> None:
    jars = [Occurrence(kind="jar", rule=2, subject=0, file=file) for file in (0, 1)]
    report = scanned([*jars, Occurrence(kind="secret", rule=0, subject=0, file=0)] * 2)
    assert len(report.findings) == 6
    numbered = Counter(number_occurrences(report.findings))
    assert set(numbered.values()) == {1}
    assert Counter(identity for identity, _ in numbered) == {identify(finding): 2 for finding in report.findings}
    assert {finding.place for finding in report.findings} == {
        "app/0/package0-1.1.3.jar", "app/1/package0-1.1.3.jar", "/app/0.env",
    }  # fmt: skip


def test_numbers_do_not_depend_on_severity_fix_or_what_is_set_aside() -> None:
    first = outcomes.vulnerability(1, Severity.LOW, installed="1.0", fixed="")
    second = replace(first, installed="2.0")
    for findings in ([first, second], [second, first], [replace(second, severity=Severity.HIGH, fixed="3"), first]):
        numbers = {finding.installed: number for finding, (_, number) in
                   zip(findings, number_occurrences(findings), strict=True)}  # fmt: skip
        assert numbers == {"1.0": 1, "2.0": 2}


@pytest.mark.parametrize("kind", builds.KINDS)
def test_a_new_tag_a_rebuild_and_shifted_lines_change_no_identity(kind: str) -> None:
    occurrence = Occurrence(kind=kind, rule=1, subject=2, file=0)
    [before] = scanned([occurrence]).findings
    [after] = scanned([occurrence], Build(tag="2.0-rc.1", version=12, shift=40)).findings
    assert identify(before) == identify(after)
    assert "2.0-rc.1" not in repr(identify(after))


@pytest.mark.parametrize("kind", builds.KINDS)
def test_another_rule_package_and_file_is_another_finding(kind: str) -> None:
    occurrence = Occurrence(kind=kind, rule=0, subject=0, file=0)
    identities = {
        identify(scanned([Occurrence(**(occurrence.__dict__ | change))]).findings[0])
        for change in ({}, {"rule": 1}, {"subject": 1}, {"file": 1})
    }
    whole = {"config-check": 2, "config-secret": 3, "whole-file-check": 3, "os": 3, "os-license": 3}
    assert len(identities) == whole.get(kind, 4)


@given(OCCURRENCES, BUILDS, BUILDS)
def test_nothing_is_new_in_a_rebuild(occurrences: list[Occurrence], first: Build, second: Build) -> None:
    difference = compare_scans(scanned(occurrences, first), scanned(occurrences, second))
    assert (len(difference.new), len(difference.fixed), len(difference.left)) == (0, 0, len(occurrences))


@given(OCCURRENCES, OCCURRENCES, OCCURRENCES, BUILDS, BUILDS)
def test_what_is_added_is_new_and_what_is_removed_is_fixed(
    kept: list[Occurrence], removed: list[Occurrence], added: list[Occurrence], first: Build, second: Build
) -> None:
    earlier, later = Counter(removed), Counter(added)
    removed, added = list((earlier - later).elements()), list((later - earlier).elements())
    before, after = scanned([*kept, *removed], first), scanned([*kept, *added], second)
    same = Counter(map(identify, scanned(removed).findings)) & Counter(map(identify, scanned(added).findings))
    difference = compare_scans(before, after)
    assert len(difference.new) == len(added) - same.total()
    assert len(difference.fixed) == len(removed) - same.total()
    assert len(difference.left) == len(kept) + same.total()
    assert Counter(map(identify, difference.new)) == Counter(map(identify, scanned(added).findings)) - same


@given(OCCURRENCES, st.integers(0, 11))
def test_of_equal_findings_the_one_at_another_line_is_new(occurrences: list[Occurrence], number: int) -> None:
    secret = Occurrence(kind="secret", rule=0, subject=0, file=0)
    before = scanned([*occurrences, secret])
    after = scanned([*occurrences, secret, *[secret] * (number % 3)])
    difference = compare_scans(before, after)
    assert len(difference.new) == number % 3
    lines = {finding.line for finding in before.findings}
    assert not {finding.line for finding in difference.new} & lines


# Images


def image(name: str, **metadata: Any) -> ScanReport:
    whole = json.loads(reports.image([], name="x:1"))
    whole["ArtifactName"] = name
    whole["Metadata"] |= {"ImageID": ID, "RepoTags": [], "RepoDigests": []} | metadata
    return trivy_report.parse(json.dumps(whole).encode())


PULLED = f"registry.example/team/app@{DIGEST}"
TEAM = {"RepoTags": ["myapp:dev"], "RepoDigests": [PULLED]}
HUB, OWN = f"docker.io/library/nginx@{DIGEST}", f"a.example/b@{DIGEST}"


@pytest.mark.parametrize(
    ("report", "identity", "reference"),
    [
        (image("nginx:1", RepoDigests=[f"nginx@{DIGEST}"]), "docker.io/library/nginx", HUB),
        (image("a.example/b:1", RepoDigests=[f"c.example/d@{ID}", OWN]), "a.example/b", OWN),
        (image(OWN), "a.example/b", OWN),
        (image("app:dev", RepoTags=["app:dev"]), "docker.io/library/app", ID),
        (image("myapp:dev", **TEAM), "docker.io/library/myapp", PULLED),
        (image(ID, **TEAM), "docker.io/library/myapp", PULLED),
        (image("3" * 64, RepoDigests=[PULLED]), "registry.example/team/app", PULLED),
        (image(ID), ID, ID),
        (image("1" * 12), ID, ID),
        (image("4" * 12), f"docker.io/library/{'4' * 12}", ID),
        (image("image.tar"), "image.tar", ID),
        (image("./image.tar"), "image.tar", ID),
        (image("/tmp/tmp.QWE123/image.tar"), "image.tar", ID),
        (image("/home/runner/work/_temp/8f2c/image.tar"), "image.tar", ID),
        (image("api/image.tar"), "api/image.tar", ID),
        (replace(image("layout"), archive=True), "layout", ID),
        (replace(image("out/layout:1.0"), archive=True), "out/layout", ID),
        (image("/builds/web/image.tar.gz"), "builds/web/image.tar.gz", ID),
        (image("/builds/api/image.tar", RepoTags=["acme/api:1"]), "docker.io/acme/api", ID),
        (image("C:\\images\\app.tar"), "C:/images/app.tar", ID),
        (image("shop.example/a.tar:1", RepoTags=["shop.example/a.tar:1"]), "shop.example/a.tar", ID),
        (image("localhost:5000/App:1.0"), "localhost:5000/App", ID),
        (image("."), ID, ID),
        (image(""), ID, ID),
        (replace(image("./"), artifact_type="filesystem", image_id=""), ".", ""),
        (replace(image(""), artifact_type="repository", image_id=""), "repository", ""),
        (replace(image("https://a.example/b"), artifact_type="repository", image_id=""), "https://a.example/b", ""),
    ],
)  # fmt: skip
def test_images_have_identities_and_references_of_their_own(report: ScanReport, identity: str, reference: str) -> None:
    assert image_identity(report) == identity
    assert pinned_reference(report) == reference


def test_the_configuration_of_an_image_has_a_fixed_name() -> None:
    by_tag, by_digest = (
        trivy_report.parse(
            reports.image([{"Target": name, "Class": class_, **section}], name="x:1", ArtifactName=name)
        )
        for name in ("a.example/b:1", f"a.example/b@{DIGEST}")
        for class_, section in [("secret", {"Secrets": [
            {"RuleID": "aws", "Severity": "HIGH", "StartLine": 3, "EndLine": 3, "Match": "ENV KEY=****"}]})]
    )  # fmt: skip
    assert by_tag.findings[0].target == by_digest.findings[0].target == IMAGE_CONFIGURATION
    assert identify(by_tag.findings[0]) == identify(by_digest.findings[0])


def test_a_file_named_like_a_folder_that_was_scanned_stays_a_file() -> None:
    section = {"Secrets": [{"RuleID": "aws", "Severity": "HIGH", "StartLine": 3, "EndLine": 3, "Match": "K=****"}]}
    report = reports.image(
        [{"Target": "app", "Class": "secret", **section}], ArtifactName="app", ArtifactType="filesystem"
    )
    assert trivy_report.parse(report).findings[0].target == "app"


def test_a_package_of_a_bill_in_the_image_is_told_by_its_own_file_too() -> None:
    bill = Finding(
        kind=FindingKind.VULNERABILITY, id="CVE-1", severity=Severity.HIGH, package="p", target="opt/bill.json"
    )
    first, second = (
        identify(replace(bill, path=path, result_class="lang-pkgs")) for path in ("a/p-1.2.jar", "b/p-1.2.jar")
    )
    assert first != second
    assert first == identify(replace(bill, path="a/p-1.3.jar", result_class="lang-pkgs"))
