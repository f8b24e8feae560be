import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3c_actions.core.errors import InputError
from s3c_actions.findings.versions import SCHEMES
from s3c_actions.fleet.find import query as queries
from s3c_actions.fleet.find.query import Bound, Query, QueryKind, parse

PACKAGE = QueryKind.PACKAGE


@pytest.mark.parametrize(
    ("text", "name", "ecosystem", "bounds"),
    [
        ("openssl", "openssl", "", ()),
        ("openssl<3.0.13", "openssl", "", (Bound("<", "3.0.13"),)),
        (" openssl >= 3.0 , < 3.0.13 ", "openssl", "", (Bound(">=", "3.0"), Bound("<", "3.0.13"))),
        ("openssl==3.0.11-1~deb12u2", "openssl", "", (Bound("=", "3.0.11-1~deb12u2"),)),
        ("openssl!=3.0", "openssl", "", (Bound("!=", "3.0"),)),
        ("openssh<1:9.3", "openssh", "", (Bound("<", "1:9.3"),)),
        ("deb:openssl", "openssl", "deb", ()),
        ("Debian:openssl", "openssl", "deb", ()),
        ("go:stdlib<1.22.5", "stdlib", "golang", (Bound("<", "1.22.5"),)),
        ("npm:@types/node@20.1.0", "@types/node", "npm", (Bound("=", "20.1.0"),)),
        ("@types/node", "@types/node", "", ()),
        ("golang.org/x/crypto<0.17", "golang.org/x/crypto", "", (Bound("<", "0.17"),)),
        ("org.apache.logging.log4j:log4j-core<2.17.1", "org.apache.logging.log4j:log4j-core", "maven", None),
        ("junit:junit", "junit:junit", "maven", ()),
        ("maven:debb:openssl", "debb:openssl", "maven", ()),
        ("pkg:deb/debian/openssl", "openssl", "deb", ()),
        ("pkg:npm/%40types/node<21", "@types/node", "npm", (Bound("<", "21"),)),
        ("pkg:maven/org.slf4j/slf4j-api@1.7.36", "org.slf4j:slf4j-api", "maven", (Bound("=", "1.7.36"),)),
        ("pkg:golang/golang.org/x/crypto@v0.17.0", "golang.org/x/crypto", "golang", (Bound("=", "v0.17.0"),)),
        ("go-md2man", "go-md2man", "", ()),
        ("temp-dir", "temp-dir", "", ()),
        ("libstdc++6", "libstdc++6", "", ()),
    ],
)
def test_packages(text, name, ecosystem, bounds):
    query = parse(text)
    assert (query.kind, query.name, query.ecosystem, query.text) == (PACKAGE, name, ecosystem, text.strip())
    assert bounds is None or query.bounds == bounds


def test_a_package_url_of_a_distribution_has_its_namespace():
    assert parse("pkg:deb/ubuntu/openssl").namespace == "ubuntu"
    assert parse("pkg:npm/%40types/node").namespace == ""


@pytest.mark.parametrize(
    "text",
    [
        *("CVE-2024-5535", "cve-2024-5535", "GHSA-xc9x-jj77-9p9j", "DSA-5532-1", "USN-6622-1", "RHSA-2024:1234"),
        *("ALAS-2024-2456", "GO-2024-2687", "PYSEC-2024-48", "RUSTSEC-2024-0336", "TEMP-0000000-ABCDEF"),
    ],
)
def test_advisories(text):
    assert parse(text) == Query(text=text, kind=QueryKind.ADVISORY, name=text.upper())


def test_licences():
    assert parse("license: GPL-3.0-only").name == parse("licence:GPL-3.0-only").name == "GPL-3.0-only"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["it is empty", "`openssl<3.0.13`"]),
        ("CVE-2024", ["'CVE-2024' is no id of CVE", "`CVE-2024-5535`"]),
        ("ghsa-123", ["is no id of GHSA", "`GHSA-xxxx-xxxx-xxxx`"]),
        ("openssl 3.0.13", ["has no comparison", "`openssl=3.0.13`"]),
        ("openssl<", ["'<' is no comparison with a version", "`>=3.0,<3.0.13`"]),
        ("openssl=>3", ["'=>3' is no comparison"]),
        ("openssl<3,", ["'' is no comparison"]),
        ("openssl=*", ["'=*' is no comparison"]),
        ("openssl<3||>4", ["all bounds hold together"]),
        ("openssl~=3.0", ["ranges of one package manager"]),
        ("openssl^3", ["is no name of a package"]),
        ("<3", ["is no name of a package"]),
        ("debb:openssl", ["'debb' is no ecosystem", "`deb:openssl`", "`maven:debb:openssl`"]),
        ("nmp:lodash", ["'nmp' is no ecosystem", "`npm:lodash`"]),
        ("pkg:debb/debian/openssl", ["'debb' is no type of a package URL", "`pkg:deb/…`"]),
        ("pkg:deb", ["is no package URL"]),
        ("pkg:deb/debian/openssl?arch=amd64", ["qualifiers"]),
        ("pkg:npm/lodash@1.0.0<2", ["a version and a comparison"]),
        ("npm:lodash<latest", ["'latest' is no version of npm"]),
        ("deb:openssl<a b", ["no comparison"]),
        ("license:", ["no SPDX identifier"]),
        ("license:GPL 3", ["no SPDX identifier"]),
        ("open\nssl", ["not of one line"]),
        ("x" * 501, ["longer than 500"]),
    ],
)
def test_what_is_no_query_is_an_error_that_names_what_was_meant(text, words):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.field == "query"
    assert caught.value.remedy
    message = f"{caught.value.what} {caught.value.remedy}"
    assert all(word in message for word in words), message


NAMES = st.from_regex(r"\A[a-z][a-z0-9._+-]{0,20}[a-z0-9+]\Z").filter(
    lambda name: name.partition("-")[0].upper() not in queries._ADVISORIES
)
# Semantic Versioning and apk know no leading zeros.
VERSIONS = st.from_regex(r"\A(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){0,2}\Z")
SIGNS = st.sampled_from(["<", "<=", ">", ">=", "=", "!="])
BLANKS = st.sampled_from(["", " ", "  "])


@given(NAMES, st.sampled_from(["", *SCHEMES]), st.lists(st.tuples(SIGNS, VERSIONS, BLANKS), max_size=4))
def test_what_is_written_is_what_is_parsed(name, ecosystem, bounds):
    written = (f"{ecosystem}:" if ecosystem else "") + name
    written += ",".join(f"{blank}{sign}{blank}{version}{blank}" for sign, version, blank in bounds)
    query = parse(written)
    assert (query.kind, query.name, query.ecosystem) == (PACKAGE, name, ecosystem)
    assert query.bounds == tuple(Bound(sign, version) for sign, version, _ in bounds)


@given(st.text(max_size=60) | st.from_regex(r"\A[a-zA-Z:@/<>=!~^|,.*\- 0-9]{0,40}\Z"))
def test_any_text_is_a_query_or_a_clear_error(text):
    try:
        query = parse(text)
    except InputError as error:
        assert error.field == "query"
        assert error.remedy
    else:
        assert query.name
        assert query.text == text.strip()
