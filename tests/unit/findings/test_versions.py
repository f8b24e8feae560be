import pytest

from s3c_actions.findings import versions
from s3c_actions.findings.versions import NotComparable, compare
from tests.support import ROOT

SIGNS = {"<": -1, "=": 0, ">": 1}
DATA = ROOT / "tests" / "data" / "versions"
ROWS = [(file.stem, *line.split()) for file in sorted(DATA.glob("*.txt")) for line in file.read_text().splitlines()]
AS_STATED = {
    # The right side states no epoch, which is then not compared.
    ("deb", "1:9.2p1-2+deb12u3", "9.3"): -1,
    ("deb", "1:1.0", "2.0"): -1,
    ("rpm", "1:1.1.1k-9.el8", "1.1.1k-12.el8"): -1,
    # apk calls no release lower than the first; an installed package always has one.
    ("apk", "3.1.4", "3.1.4-r0"): 0,
}
"""Rows in which we differ from the ecosystem's program, on purpose."""


@pytest.mark.parametrize(("ecosystem", "left", "sign", "right"), ROWS, ids=" ".join)
def test_versions_are_ordered_as_the_ecosystems_own_program_orders_them(ecosystem, left, sign, right):
    expected = AS_STATED.get((ecosystem, left, right), SIGNS[sign])
    assert compare(ecosystem, left, right) == expected


def test_there_are_recordings_and_each_exception_is_of_one():
    assert len(ROWS) > 100
    assert set(AS_STATED) <= {(ecosystem, left, right) for ecosystem, left, _, right in ROWS}


@pytest.mark.parametrize(
    ("ecosystem", "installed", "wanted", "order"),
    [
        ("deb", "3.0.11-1~deb12u2", "3.0.11", 0),
        ("deb", "3.0.13-1", "3.0.13", 0),
        ("deb", "3.0.13~rc1-1", "3.0.13", -1),
        ("deb", "1:3.0-1", "1:3.0", 0),
        ("deb", "2:3.0-1", "1:3.0", 1),
        ("deb", "3.0-1", "0:3.0-1", 0),
        ("deb", "1.2-rc-3", "1.2-rc-3", 0),
        ("deb", "20230311", "20230311", 0),
        ("rpm", "1:3.0.7-25.el9", "3.0.7", 0),
        ("rpm", "1:3.0.7-25.el9", "3.0.7-25.el9", 0),
        ("rpm", "3.0.7-25.el9", "1:3.0.7-25.el9", -1),
        ("apk", "3.1.4-r5", "3.1.4", 0),
        ("pypi", "2.1.0+cu118", "2.1.0", 0),
        ("pypi", "2.1.0+cu118", "2.1.0+cu117", 1),
        ("golang", "v1.22.3", "1.22.10", -1),
        ("golang", "go1.22.3", "1.22.3", 0),
        ("golang", "v1.0.0+incompatible", "v1.0.0", 0),
        ("npm", "1.0.0+5", "1.0.0+6", 0),
        ("gem", "1.10", "1.9", 1),
        ("gem", "2.0.0.pre1", "2.0.0", -1),
        ("nuget", "1.0.0-beta", "1.0.0", -1),
        ("nuget", "1.0.0.1", "1.0.0", 1),
        ("composer", "v1.10.0", "1.9", 1),
        ("alpm", "1:3.0-2", "3.0", 0),
    ],
)
def test_a_version_is_compared_as_far_as_the_wanted_one_is_stated(ecosystem, installed, wanted, order):
    assert compare(ecosystem, installed, wanted) == order


@pytest.mark.parametrize(
    ("ecosystem", "installed", "wanted", "reason"),
    [
        ("", "1.0", "1.0", "its ecosystem is not known"),
        ("generic", "1.0", "1.1", "how versions of generic compare is not known"),
        ("deb", "", "1.0", "no version of it is stated"),
        ("deb", "1.0 or so", "1.0", "'1.0 or so' is no version of deb"),
        ("golang", "(devel)", "1.0.0", "'(devel)' is no version of golang"),
        ("golang", "1.22rc1", "1.22.0", "'1.22rc1' is no version of golang"),
        ("npm", "latest", "1.0.0", "'latest' is no version of npm"),
        ("npm", "1.2.3.4", "1.0.0", "'1.2.3.4' is no version of npm"),
        ("pypi", "3.0.13-1~deb12u1", "3.0", "'3.0.13-1~deb12u1' is no version of pypi"),
        ("apk", "0.7.9_git20230101-r0", "0.7.9", "'0.7.9_git20230101-r0' is no version of apk"),
        ("composer", "1.0.0-beta11", "1.0.0", "'1.0.0-beta11' is no version of composer"),
        ("composer", "dev-master", "1.0.0", "'dev-master' is no version of composer"),
        ("maven", "${revision}", "1", "'${revision}' is no version of maven"),
        ("rpm", "1.0\n", "1.0", "'1.0\\n' is no version of rpm"),
    ],
)
def test_what_no_rule_compares_is_not_compared_as_text(ecosystem, installed, wanted, reason):
    with pytest.raises(NotComparable) as caught:
        compare(ecosystem, installed, wanted)
    assert str(caught.value) == reason


def test_a_hostile_version_costs_nothing():
    with pytest.raises(NotComparable):
        compare("deb", "1" * 100_000, "1")


@pytest.mark.parametrize("ecosystem", versions.SCHEMES)
def test_every_scheme_compares(ecosystem):
    assert [compare(ecosystem, installed, "1.5.0") for installed in ("1.4.0", "1.5.0", "1.10.0")] == [-1, 0, 1]
