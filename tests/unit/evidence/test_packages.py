import json
from typing import Any

import pytest

from s3c_actions.evidence import packages
from s3c_actions.evidence.documents import UnusableDocument
from s3c_actions.evidence.packages import Package, read_bill
from tests.support import ROOT
from tests.support.findable import purl_package, spdx

DATA = ROOT / "tests" / "data" / "sbom"


def only(*entries, **document):
    (package,) = read_bill(json.dumps({"spdxVersion": "SPDX-2.3", "packages": entries, **document}).encode()).packages
    return package


def component(**facts):
    return json.dumps({"bomFormat": "CycloneDX", "components": [{"type": "library", **facts}]}).encode()


@pytest.mark.parametrize("name", ["spdx.json", "cyclonedx.json"])
def test_trivys_documents(name):
    bill = read_bill((DATA / name).read_bytes())
    assert bill.created.startswith("2026-")
    assert {
        (package.ecosystem, package.full_name, package.version, package.source, package.source_version)
        for package in bill.packages
    } == {
        ("npm", "@types/node", "20.1.0", "", ""),
        ("deb", "bash", "5.2.15-2+b8", "bash", "5.2.15-2"),
        ("deb", "libc6", "2.36-9+deb12u14", "glibc", "2.36-9+deb12u14"),
        ("deb", "libssl3", "3.0.19-1~deb12u2", "openssl", "3.0.19-1~deb12u2"),
        ("deb", "openssh-client", "1:9.2p1-2+deb12u6", "openssh", "1:9.2p1-2+deb12u6"),
        ("deb", "openssl", "3.0.19-1~deb12u2", "openssl", "3.0.19-1~deb12u2"),
        ("pypi", "packaging", "26.4", "", ""),
    }


def test_both_documents_of_one_scan_give_the_same():
    first, second = (read_bill((DATA / name).read_bytes()) for name in ("spdx.json", "cyclonedx.json"))
    assert set(first.packages) == set(second.packages)


def test_an_epoch_that_the_url_has_apart_belongs_to_the_version():
    purl = "pkg:rpm/redhat/openssl@1.1.1k-12.el8?arch=x86_64&epoch=1"
    assert only(purl_package(purl, "1.1.1k-12.el8")).version == "1:1.1.1k-12.el8"
    assert only(purl_package(purl, "1:1.1.1k-12.el8")).version == "1:1.1.1k-12.el8"


def test_syft_names_the_source_in_the_url():
    purl = "pkg:deb/debian/libssl3@3.0.11-1?upstream=openssl%403.0.11"
    package = only(purl_package(purl, "3.0.11-1"))
    assert (package.source, package.source_version) == ("openssl", "3.0.11")
    package = only(purl_package("pkg:apk/alpine/libssl3@3.1.4-r5?upstream=openssl", "3.1.4-r5"))
    assert (package.source, package.source_version) == ("openssl", "3.1.4-r5")


def test_a_version_that_only_the_url_has():
    assert only(purl_package("pkg:npm/lodash@4.17.20", "")).version == "4.17.20"


def test_without_a_url_the_ecosystem_is_not_known():
    assert only(purl_package("", "1.0", name="tool")) == Package(ecosystem="", namespace="", name="tool", version="1.0")
    assert only({**purl_package("", "1.0"), "name": "tool", "externalRefs": "none"}).name == "tool"
    assert only({**purl_package("not a url", "1.0"), "name": "tool"}).ecosystem == ""


def test_the_image_and_its_system_are_no_packages():
    entries: list[Any] = [
        purl_package("pkg:oci/app@sha256:abc", "1.0"),
        {"name": "debian", "versionInfo": "12", "primaryPackagePurpose": "OPERATING-SYSTEM"},
        {"name": "usr/bin/app"},
        {},
        "text",
    ]
    assert read_bill(spdx(entries)).packages == ()


def test_components_within_components():
    inner = {"type": "library", "name": "b", "version": "2", "purl": "pkg:npm/b@2"}
    bill = read_bill(component(name="a", version="1", purl="pkg:npm/a@1", components=[inner, "text"]))
    assert [package.name for package in bill.packages] == ["a", "b"]


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        ([{"license": {"id": "MIT"}}], "MIT"),
        ([{"expression": "MIT OR Apache-2.0"}], "MIT OR Apache-2.0"),
        ([{"license": {"id": "MIT"}}, {"license": {"name": "Own"}}], "(MIT) AND (Own)"),
        ("MIT", ""),
    ],
)
def test_licences_of_components(licences, expected):
    (package,) = read_bill(component(name="a", version="1", licenses=licences)).packages
    assert package.licences == expected


def test_the_full_name_is_the_ecosystems():
    names = [
        Package(ecosystem=ecosystem, namespace="org.a", name="b", version="").full_name
        for ecosystem in ("maven", "npm", "deb", "golang")
    ]
    assert names == ["org.a:b", "org.a/b", "b", "org.a/b"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not JSON"),
        (b"[]", "it is no JSON object"),
        (b"{}", "it is neither SPDX nor CycloneDX in JSON"),
        (b'{"spdxVersion": "SPDX-2.3"}', "it is no SPDX document: it has no packages"),
        (b'{"bomFormat": "CycloneDX", "components": {}}', "it is no CycloneDX document: its components are no list"),
    ],
)
def test_what_is_no_bill_is_named(content, reason):
    with pytest.raises(UnusableDocument, match=reason):
        read_bill(content)


def test_a_bill_may_be_only_so_long(monkeypatch):
    monkeypatch.setattr(packages, "MAX_PACKAGES", 2)
    with pytest.raises(UnusableDocument, match="more than 2 packages"):
        read_bill(spdx([purl_package("", "1.0", name=name) for name in "abc"]))
    with pytest.raises(UnusableDocument, match="more than 2 components"):
        read_bill(component(name="a", components=[{"name": "b"}, {"name": "c"}]))
