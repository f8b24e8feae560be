"""A rule that could refuse nothing is an error, since nobody would be told that it lets everything pass."""

from __future__ import annotations

import json

import pytest

from s3c_actions.core.errors import InputError
from s3c_actions.policy import model, names


@pytest.mark.parametrize(
    "name",
    ["CVE-2021-44228", "cve-2021-44228", "GHSA-jfh8-c2jp-5v3q", "TEMP-0000000-ABCDEF", "DS-0002", "aws-access-key-id"],
)
def test_what_reports_have_may_be_denied(name: str) -> None:
    assert names.finding_fault(name) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("CVE\u20112021\u201144228", "U+2011"),
        ("CVE-2021-44228\u200b", "U+200B"),
        ("\u00a0CVE-2021-44228", "U+00A0"),
        ("CVE-2021-44228 ", "a blank"),
        ("CVE-2021-*", "no pattern"),
        ("CVE-2021-44228, CVE-2021-45046", "an entry of its own"),
        ("CVE-2021-44228 (log4j)", "an entry of its own"),
        ("CVE 2021 44228", "an entry of its own"),
        ("AVD-DS-0002", "DS-0002"),
        ("AVD-DS-2", "DS-0002"),
    ],
)
def test_what_no_finding_is_called_may_not_be_denied(name: str, why: str) -> None:
    assert why in names.finding_fault(name)
    with pytest.raises(InputError, match=r"at findings\.deny\[1\].*") as caught:
        model.parse(f"version: 1\nfindings: {{deny: [CVE-2024-3094, {json.dumps(name)}]}}\n")
    assert "refuse nothing" in str(caught.value.cause)


@pytest.mark.parametrize(
    "entry",
    [
        *("telnetd", "xz-utils@5.6.0", "@scope/pad@1", "@scope/pad", "libstdc++6", "org.apache:log4j-core@2.14.1"),
        *("libssl3@1:3.0.11-1~deb12u2", "github.com/docker/docker@v24.0.7+incompatible", "g++-12@12.2.0-14"),
    ],
)
def test_names_and_versions_of_packages_may_be_refused(entry: str) -> None:
    assert names.package_fault(entry) == ""


@pytest.mark.parametrize(
    "entry",
    [
        *(
            "openssl<3",
            "openssl>=1.1.1",
            "openssl = 3.0",
            "openssl==3.0",
            "openssl~3",
            "openssl 3.0.11",
            "openssl:3.0.11",
        ),
        *(
            "xz-utils @5.6.0",
            "xz-utils@ 5.6.0",
            "xz-utils@>=5.6",
            "xz*",
            "xz\u2011utils",
            "pkg:deb/debian/xz-utils@5.6.0",
        ),
    ],
)
def test_what_no_package_is_called_may_not_be_refused(entry: str) -> None:
    assert names.package_fault(entry)
    with pytest.raises(InputError, match=r"at packages\.refuse\[0\]"):
        model.parse(f"version: 1\npackages: {{refuse: [{json.dumps(entry)}]}}\n")
